"""From the name that a caller gives a key, to the key, if the caller may ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.engine.access.decision import absent, permit, require_reach
from kmsplan.engine.keystore import key as keys
from kmsplan.engine.naming import ARN_START, resolve
from kmsplan.kms.error import KmsError
from kmsplan.kms.naming import ALIAS_PREFIX, parse_arn

if TYPE_CHECKING:
    from kmsplan.engine.audit import Request
    from kmsplan.engine.core import Identity
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.key import KeyRow


def require_id(name: str) -> None:
    """Check that a key is named by its id or ARN, where the API takes no alias.

    Raises:
        KmsError: Unsupported.Alias.
    """
    arn = parse_arn(name)
    if name.startswith(ALIAS_PREFIX) or (arn and arn.kind == "alias"):
        raise KmsError("Unsupported.Alias", f"This operation takes a key's id, not the alias {name}.")


def refuse_migrated(row: KeyRow) -> None:
    """Check that a key was not migrated from KMS 1.0, which leaves nothing to be done with it.

    Raises:
        KmsError: UnsupportedOperation.
    """
    if row.read_only:
        raise KmsError(
            "UnsupportedOperation", f"{row.key_id} was migrated from KMS 1.0: it is read, and nothing else is possible."
        )


def find_named(db: Connection, identity: Identity, request: Request, name: str) -> KeyRow:
    """Return the key that an id, an alias or an ARN means.

    Raises:
        KmsError: there is none, or the caller may not do with it what the request says.
    """
    require_reach(request, name, identity.account)
    try:
        row = keys.load(db, resolve(db, identity, name))
        if row is None:
            raise KmsError("Forbidden.KeyNotFound", f"The specified key {name} is not found.")  # noqa: TRY301 - as `resolve`
    except KmsError as error:
        raise absent(request, error, identity.account) from None
    permit(request, row, identity.account, by_arn=name.startswith(ARN_START))
    return row
