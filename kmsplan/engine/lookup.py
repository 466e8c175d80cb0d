"""From the name that a caller gives a key, to the key, if the caller may ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.engine.access.decision import permit, require_reach
from kmsplan.engine.keystore import key as keys
from kmsplan.engine.naming import ARN_START, resolve
from kmsplan.kms.error import KmsError

if TYPE_CHECKING:
    from kmsplan.engine.audit import Request
    from kmsplan.engine.core import Identity
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.key import KeyRow


def find_named(db: Connection, identity: Identity, request: Request, name: str) -> KeyRow:
    """Return the key that an id, an alias or an ARN means.

    Raises:
        KmsError: there is none, or the caller may not do with it what the request says.
    """
    require_reach(request, name, identity.account)
    row = keys.load(db, resolve(db, identity, name))
    if row is None:
        raise KmsError("Forbidden.KeyNotFound", f"The specified key {name} is not found.")
    permit(request, row, identity.account, by_arn=name.startswith(ARN_START))
    return row
