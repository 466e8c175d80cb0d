"""Key versions and their wrapped material."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import sqlite3

USES_LIMIT: Final = 2**32
"""Encryptions under one AES-GCM key with random IVs (SP 800-38D, 8.3)."""


class VersionRow(NamedTuple):
    """A key version that can be used."""

    key_id: str
    version_id: str
    instance_id: str
    reference: bytes
    public_key: bytes | None
    """DER SubjectPublicKeyInfo, wrapped: public, and not to be exchanged."""
    generation: int
    created: str
    term: int | None
    wrapped: bytes | None
    """None where the material is in an HSM."""


class Unsettled(NamedTuple):
    """A version whose HSM material is being made or destroyed."""

    key_id: str
    version_id: str
    instance_id: str
    status: str
    reference: bytes


_INSERT = """
INSERT INTO key_version (key_id, version_id, instance_id, status, reference, public_key, generation, created)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""


def insert(db: sqlite3.Connection, row: VersionRow) -> None:
    """Add a ready version with its wrapped material."""
    version = db.execute(_INSERT, (*row[:3], "ready", *row[3:7])).lastrowid
    db.execute("INSERT INTO material VALUES (?, ?, ?)", (version, row.term, row.wrapped))


def begin(db: sqlite3.Connection, key_id: str, version_id: str, instance_id: str, reference: bytes, now: str) -> None:
    """Note that HSM material with this reference is about to be made."""
    db.execute(_INSERT, (key_id, version_id, instance_id, "creating", reference, None, 0, now))


def ready(db: sqlite3.Connection, row: VersionRow) -> bool:
    """Turn a version that was begun into a ready one; False where it is not being made any more."""
    changed = db.execute(
        "UPDATE key_version SET status = 'ready', public_key = ? "
        "WHERE key_id = ? AND version_id = ? AND status = 'creating'",
        (row.public_key, row.key_id, row.version_id),
    )
    return changed.rowcount == 1


def abandon(db: sqlite3.Connection, key_id: str, version_id: str) -> None:
    """Note that HSM material whose making went wrong is to be destroyed; a ready version stays as it is."""
    db.execute(
        "UPDATE key_version SET status = 'destroying' WHERE key_id = ? AND version_id = ? AND status = 'creating'",
        (key_id, version_id),
    )


def forget(db: sqlite3.Connection, key_id: str, version_id: str) -> None:
    """Remove a version whose material is gone."""
    db.execute("DELETE FROM key_version WHERE key_id = ? AND version_id = ?", (key_id, version_id))


def destroy_all(db: sqlite3.Connection, key_id: str) -> None:
    """Destroy the wrapped material of every version of a key, and the versions."""
    db.execute("DELETE FROM material WHERE version IN (SELECT id FROM key_version WHERE key_id = ?)", (key_id,))
    db.execute("DELETE FROM key_version WHERE key_id = ?", (key_id,))


def condemn_all(db: sqlite3.Connection, key_id: str) -> None:
    """Note that the HSM material of every version of a key is to be destroyed."""
    db.execute("UPDATE key_version SET status = 'destroying' WHERE key_id = ?", (key_id,))


def unsettled(db: sqlite3.Connection) -> list[Unsettled]:
    """Return the versions whose HSM material is being made or destroyed, by instance."""
    rows = db.execute(
        "SELECT key_id, version_id, instance_id, status, reference FROM key_version WHERE status <> 'ready' "
        "ORDER BY instance_id, key_id"
    )
    return [Unsettled(*row) for row in rows]


def count_use(db: sqlite3.Connection, key_id: str, version_id: str) -> bool:
    """Count one encryption; False where the version has had as many as it may."""
    changed = db.execute(
        "UPDATE key_version SET uses = uses + 1 WHERE key_id = ? AND version_id = ? AND uses < ?",
        (key_id, version_id, USES_LIMIT),
    )
    return changed.rowcount == 1


def references(db: sqlite3.Connection, instance_id: str) -> dict[bytes, str]:
    """Return the key of each reference whose material should be in an instance's HSM."""
    rows = db.execute(
        "SELECT reference, key_id FROM key_version WHERE instance_id = ? AND status = 'ready'", (instance_id,)
    )
    return dict(rows)
