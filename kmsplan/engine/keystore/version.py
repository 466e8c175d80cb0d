"""Key versions and their wrapped material."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from kmsplan.kms.capability import KeyStorageMechanism

if TYPE_CHECKING:
    from kmsplan.engine.keystore.connection import Connection

_OWN_BYTES: Final = 16
"""Length of the reference to material that the engine made in an HSM; one to somebody else's object is longer."""
USES_LIMIT: Final = 2**32
"""Encryptions under one AES-GCM key with random IVs (SP 800-38D, 8.3)."""
NOTHING: Final = b""
"""The reference of a version that has no material in an HSM: it was destroyed, or the keystore keeps it."""


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
    node: str | None
    """Who is making it."""


class Wrapped(NamedTuple):
    """Wrapped material, and what it is bound to."""

    number: int
    key_id: str
    version_id: str
    spec: str
    usage: str
    generation: int
    term: int
    wrapped: bytes


_INSERT = """
INSERT INTO key_version (key_id, version_id, instance_id, status, reference, public_key, generation, created, node)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id
"""


def insert(db: Connection, row: VersionRow) -> None:
    """Add a ready version with its wrapped material; a key manager's has none here."""
    version = db.execute(_INSERT, (*row[:3], "ready", *row[3:7], None)).fetchone()[0]
    if row.wrapped is not None:
        db.execute("INSERT INTO material VALUES (?, ?, ?)", (version, row.term, row.wrapped))


def begin(
    db: Connection,
    key_id: str,
    version_id: str,
    instance_id: str,
    reference: bytes,
    now: str,
    node: str | None,
) -> None:
    """Note that a node is about to make HSM material with this reference."""
    db.execute(_INSERT, (key_id, version_id, instance_id, "creating", reference, None, 0, now, node))


def ready(db: Connection, row: VersionRow) -> bool:
    """Turn a version that was begun into a ready one; False where it is not being made any more."""
    changed = db.execute(
        "UPDATE key_version SET status = 'ready', public_key = ? "
        "WHERE key_id = ? AND version_id = ? AND status = 'creating'",
        (row.public_key, row.key_id, row.version_id),
    )
    return changed.rowcount == 1


def abandon(db: Connection, key_id: str, version_id: str) -> None:
    """Note that HSM material whose making went wrong is to be destroyed; a ready version stays as it is."""
    db.execute(
        "UPDATE key_version SET status = 'destroying' WHERE key_id = ? AND version_id = ? AND status = 'creating'",
        (key_id, version_id),
    )


def condemn_forgotten(db: Connection, key_id: str, version_id: str, instance_id: str, reference: bytes) -> None:
    """Note that HSM material is to be destroyed which no row knows: its maker was taken for dead, and was not."""
    db.execute(
        "INSERT INTO key_version (key_id, version_id, instance_id, status, reference, generation, created) "
        "SELECT ?, ?, instance_id, 'destroying', ?, 0, created FROM instance "
        "WHERE instance_id = ? AND NOT EXISTS (SELECT 1 FROM key_version WHERE reference = ?)",
        (key_id, version_id, reference, instance_id, reference),
    )


def forget(db: Connection, key_id: str, version_id: str) -> None:
    """Remove a version whose material is gone."""
    db.execute("DELETE FROM key_version WHERE key_id = ? AND version_id = ?", (key_id, version_id))


def destroy_all(db: Connection, key_id: str) -> None:
    """Destroy the wrapped material of every version of a key, and the versions."""
    db.execute("DELETE FROM material WHERE version IN (SELECT id FROM key_version WHERE key_id = ?)", (key_id,))
    db.execute("DELETE FROM key_version WHERE key_id = ?", (key_id,))


def condemn_all(db: Connection, key_id: str) -> list[bytes]:
    """Note that the HSM material of every version of a key is to be destroyed.

    Returns:
        References to the objects that stay, because they are somebody else's; their versions are gone.
    """
    stays = attached_of(db, key_id)
    if stays:
        db.execute("DELETE FROM key_version WHERE key_id = ? AND length(reference) > ?", (key_id, _OWN_BYTES))
    db.execute("UPDATE key_version SET status = 'destroying' WHERE key_id = ?", (key_id,))
    return stays


def destroy_instance(db: Connection, instance_id: str) -> None:
    """Destroy the wrapped material of every version in an instance, and the versions."""
    _destroy_wrapped(db, instance_id)
    db.execute("DELETE FROM key_version WHERE instance_id = ?", (instance_id,))


def condemn_instance(db: Connection, instance_id: str) -> dict[str, list[bytes]]:
    """Note that the HSM material of every ready version in an instance is to be destroyed; wrapped material goes now.

    One that is being made at this moment is left to who makes it.

    Returns:
        By key, references to the objects that stay, because they are somebody else's; their versions are gone.
    """
    stays: dict[str, list[bytes]] = {}
    rows = db.execute(
        "SELECT key_id, reference FROM key_version WHERE instance_id = ? AND length(reference) > ?",
        (instance_id, _OWN_BYTES),
    )
    for key_id, reference in rows:
        stays.setdefault(key_id, []).append(reference)
    _destroy_wrapped(db, instance_id)
    db.execute(
        "DELETE FROM key_version WHERE instance_id = ? AND status = 'ready' AND length(reference) <> ?",
        (instance_id, _OWN_BYTES),
    )
    db.execute(
        "UPDATE key_version SET status = 'destroying' WHERE instance_id = ? AND status = 'ready'", (instance_id,)
    )
    return stays


