"""What an operation's part is given, and how it finds what it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kmsplan.engine.keystore import instance as instances
from kmsplan.engine.keystore.instance import DEFAULT_CMK_HOME, HIDDEN, SERVICE_KEY_HOME
from kmsplan.engine.lookup import find_named, refuse_migrated, require_id
from kmsplan.kms.capability import action_refusal
from kmsplan.kms.error import KmsError
from kmsplan.kms.lifecycle import KeyState, check
from kmsplan.kms.spec import KeyType

if TYPE_CHECKING:
    from kmsplan.engine.audit import Request
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.instance import InstanceRow
    from kmsplan.engine.keystore.key import KeyRow

_WITHOUT_INSTANCE: Final = {DEFAULT_CMK_HOME: KeyType.DEFAULT_CMK, SERVICE_KEY_HOME: KeyType.SERVICE_KEY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One operation inside its transaction."""

    core: Core
    db: Connection
    request: Request
    made: Any = None
    """What was prepared outside the transaction."""

    @property
    def now(self) -> str:
        """When the request came in."""
        return self.request.time

    def key(self, name: object, action: str | None = None) -> KeyRow:
        """Return a key that the action goes with, and whose state allows it. Its id or its ARN names it.

        Raises:
            KmsError: there is no such key, an alias was given, which management does not take, it is forbidden, or the
                feature matrix or the state table refuses.
        """
        text = str(name)
        require_id(text)
        row = find_named(self.db, self.core.identity, self.request, text)
        if self.request.resource == text:
            self.request.resource = row.key_id
        require_fitting(row, action or self.request.action)
        return row


def require_fitting(row: KeyRow, action: str) -> None:
    """Check that an action goes with a key: by the feature matrix, then by the state table.

    Raises:
        KmsError: it does not.
    """
    refuse_migrated(row)
    key_type = _WITHOUT_INSTANCE.get(row.instance_id)
    refusal = action_refusal(key_type, action) if key_type else None
    if refusal:
        raise KmsError("UnsupportedOperation", f"{action} does not go with {row.key_id}: {refusal}.")
    check(action, KeyState(row.state))


def find_instance(db: Connection, instance_id: object) -> InstanceRow:
    """Return an instance by its id; the places of keys without an instance are nobody's business.

    Raises:
        KmsError: there is none.
    """
    row = None if instance_id in HIDDEN else instances.load(db, str(instance_id))
    if row is None:
        raise KmsError("Forbidden.DKMSInstanceNotFound", f"The specified instance {instance_id} is not found.")
    return row
