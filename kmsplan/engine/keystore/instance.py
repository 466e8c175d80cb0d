"""Instances in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3

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


_COLUMNS = ", ".join(InstanceRow._fields)
_LOAD = f"SELECT {_COLUMNS} FROM instance WHERE instance_id = ?"  # noqa: S608 - our own names


def load(db: sqlite3.Connection, instance_id: str) -> InstanceRow | None:
    """Return an instance, or None."""
    row = db.execute(_LOAD, (instance_id,)).fetchone()
    return InstanceRow(*row) if row else None


def of_type(db: sqlite3.Connection, key_type: str) -> list[InstanceRow]:
    """Return the instances of a type."""
    rows = db.execute(f"SELECT {_COLUMNS} FROM instance WHERE type = ?", (key_type,))  # noqa: S608 - as above
    return [InstanceRow(*row) for row in rows]


def insert(db: sqlite3.Connection, row: InstanceRow, now: str) -> None:
    """Add an instance."""
    db.execute(
        f"INSERT INTO instance ({_COLUMNS}, created) VALUES ({'?, ' * len(row)}?)",  # noqa: S608 - as above
        (*row, now),
    )


def resize(db: sqlite3.Connection, instance_id: str, spec: int, key_quota: int) -> None:
    """Set spec and quota."""
    db.execute("UPDATE instance SET spec = ?, key_quota = ? WHERE instance_id = ?", (spec, key_quota, instance_id))


def protect(db: sqlite3.Connection, instance_id: str, *, enable: bool) -> None:
    """Turn deletion protection on or off."""
    db.execute("UPDATE instance SET deletion_protection = ? WHERE instance_id = ?", (enable, instance_id))


def keys_inside(db: sqlite3.Connection, instance_id: str) -> int:
    """Return how many keys are in it, whatever their state."""
    count: int = db.execute("SELECT count(*) FROM key WHERE instance_id = ?", (instance_id,)).fetchone()[0]
    return count


def remove(db: sqlite3.Connection, instance_id: str) -> None:
    """Remove an instance, which must be empty, and its tags."""
    db.execute("DELETE FROM tag WHERE resource_id = ?", (instance_id,))
    db.execute("DELETE FROM instance WHERE instance_id = ?", (instance_id,))
