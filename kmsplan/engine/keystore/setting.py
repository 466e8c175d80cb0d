"""The engine's own facts, and the keyring's wrapped keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from kmsplan.engine.keystore.connection import Connection

SEALED: Final = "sealed"
"""While it is set, to the time since when, every process leaves the keyring alone."""
BACKUP: Final = "backup"
"""When the newest backup was made."""
TERM_BEGAN: Final = "term_began"
"""Number of the newest audit entry when the newest term of the keyring began."""
REWRAPPED: Final = "rewrapped"
"""While material is being wrapped anew: how far that is; see `rotation`."""
_GENERATION: Final = "generation"
_TRIED: Final = "tried"
STANDING: Final = f"SELECT name, value FROM setting WHERE name IN ('{_GENERATION}', '{SEALED}')"  # noqa: S608 - our own names


class Standing(NamedTuple):
    """What every call of the data plane asks before it is answered."""

    generation: int
    sealed: bool


def standing(db: Connection) -> Standing:
    """Return how things stand, read with one statement."""
    found = dict(db.execute(STANDING).fetchall())
    return Standing(int(found.get(_GENERATION, b"0")), SEALED in found)


def generation(db: Connection) -> int:
    """Return how often what is remembered of keys and callers has changed."""
    return int(load(db, _GENERATION) or b"0")


def begin_generation(db: Connection) -> None:
    """Make everything that any process remembers of keys and callers old."""
    store(db, _GENERATION, str(generation(db) + 1).encode())


def load(db: Connection, name: str) -> bytes | None:
    """Return one setting; None where it is not set."""
    row = db.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
    return row[0] if row else None


def load_all(db: Connection) -> dict[str, bytes]:
    """Return every setting."""
    return dict(db.execute("SELECT name, value FROM setting"))


def store(db: Connection, name: str, value: bytes) -> None:
    """Set one setting."""
    db.execute(
        "INSERT INTO setting VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value)
    )


def remove(db: Connection, name: str) -> None:
    """Unset one setting."""
    db.execute("DELETE FROM setting WHERE name = ?", (name,))


def try_out(db: Connection) -> None:
    """Write something that takes room on the disk, and leave nothing of it."""
    store(db, _TRIED, b"")
    remove(db, _TRIED)


def terms(db: Connection) -> dict[int, bytes]:
    """Return the wrapped keyring keys by term."""
    return dict(db.execute("SELECT term, wrapped FROM term"))


def add_term(db: Connection, term: int, wrapped: bytes, now: str) -> None:
    """Keep a wrapped keyring key."""
    db.execute("INSERT INTO term VALUES (?, ?, ?)", (term, wrapped, now))


def wrap_term(db: Connection, term: int, wrapped: bytes) -> None:
    """Keep a keyring key under another root key."""
    db.execute("UPDATE term SET wrapped = ? WHERE term = ?", (wrapped, term))
