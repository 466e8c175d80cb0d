"""Imported material in the database: a key's one version, which keeps its id and its count of uses without material.

While it has none, its row has no wrapped material and, in a hardware instance, an empty reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kmsplan.engine.keystore.version import NOTHING

if TYPE_CHECKING:
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.version import VersionRow


class Kept(NamedTuple):
    """The version of an imported key."""

    row: int
    version_id: str
    instance_id: str
    reference: bytes
    generation: int
    wrapped: bool
    """Whether the keystore has its material."""


def load(db: Connection, key_id: str) -> Kept | None:
    """Return a key's version; None before the first import."""
    row = db.execute(
        "SELECT v.id, v.version_id, v.instance_id, v.reference, v.generation, m.version IS NOT NULL "
        "FROM key_version AS v LEFT JOIN material AS m ON m.version = v.id WHERE v.key_id = ? AND v.status = 'ready'",
        (key_id,),
    ).fetchone()
    return Kept(row[0], row[1], row[2], row[3], row[4], bool(row[5])) if row else None


def refill(db: Connection, kept: Kept, version: VersionRow) -> None:
    """Give a version its material again."""
    db.execute(
        "UPDATE key_version SET reference = ?, public_key = ?, generation = ? WHERE id = ?",
        (version.reference, version.public_key, version.generation, kept.row),
    )
    if version.wrapped is not None:
        db.execute("INSERT INTO material VALUES (?, ?, ?)", (kept.row, version.term, version.wrapped))


def empty(db: Connection, key_id: str, *, in_hsm: bool) -> None:
    """Destroy a version's wrapped material, or note that its HSM material is to be destroyed."""
    kept = load(db, key_id)
    if kept is None:
        return
    if kept.wrapped:
        db.execute("DELETE FROM material WHERE version = ?", (kept.row,))
    elif in_hsm and kept.reference != NOTHING:
        _condemn(db, key_id, kept)


def _condemn(db: Connection, key_id: str, kept: Kept) -> None:
    """Move the reference of HSM material to a row of its own, which goes when the material is gone."""
    db.execute(
        "INSERT INTO key_version (key_id, version_id, instance_id, status, reference, generation, created) "
        "SELECT key_id, ?, instance_id, 'destroying', reference, 0, created FROM key_version WHERE id = ?",
        (f"{key_id}~{kept.reference.hex()}", kept.row),
    )
    db.execute("UPDATE key_version SET reference = ? WHERE id = ?", (NOTHING, kept.row))


def take_over(db: Connection, key_id: str, version_id: str) -> bool:
    """Remove the row of material that was begun, whose reference another row takes; False where it was given up."""
    changed = db.execute(
        "DELETE FROM key_version WHERE key_id = ? AND version_id = ? AND status = 'creating'", (key_id, version_id)
    )
    return changed.rowcount == 1


def arrived(
    db: Connection, key_id: str, *, state: str, version_id: str, digest: bytes, expires: str | None, now: str
) -> None:
    """Note that a key has its material."""
    db.execute(
        "UPDATE key SET state = ?, primary_version = ?, material_digest = ?, material_expires = ?, "
        "last_rotation_date = coalesce(last_rotation_date, ?) WHERE key_id = ?",
        (state, version_id, digest, expires, now, key_id),
    )


def gone(db: Connection, key_id: str, state: str) -> None:
    """Note that a key's material was destroyed; which one it was stays known by its digest."""
    db.execute(
        "UPDATE key SET state = ?, primary_version = NULL, material_expires = NULL WHERE key_id = ?", (state, key_id)
    )


def due_to_expire(db: Connection, now: str) -> list[str]:
    """Return keys whose material has expired, the longest ago first."""
    rows = db.execute("SELECT key_id FROM key WHERE material_expires <= ? ORDER BY material_expires, key_id", (now,))
    return [row[0] for row in rows]