def _destroy_wrapped(db: Connection, instance_id: str) -> None:
    db.execute(
        "DELETE FROM material WHERE version IN (SELECT id FROM key_version WHERE instance_id = ?)", (instance_id,)
    )


def count(db: Connection, key_id: str) -> int:
    """Return how many versions of a key can be used."""
    number: int = db.execute(
        "SELECT count(*) FROM key_version WHERE key_id = ? AND status = 'ready'", (key_id,)
    ).fetchone()[0]
    return number


def unsettled(db: Connection) -> list[Unsettled]:
    """Return the versions whose HSM material is being made or destroyed, by instance."""
    rows = db.execute(
        "SELECT key_id, version_id, instance_id, status, reference, node FROM key_version WHERE status <> 'ready' "
        "ORDER BY instance_id, key_id"
    )
    return [Unsettled(*row) for row in rows]


def reserve_uses(db: Connection, key_id: str, version_id: str, count: int) -> int:
    """Count so many encryptions, or as many as the version may still have; return how many."""
    row = db.execute("SELECT uses FROM key_version WHERE key_id = ? AND version_id = ?", (key_id, version_id))
    uses = row.fetchone()[0]
    count = min(count, USES_LIMIT - uses)
    db.execute(
        "UPDATE key_version SET uses = ? WHERE key_id = ? AND version_id = ?", (uses + count, key_id, version_id)
    )
    return count


def references(db: Connection, instance_id: str) -> dict[bytes, str]:
    """Return the key of each reference whose material should be in an instance's HSM."""
    rows = db.execute(
        "SELECT reference, key_id FROM key_version "
        "WHERE instance_id = ? AND status = 'ready' AND length(reference) > 0",
        (instance_id,),
    )
    return dict(rows)


def attached_of(db: Connection, key_id: str) -> list[bytes]:
    """Return the references to somebody else's objects in an HSM that a key in a hardware instance stands for."""
    rows = db.execute(
        "SELECT reference FROM key_version WHERE key_id = ? AND length(reference) > ?", (key_id, _OWN_BYTES)
    )
    return [row[0] for row in rows]


def attached_in(db: Connection, module: str | None, token: str | None) -> list[tuple[bytes, str]]:
    """Return the references to somebody else's objects in a token that keys stand for, each with its key."""
    rows = db.execute(
        "SELECT v.reference, v.key_id FROM instance AS i JOIN key_version AS v ON v.instance_id = i.instance_id "
        "WHERE i.module = ? AND i.token = ? AND length(v.reference) > ?",
        (module, token, _OWN_BYTES),
    )
    return [(row[0], row[1]) for row in rows]


def one_wrapped_by(db: Connection, module: str | None, token: str | None, mechanism: str) -> int | None:
    """Return a version whose material is kept wrapped, of a key that is stored by a mechanism in a token."""
    row = db.execute(
        "SELECT m.version FROM key AS k JOIN instance AS i ON i.instance_id = k.instance_id "
        "JOIN key_version AS v ON v.key_id = k.key_id JOIN material AS m ON m.version = v.id "
        "WHERE i.module = ? AND i.token = ? AND k.storage_mechanism = ? LIMIT 1",
        (module, token, mechanism),
    ).fetchone()
    return None if row is None else row[0]


def one_inside(db: Connection, module: str | None, token: str | None) -> int | None:
    """Return a version that can be used and whose material is in a token; other people's objects do not count."""
    row = db.execute(
        "SELECT v.id FROM instance AS i JOIN key_version AS v ON v.instance_id = i.instance_id "
        "WHERE i.module = ? AND i.token = ? AND v.status = 'ready' AND length(v.reference) = ? LIMIT 1",
        (module, token, _OWN_BYTES),
    ).fetchone()
    return None if row is None else row[0]


def one_at_home(db: Connection, module: str | None, token: str | None) -> int | None:
    """Return a version that needs a token: its material is inside, or is wrapped by a key of the token's."""
    wrapped = KeyStorageMechanism.HSM_ENCRYPTED_DATABASE
    return one_inside(db, module, token) or one_wrapped_by(db, module, token, wrapped)


def is_ready(db: Connection, version: int) -> bool:
    """Return whether a version, by its number, is there and can be used."""
    return db.execute("SELECT id FROM key_version WHERE id = ? AND status = 'ready'", (version,)).fetchone() is not None


def wrapped_before(db: Connection, term: int, after: int, limit: int) -> list[Wrapped]:
    """Return material that is wrapped in an older term, of versions whose number is above `after`, in their order."""
    rows = db.execute(
        "SELECT v.id, v.key_id, v.version_id, k.spec, k.usage, v.generation, m.term, m.wrapped FROM material AS m "
        "JOIN key_version AS v ON v.id = m.version JOIN key AS k ON k.key_id = v.key_id "
        "WHERE m.version > ? AND m.term < ? ORDER BY m.version LIMIT ?",
        (after, term, limit),
    )
    return [Wrapped(*row) for row in rows]


def count_before(db: Connection, term: int) -> int:
    """Return how much material is wrapped in an older term."""
    number: int = db.execute("SELECT count(*) FROM material WHERE term < ?", (term,)).fetchone()[0]
    return number


def rewrap(db: Connection, number: int, term: int, wrapped: bytes, generation: int) -> None:
    """Replace wrapped material by the same one, wrapped anew."""
    db.execute("UPDATE material SET term = ?, wrapped = ? WHERE version = ?", (term, wrapped, number))
    db.execute("UPDATE key_version SET generation = ? WHERE id = ?", (generation, number))
