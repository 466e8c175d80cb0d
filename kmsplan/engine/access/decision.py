"""Whether a caller may do what a request says: first the role, then the key's policy.

The owner of the engine's folder may do all that the seal allows. Everybody else calls with an access key, which has a
role. What a role allows at all, a key's policy narrows for the key's own account, and widens to other accounts, which
have to name the key by its ARN. Default and service keys have no policy: they are their account's alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kmsplan.engine.access.policy import allows, keeps_owner
from kmsplan.engine.access.role import open_to_others, permitted
from kmsplan.engine.keystore.instance import HIDDEN
from kmsplan.engine.naming import ARN_START
from kmsplan.kms.error import KmsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.engine.audit import Request
    from kmsplan.engine.keystore.key import KeyRow

_UNSEEN: Final = "There is no such key in this account, or its"
"""How a denial to another account begins; it does not tell which of the two it is."""


def admit(request: Request, account: str) -> None:
    """Check a request against its caller's role, before any key is looked at.

    Args:
        request: what is asked.
        account: the engine's. Callers of another one may ask about single keys only, and have none to list.

    Raises:
        KmsError: Forbidden.NoPermission.
    """
    caller, action = request.caller, request.action
    if caller.account is None:
        return
    if not permitted(caller.role, action):
        raise _forbidden(f"The role of the access key, {caller.role}, does not permit {action}.")
    if caller.account != account and not open_to_others(action):
        raise _forbidden(f"{action} is not about a single key, and account {caller.account} has nothing else here.")


def require_reach(request: Request, name: str, account: str) -> None:
    """Check, before a name is looked up, that it can mean a key of this engine to its caller.

    To callers of another account an id or an alias means something of their own account, which has no keys here.

    Raises:
        KmsError: Forbidden.KeyNotFound, as if there were none.
    """
    if request.caller.account not in (None, account) and not name.startswith(ARN_START):
        raise KmsError("Forbidden.KeyNotFound", f"The specified key {name} is not found.")


def require_own_account(request: Request, account: str) -> None:
    """Check, where an action can be about a key as well as about an instance, that an instance is its own account's.

    Raises:
        KmsError: Forbidden.NoPermission, whether there is such an instance or not.
    """
    caller = request.caller
    if caller.account not in (None, account):
        raise _forbidden(f"Instances are their own account's; {caller.account} has none here.")


def permit(request: Request, key: KeyRow, account: str, *, by_arn: bool, action: str | None = None) -> None:
    """Check a request about a key against the caller's role and the key's policy.

    Args:
        request: what is asked.
        key: the key that it is about.
        account: the engine's.
        by_arn: whether the key was named by its ARN, as other accounts have to. A ciphertext that names its own key
            names it fully.
        action: what the policy is asked for where the request stands for several; else the request's.

    Raises:
        KmsError: Forbidden.NoPermission.
    """
    caller = request.caller
    if caller.account is None:
        return
    admit(request, account)
    if caller.account != account and not by_arn:
        raise _forbidden("A key of another account is named by its ARN.")
    asked = action or request.action
    policy = None if key.instance_id in HIDDEN else key.policy
    if not allows(policy, account, caller.account, caller.user, asked):
        raise _denied(request, asked, "The key's" if caller.account == account else _UNSEEN)


def absent(request: Request, error: KmsError, account: str, action: str | None = None) -> KmsError:
    """Return what a caller is told of a name that means nothing: outside of the key's account, what `permit` says.

    Other accounts would learn otherwise which keys and aliases there are.

    Args:
        request: what is asked.
        error: why the name means nothing.
        account: the engine's.
        action: as in `permit`.
    """
    if request.caller.account in (None, account):
        return error
    return _denied(request, action or request.action, _UNSEEN)


def _denied(request: Request, action: str, whose: str) -> KmsError:
    caller = request.caller
    return _forbidden(f"{whose} policy does not permit {action} to acs:ram::{caller.account}:{caller.user}.")


def require_owner_kept(request: Request, policy: Mapping[str, Any] | None, account: str) -> None:
    """Check that a new policy leaves the key to somebody in its own account.

    The owner of the folder can always set another policy, and is not bound.

    Raises:
        KmsError: InvalidParameter.
    """
    if request.caller.account is not None and policy is not None and not keeps_owner(policy, account):
        raise KmsError(
            "InvalidParameter",
            'The specified parameter "Policy" is not valid: nobody in the key\'s own account could replace it again. '
            f"Allow kms:SetKeyPolicy to acs:ram::{account}:* or to a user of that account.",
        )


def _forbidden(message: str) -> KmsError:
    return KmsError("Forbidden.NoPermission", f"This operation is forbidden by permission system. {message}")
