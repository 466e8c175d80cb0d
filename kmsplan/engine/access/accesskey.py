"""Access keys: who calls over the wire, and the secret that proves it.

A request is signed with the secret itself, so that no hash of it would do: the keystore keeps it boxed under the
keyring, bound to whose it is, to its role, its status and its expiry. A row in which somebody made himself an
administrator, or a disabled key active again, does not open. A sealed engine knows no secret, and answers nobody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kmsplan.engine import moment
from kmsplan.engine.access.known import AccessKey
from kmsplan.engine.access.lookup import binding
from kmsplan.engine.access.role import Role
from kmsplan.engine.execution import admitted, commit
from kmsplan.engine.keystore import accesskey as rows
from kmsplan.engine.keystore.accesskey import ACTIVE, INACTIVE, AccessKeyRow
from kmsplan.engine.parameter import invalid
from kmsplan.kms.error import KmsError
from kmsplan.kms.secret import SecretBytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.audit import Request
    from kmsplan.engine.caller import Caller
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.transaction import Transaction

ID_PREFIX: Final = "LTAI"
_ID_LENGTH: Final = 20
_SECRET_LENGTH: Final = 30
"""Of 62 characters each: 178 bits."""
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_ENTROPY_BYTES: Final = 32
_ACCOUNT: Final = re.compile(r"[0-9]{1,20}")
_USER: Final = re.compile(r"root|(?:user|role)/[A-Za-z0-9._@-]{1,64}")
_OVERLAP_SECONDS: Final = 90 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKeyView:
    """What may be shown of an access key."""

    access_key_id: str
    account: str
    user: str
    """`root`, `user/NAME` or `role/NAME`."""
    role: Role
    status: str
    """Active or Inactive."""
    created: str
    last_used: str | None
    """To the minute."""
    expires: str | None
    """It is inactive from then on; None is never."""


class Access:
    """The access keys of an open engine, for one caller. Every change is audited; what it raises, `Engine` says.

    Args:
        core: the engine.
        caller: who administers. Access keys themselves are not permitted to.
    """

    __slots__ = ("_caller", "_core")

    def __init__(self, core: Core, caller: Caller) -> None:
        self._core = core
        self._caller = caller

    def create(self, *, role: Role, user: str = "root", account: str | None = None) -> AccessKey:
        """Make an access key. Nothing shows its secret later.

        Args:
            role: what it may do.
            user: `root`, `user/NAME` or `role/NAME`: whom key policies know it as.
            account: whose it is; the engine's own unless another is named.
        """
        core = self._core
        account = core.identity.account if account is None else account
        request = core.request(self._caller, "CreateAccessKey", None)
        with admitted(core, request):
            _check(role, user, account)
            request.parameters = {"Account": account, "Role": role.value, "User": user}
            made, row = _made(core, request, role=role, user=user, account=account)
            request.resource = made.access_key_id
            commit(core, request, lambda transaction: rows.insert(transaction.db, row), uses_keys=True)
        return made

    def rotate(self, access_key_id: str, *, overlap: int = 0) -> AccessKey:
        """Make a successor with the same rights; the old one is disabled now, or expires in `overlap` seconds."""
        core = self._core
        request = core.request(self._caller, "RotateAccessKey", access_key_id)
        with admitted(core, request):
            if not 0 <= overlap <= _OVERLAP_SECONDS:
                raise invalid("Overlap", f"it is a whole number of seconds from 0 to {_OVERLAP_SECONDS}")
            with core.store.look() as db:
                old = _found(db, access_key_id)
            made, row = _made(core, request, role=Role(old.role), user=old.user, account=old.account)
            request.parameters = {"Overlap": overlap, "Successor": made.access_key_id}
            commit(
                core, request, lambda transaction: _succeed(core, transaction, request, row, overlap), uses_keys=True
            )
        return made

    def set_status(self, access_key_id: str, *, active: bool) -> None:
        """Enable or disable an access key; enabling takes its expiry away."""
        core = self._core
        request = core.request(self._caller, "EnableAccessKey" if active else "DisableAccessKey", access_key_id)

        def carry_out(transaction: Transaction) -> None:
            row = _found(transaction.db, access_key_id)
            _rebox(core, transaction, row, ACTIVE if active else INACTIVE, None if active else row.expires)

        with admitted(core, request):
            commit(core, request, carry_out, uses_keys=True)

    def delete(self, access_key_id: str) -> None:
        """Delete an access key."""
        core = self._core
        request = core.request(self._caller, "DeleteAccessKey", access_key_id)

        def carry_out(transaction: Transaction) -> None:
            rows.remove(transaction.db, _found(transaction.db, access_key_id).access_key_id)

        with admitted(core, request):
            commit(core, request, carry_out)


def views(core: Core) -> list[AccessKeyView]:
    """Return every access key without its secret, the oldest first."""
    now = core.now()
    with core.store.read() as db:
        return [_view(row, now) for row in rows.load_all(db)]


def _view(row: AccessKeyRow, now: str) -> AccessKeyView:
    return AccessKeyView(
        access_key_id=row.access_key_id,
        account=row.account,
        user=row.user,
        role=Role(row.role),
        status=ACTIVE if _is_active(row, now) else INACTIVE,
        created=row.created,
        last_used=row.last_used,
        expires=row.expires,
    )


def _succeed(core: Core, transaction: Transaction, request: Request, row: AccessKeyRow, overlap: int) -> None:
    """Put a successor beside an access key, and end that one."""
    old = _found(transaction.db, str(request.resource))
    if not _is_active(old, request.time):
        raise KmsError(
            "InvalidAccessKeyId.Inactive", f"The access key {old.access_key_id} is disabled: enable it first."
        )
    rows.insert(transaction.db, row)
    if overlap:
        expires = moment.later(request.time, overlap)
        _rebox(core, transaction, old, ACTIVE, min(expires, old.expires or expires))
    else:
        _rebox(core, transaction, old, INACTIVE, old.expires)


def _made(core: Core, request: Request, *, role: Role, user: str, account: str) -> tuple[AccessKey, AccessKeyRow]:
    """Return a new access key, and its row with the secret boxed."""
    entropy, keyring = core.world.entropy, core.opened()
    new_id = ID_PREFIX + _text(entropy, _ID_LENGTH)
    secret = SecretBytes(_text(entropy, _SECRET_LENGTH).encode())
    row = AccessKeyRow(new_id, account, user, role.value, ACTIVE, b"", request.time)
    made = AccessKey(
        access_key_id=new_id,
        account=account,
        user=user,
        role=role,
        active=True,
        expires=None,
        secret=secret,
        generation=-1,
    )
    return made, row._replace(secret=keyring.box(binding(row), secret.reveal()))


def _rebox(core: Core, transaction: Transaction, row: AccessKeyRow, status: str, expires: str | None) -> None:
    """Change what the secret is bound to, and so the box."""
    keyring = core.opened()
    changed = row._replace(status=status, expires=expires)
    secret = keyring.unbox(binding(row), row.secret)
    rows.change(transaction.db, changed._replace(secret=keyring.box(binding(changed), secret)))


def _text(entropy: Callable[[int], bytes], length: int) -> str:
    """Return random characters; 256 bits for at most 178 leave no bias to speak of."""
    number, characters = int.from_bytes(entropy(_ENTROPY_BYTES), "big"), []
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[digit])
    return "".join(characters)


def _check(role: Role, user: str, account: str) -> None:
    """Check whose a new access key is to be.

    Raises:
        KmsError: InvalidParameter.
    """
    if not _ACCOUNT.fullmatch(account):
        raise invalid("Account", "it is an account number of up to 20 digits")
    if not _USER.fullmatch(user):
        raise invalid("User", "it is root, user/NAME or role/NAME; a name has letters, digits and . _ @ - in it")
    if role is Role.SERVICE and not user.startswith("role/"):
        raise invalid("User", "a service calls in a role of its own: role/NAME, where NAME says which service it is")


def _is_active(row: AccessKeyRow, now: str) -> bool:
    return row.status == ACTIVE and (row.expires is None or now < row.expires)


def _found(db: Connection, access_key_id: str) -> AccessKeyRow:
    """Return an access key.

    Raises:
        KmsError: there is none.
    """
    row = rows.load(db, access_key_id)
    if row is None:
        raise KmsError("InvalidAccessKeyId.NotFound", f"The access key {access_key_id!a} is not found.")
    return row
