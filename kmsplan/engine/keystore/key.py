"""Keys in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kmsplan.engine.keystore.instance import DEFAULT_CMK_HOME

if TYPE_CHECKING:
    from kmsplan.engine.keystore.connection import Connection


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
    creator: str = ""
    protection_reason: str = ""
    material_expires: str | None = None
    material_digest: bytes | None = None
    external_key_id: str | None = None
    read_only: int = 0


_LOAD = f"SELECT {', '.join(KeyRow._fields)} FROM key WHERE key_id = ?"  # noqa: S608 - our own names
_INSERT = f"INSERT INTO key VALUES ({', '.join('?' * len(KeyRow._fields))})"  # noqa: S608 - as above


_DATES = ("next_rotation_date", "delete_date", "material_expires")
_NEXT_DUE = "SELECT min(due) FROM ({}) AS dates".format(  # noqa: S608 - as above
    " UNION ALL ".join(f"SELECT min({date}) AS due FROM key WHERE {date} > ?" for date in _DATES)  # noqa: S608 - as above
)

_LATE = " UNION ALL ".join(
    f"SELECT '{name}', count(*) FROM key WHERE {due}"  # noqa: S608 - as above
    for name, due in (
        ("deletion", "delete_date <= ? AND state = 'PendingDeletion'"),
        ("expiry", "material_expires <= ?"),
        ("rotation", "next_rotation_date <= ? AND state = 'Enabled'"),
    )
)


def load(db: Connection, key_id: str) -> KeyRow | None:
    """Return a key, or None."""
    row = db.execute(_LOAD, (key_id,)).fetchone()
    return KeyRow(*row) if row else None


def default_cmk(db: Connection) -> str | None:
    """Return the id of the default CMK; None where it is not enabled. One migrated from KMS 1.0 is none."""
    row = db.execute(
        "SELECT key_id FROM key WHERE instance_id = ? AND read_only = 0 LIMIT 1", (DEFAULT_CMK_HOME,)
    ).fetchone()
    return row[0] if row else None


def standing_for(db: Connection, instance_id: str, external_key_id: str) -> str | None:
    """Return the key of an instance that stands for a key manager's key, or None."""
    row = db.execute(
        "SELECT key_id FROM key WHERE instance_id = ? AND external_key_id = ?", (instance_id, external_key_id)
    ).fetchone()
    return None if row is None else str(row[0])


def insert(db: Connection, row: KeyRow) -> None:
    """Add a key."""
    db.execute(_INSERT, row)


def set_state(db: Connection, key_id: str, state: str, delete_date: str | None = None) -> None:
    """Set state and deletion date."""
    db.execute("UPDATE key SET state = ?, delete_date = ? WHERE key_id = ?", (state, delete_date, key_id))


def describe(db: Connection, key_id: str, description: str) -> None:
    """Set the description."""
    db.execute("UPDATE key SET description = ? WHERE key_id = ?", (description, key_id))


def set_policy(db: Connection, key_id: str, policy: str | None) -> None:
    """Set the policy; None is the default one."""
    db.execute("UPDATE key SET policy = ? WHERE key_id = ?", (policy, key_id))


def protect(db: Connection, key_id: str, *, enable: bool, reason: str) -> None:
    """Turn deletion protection on or off, and say why."""
    db.execute(
        "UPDATE key SET deletion_protection = ?, protection_reason = ? WHERE key_id = ?", (int(enable), reason, key_id)
    )


def set_rotation(db: Connection, key_id: str, seconds: int | None, due: str | None) -> None:
    """Set the rotation period and when it is due next."""
    db.execute("UPDATE key SET rotation = ?, next_rotation_date = ? WHERE key_id = ?", (seconds, due, key_id))


def rotated(db: Connection, key_id: str, version_id: str, now: str, due: str | None) -> None:
    """Make a version the primary one."""
    db.execute(
        "UPDATE key SET primary_version = ?, last_rotation_date = ?, next_rotation_date = ? WHERE key_id = ?",
        (version_id, now, due, key_id),
    )


def used(db: Connection, key_id: str, now: str) -> None:
    """Note that the key was used."""
    db.execute("UPDATE key SET last_used = ? WHERE key_id = ?", (now, key_id))


def due_for_rotation(db: Connection, now: str, only: str | None = None) -> list[str]:
    """Return enabled keys whose rotation is due, or the one key if it is; the longest due first."""
    rows = db.execute(
        "SELECT key_id FROM key WHERE next_rotation_date <= ? AND state = 'Enabled' AND key_id = coalesce(?, key_id) "
        "ORDER BY next_rotation_date, key_id",
        (now, only),
    )
    return [row[0] for row in rows]


def due_for_deletion(db: Connection, now: str) -> list[str]:
    """Return keys whose deletion is due, the longest due first."""
    rows = db.execute(
        "SELECT key_id FROM key WHERE delete_date <= ? AND state = 'PendingDeletion' ORDER BY delete_date, key_id",
        (now,),
    )
    return [row[0] for row in rows]


def next_due(db: Connection, now: str) -> str | None:
    """Return when, after now, the next rotation, deletion or expiry of material is due; None where none is."""
    due: str | None = db.execute(_NEXT_DUE, (now,) * len(_DATES)).fetchone()[0]
    return due


def late(db: Connection, since: str) -> dict[str, int]:
    """Return how many keys wait for what was due by `since`: a rotation, their deletion, the expiry of material."""
    rows = db.execute(_LATE, (since,) * len(_DATES)).fetchall()
    return {name: count for name, count in rows if count}


def remove(db: Connection, key_id: str) -> None:
    """Remove a key with its aliases and tags; its versions are removed apart."""
    db.execute("DELETE FROM alias WHERE key_id = ?", (key_id,))
    db.execute("DELETE FROM tag WHERE resource_id = ?", (key_id,))
    db.execute("DELETE FROM key WHERE key_id = ?", (key_id,))


def of_instance(db: Connection, instance_id: str) -> list[tuple[str, bool]]:
    """Return the keys in an instance, and whether each is protected from deletion."""
    rows = db.execute(
        "SELECT key_id, deletion_protection FROM key WHERE instance_id = ? ORDER BY key_id", (instance_id,)
    )
    return [(row[0], row[1] == 1) for row in rows]


_INSIDE = "IN (SELECT key_id FROM key WHERE instance_id = ?)"


def remove_instance(db: Connection, instance_id: str) -> None:
    """Remove every key in an instance with its aliases and tags; their versions are removed apart."""
    db.execute(f"DELETE FROM alias WHERE key_id {_INSIDE}", (instance_id,))  # noqa: S608 - our own names
    db.execute(f"DELETE FROM tag WHERE resource_id {_INSIDE}", (instance_id,))  # noqa: S608 - as above
    db.execute("DELETE FROM key WHERE instance_id = ?", (instance_id,))
