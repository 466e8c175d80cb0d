"""The audit trail in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator


class Head(NamedTuple):
    """Where the trail ends."""

    seq: int
    """Number of the newest entry; 0 where there is none."""
    hash: bytes
    checkpoint: int
    """Number of the entry that the newest checkpoint signs; 0 where there is none."""


def head(db: sqlite3.Connection) -> Head:
    """Return the end of the trail."""
    checkpoint = db.execute("SELECT max(seq) FROM checkpoint").fetchone()[0] or 0
    seq, entry_hash = db.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone() or (0, b"")
    return Head(seq, entry_hash, checkpoint)


def append(db: sqlite3.Connection, rows: Iterable[tuple[int, bytes, bytes]]) -> None:
    """Add entries: number, canonical bytes, hash."""
    db.executemany("INSERT INTO audit VALUES (?, ?, ?)", rows)


def entries(db: sqlite3.Connection) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield every entry: number, canonical bytes, hash."""
    return iter(db.execute("SELECT seq, entry, hash FROM audit ORDER BY seq"))


def add_checkpoint(db: sqlite3.Connection, seq: int, body: bytes, signature: bytes) -> None:
    """Add a signed checkpoint."""
    db.execute("INSERT INTO checkpoint VALUES (?, ?, ?)", (seq, body, signature))


def checkpoints(db: sqlite3.Connection) -> list[tuple[int, bytes, bytes]]:
    """Return every checkpoint: number of the entry, body, signature."""
    return db.execute("SELECT seq, body, signature FROM checkpoint ORDER BY seq").fetchall()


def entry(db: sqlite3.Connection, seq: int) -> bytes:
    """Return the canonical bytes of one entry."""
    content: bytes = db.execute("SELECT entry FROM audit WHERE seq = ?", (seq,)).fetchone()[0]
    return content
