"""What an operation's part is given, and how it finds what it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kmsplan.engine.keystore import instance as instances
from kmsplan.engine.keystore import key as keys
from kmsplan.kms.error import KmsError
from kmsplan.kms.lifecycle import KeyState, check
from kmsplan.kms.naming import ALIAS_PREFIX

if TYPE_CHECKING:
    import sqlite3

    from kmsplan.engine.audit import Request
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.instance import InstanceRow
    from kmsplan.engine.keystore.key import KeyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One operation inside its transaction."""

    core: Core
    db: sqlite3.Connection
    request: Request
    made: Any = None
    """What was prepared outside the transaction."""

    @property
    def now(self) -> str:
        """When the request came in."""
        return self.request.time

    def key(self, key_id: object, action: str | None = None) -> KeyRow:
        """Return a key whose state allows the action.

        Raises:
            KmsError: there is no such key, or the state table refuses.
        """
        row = find_key(self.db, key_id)
        check(action or self.request.action, KeyState(row.state))
        return row


def find_key(db: sqlite3.Connection, key_id: object) -> KeyRow:
    """Return a key by its id.

    Raises:
        KmsError: there is none, or an alias was given, which management does not take.
    """
    name = str(key_id)
    if name.startswith(ALIAS_PREFIX):
        raise KmsError("Unsupported.Alias", f"This operation takes a key's id, not the alias {name}.")
    row = keys.load(db, name)
    if row is None:
        raise KmsError("Forbidden.KeyNotFound", f"The specified key {name} is not found.")
    return row


def find_instance(db: sqlite3.Connection, instance_id: object) -> InstanceRow:
    """Return an instance by its id.

    Raises:
        KmsError: there is none.
    """
    row = instances.load(db, str(instance_id))
    if row is None:
        raise KmsError("Forbidden.DKMSInstanceNotFound", f"The specified instance {instance_id} is not found.")
    return row
