"""Instances in the database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from kmsplan.kms.capability import KEY_QUOTA
from kmsplan.kms.spec import KeyType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.engine.keystore.connection import Connection

DEFAULT_CMK_HOME = "kmsplan-default"
SERVICE_KEY_HOME = "kmsplan-service"
HIDDEN = (DEFAULT_CMK_HOME, SERVICE_KEY_HOME)
"""Keys without an instance live in these rows, so that every key has a type and a place; nobody else sees them."""

CONNECTED = "Connected"
"""The status of an instance that can be used; an embedded one is from the start."""


class InstanceRow(NamedTuple):
    """An instance."""

    instance_id: str
    type: str
    spec: int
    key_quota: int
    module: str | None
    token: str | None
    deletion_protection: int
    status: str
    versions: int
    """Key versions in it, those being made or destroyed included."""
    details: str = "{}"
    """JSON: name, networks, why it is protected."""
    proxy: str | None = None
    """External: JSON, where the key manager's proxy is."""


_COLUMNS = ", ".join(InstanceRow._fields)
_LOAD = f"SELECT {_COLUMNS} FROM instance WHERE instance_id = ?"  # noqa: S608 - our own names


def load(db: Connection, instance_id: str) -> InstanceRow | None:
    """Return an instance, or None."""
    row = db.execute(_LOAD, (instance_id,)).fetchone()
    return InstanceRow(*row) if row else None


def of_type(db: Connection, key_type: str) -> list[InstanceRow]:
    """Return the instances of a type."""
    rows = db.execute(f"SELECT {_COLUMNS} FROM instance WHERE type = ?", (key_type,))  # noqa: S608 - as above
    return [InstanceRow(*row) for row in rows]


def visible(db: Connection) -> list[InstanceRow]:
    """Return the instances that anybody sees."""
    rows = db.execute(f"SELECT {_COLUMNS} FROM instance WHERE instance_id NOT IN (?, ?)", HIDDEN)  # noqa: S608 - as above
    return [InstanceRow(*row) for row in rows]


def found_hidden(db: Connection, now: str) -> None:
    """Add the places of keys that are in no instance."""
    for instance_id, key_type in ((DEFAULT_CMK_HOME, KeyType.DEFAULT_CMK), (SERVICE_KEY_HOME, KeyType.SERVICE_KEY)):
        row = InstanceRow(
            instance_id=instance_id,
            type=key_type.value,
            spec=1000,
            key_quota=KEY_QUOTA[1],
            module=None,
            token=None,
            deletion_protection=1,
            status=CONNECTED,
            versions=0,
        )
        insert(db, row, now)


def insert(db: Connection, row: InstanceRow, now: str) -> None:
    """Add an instance."""
    db.execute(
        f"INSERT INTO instance ({_COLUMNS}, created) VALUES ({'?, ' * len(row)}?)",  # noqa: S608 - as above
        (*row, now),
    )


def resize(db: Connection, instance_id: str, spec: int, key_quota: int) -> None:
    """Set spec and quota."""
    db.execute("UPDATE instance SET spec = ?, key_quota = ? WHERE instance_id = ?", (spec, key_quota, instance_id))


def redirect(db: Connection, instance_id: str, proxy: str | None) -> None:
    """Set where an external instance's proxy is."""
    db.execute("UPDATE instance SET proxy = ? WHERE instance_id = ?", (proxy, instance_id))


def protect(db: Connection, instance_id: str, *, enable: bool) -> None:
    """Turn deletion protection on or off."""
    db.execute("UPDATE instance SET deletion_protection = ? WHERE instance_id = ?", (int(enable), instance_id))


def set_details(db: Connection, instance_id: str, details: Mapping[str, Any]) -> None:
    """Set name, networks and the like."""
    db.execute(
        "UPDATE instance SET details = ? WHERE instance_id = ?",
        (json.dumps(details, separators=(",", ":")), instance_id),
    )


def keys_inside(db: Connection, instance_id: str) -> int:
    """Return how many keys are in it, whatever their state."""
    count: int = db.execute("SELECT count(*) FROM key WHERE instance_id = ?", (instance_id,)).fetchone()[0]
    return count


def remove(db: Connection, instance_id: str) -> None:
    """Remove an instance, which must be empty, and its tags."""
    db.execute("DELETE FROM tag WHERE resource_id = ?", (instance_id,))
    db.execute("DELETE FROM instance WHERE instance_id = ?", (instance_id,))
