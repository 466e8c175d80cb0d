"""The engine's own facts, and the keyring's wrapped keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

SEALED: Final = "sealed"
"""While it is set, to the time since when, every process leaves the keyring alone."""


def load(db: sqlite3.Connection, name: str) -> bytes | None:
    """Return one setting; None where it is not set."""
    row = db.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
    return row[0] if row else None


def load_all(db: sqlite3.Connection) -> dict[str, bytes]:
    """Return every setting."""
    return dict(db.execute("SELECT name, value FROM setting"))


def store(db: sqlite3.Connection, name: str, value: bytes) -> None:
    """Set one setting."""
    db.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))


def remove(db: sqlite3.Connection, name: str) -> None:
    """Unset one setting."""
    db.execute("DELETE FROM setting WHERE name = ?", (name,))


def terms(db: sqlite3.Connection) -> dict[int, bytes]:
    """Return the wrapped keyring keys by term."""
    return dict(db.execute("SELECT term, wrapped FROM term"))


def add_term(db: sqlite3.Connection, term: int, wrapped: bytes, now: str) -> None:
    """Keep a wrapped keyring key."""
    db.execute("INSERT INTO term VALUES (?, ?, ?)", (term, wrapped, now))
