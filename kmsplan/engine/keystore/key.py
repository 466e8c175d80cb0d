"""Keys in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3


class KeyRow(NamedTuple):
    """A key; its columns in the order of the table."""

    key_id: str
    instance_id: str
    spec: str
    usage: str
    origin: str
    storage_mechanism: str | None
    state: str
    description: str
    rotation: int | None
    policy: str | None
    deletion_protection: int
    creation_date: str
    delete_date: str | None
    last_rotation_date: str | None
    next_rotation_date: str | None
    last_used: str | None
    primary_version: str | None


_LOAD = f"SELECT {', '.join(KeyRow._fields)} FROM key WHERE key_id = ?"  # noqa: S608 - our own names
_INSERT = f"INSERT INTO key VALUES ({', '.join('?' * len(KeyRow._fields))})"  # noqa: S608 - as above


def load(db: sqlite3.Connection, key_id: str) -> KeyRow | None:
    """Return a key, or None."""
    row = db.execute(_LOAD, (key_id,)).fetchone()
    return KeyRow(*row) if row else None


def insert(db: sqlite3.Connection, row: KeyRow) -> None:
    """Add a key."""
    db.execute(_INSERT, row)


def set_state(db: sqlite3.Connection, key_id: str, state: str, delete_date: str | None = None) -> None:
    """Set state and deletion date."""
    db.execute("UPDATE key SET state = ?, delete_date = ? WHERE key_id = ?", (state, delete_date, key_id))


def describe(db: sqlite3.Connection, key_id: str, description: str) -> None:
    """Set the description."""
    db.execute("UPDATE key SET description = ? WHERE key_id = ?", (description, key_id))


def set_policy(db: sqlite3.Connection, key_id: str, policy: str | None) -> None:
    """Set the policy; None is the default one."""
    db.execute("UPDATE key SET policy = ? WHERE key_id = ?", (policy, key_id))


def protect(db: sqlite3.Connection, key_id: str, *, enable: bool) -> None:
    """Turn deletion protection on or off."""
    db.execute("UPDATE key SET deletion_protection = ? WHERE key_id = ?", (enable, key_id))


def set_rotation(db: sqlite3.Connection, key_id: str, seconds: int | None, due: str | None) -> None:
    """Set the rotation period and when it is due next."""
    db.execute("UPDATE key SET rotation = ?, next_rotation_date = ? WHERE key_id = ?", (seconds, due, key_id))


def rotated(db: sqlite3.Connection, key_id: str, version_id: str, now: str, due: str) -> None:
    """Make a version the primary one."""
    db.execute(
        "UPDATE key SET primary_version = ?, last_rotation_date = ?, next_rotation_date = ? WHERE key_id = ?",
        (version_id, now, due, key_id),
    )


def used(db: sqlite3.Connection, key_id: str, now: str) -> None:
    """Note that the key was used."""
    db.execute("UPDATE key SET last_used = ? WHERE key_id = ?", (now, key_id))


def due_for_rotation(db: sqlite3.Connection, now: str, only: str | None = None) -> list[str]:
    """Return enabled keys whose rotation is due, or the one key if it is; the longest due first."""
    rows = db.execute(
        "SELECT key_id FROM key WHERE next_rotation_date <= ?1 AND state = 'Enabled' AND (?2 IS NULL OR key_id = ?2) "
        "ORDER BY next_rotation_date, key_id",
        (now, only),
    )
    return [row[0] for row in rows]


def due_for_deletion(db: sqlite3.Connection, now: str) -> list[str]:
    """Return keys whose deletion is due, the longest due first."""
    rows = db.execute(
        "SELECT key_id FROM key WHERE delete_date <= ? AND state = 'PendingDeletion' ORDER BY delete_date, key_id",
        (now,),
    )
    return [row[0] for row in rows]


def remove(db: sqlite3.Connection, key_id: str) -> None:
    """Remove a key with its aliases and tags; its versions are removed apart."""
    db.execute("DELETE FROM alias WHERE key_id = ?", (key_id,))
    db.execute("DELETE FROM tag WHERE resource_id = ?", (key_id,))
    db.execute("DELETE FROM key WHERE key_id = ?", (key_id,))
