"""The audit trail in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kmsplan.engine.keystore.connection import Connection


HEAD = """
SELECT seq, hash, coalesce((SELECT max(seq) FROM checkpoint), 0) FROM audit ORDER BY seq DESC LIMIT 1
"""
_PAGE = "SELECT seq, entry, hash FROM audit WHERE seq > ? ORDER BY seq LIMIT 5000"
# Canonical JSON begins with {"action":"NAME", so that the database sees what an entry is about without reading JSON.
# Most entries of a trail tell of keys that were used: they are passed over where they lie.
_NEWEST = """
SELECT entry FROM audit WHERE seq > ? AND seq <= ? AND substr(entry, 12, {length}) IN ({places}) ORDER BY seq DESC
"""
_TOGETHER = 64
"""Rows of one statement: while it runs other threads do, and for each row alone they would have to be waited for."""
INSERT = "INSERT INTO audit VALUES (?, ?, ?)"
"""What every statement begins with that adds entries: number, canonical bytes, hash."""
_INSERT_MANY = f"{INSERT}{', (?, ?, ?)' * (_TOGETHER - 1)}"
_PREFIX = 9
"""As long as the shortest name of an action that changes something."""
_STRIDE = 20_000
_BEFORE_ALL = -(2**63)
"""An entry that somebody smuggled in before the first one is not overlooked."""


class Head(NamedTuple):
    """Where the trail ends."""

    seq: int
    """Number of the newest entry; 0 where there is none."""
    hash: bytes
    checkpoint: int
    """Number of the entry that the newest checkpoint signs; 0 where there is none."""


def head(db: Connection) -> Head:
    """Return the end of the trail."""
    return Head(*(db.execute(HEAD).fetchone() or (0, b"", 0)))


def append(db: Connection, rows: Iterable[tuple[int, bytes, bytes]]) -> None:
    """Add entries: number, canonical bytes, hash."""
    values = list(rows)
    whole = len(values) - len(values) % _TOGETHER
    for start in range(0, whole, _TOGETHER):
        db.execute(_INSERT_MANY, [value for row in values[start : start + _TOGETHER] for value in row])
    if whole < len(values):
        db.executemany(INSERT, values[whole:])


def entries(db: Connection) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield every entry: number, canonical bytes, hash. They are fetched in pages: a trail may not fit into memory."""
    seq = _BEFORE_ALL
    while page := db.execute(_PAGE, (seq,)).fetchall():
        yield from page
        seq = page[-1][0]


def newest(db: Connection, actions: Iterable[str], limit: int) -> Iterator[bytes]:
    """Yield the canonical bytes of entries, the newest first, from among the newest `limit` of the trail.

    Args:
        db: the keystore.
        actions: of which entries are wanted; some of others with a like name may be among them.
        limit: how far back to go, which bounds the cost however long the trail is.
    """
    prefixes = sorted({action[:_PREFIX].encode() for action in actions})
    statement = _NEWEST.format(length=_PREFIX, places=", ".join("?" * len(prefixes)))
    top = head(db).seq
    bottom = max(top - limit, 0)
    for high in range(top, bottom, -_STRIDE):
        for (content,) in db.execute(statement, (max(high - _STRIDE, bottom), high, *prefixes)).fetchall():
            yield content


def add_checkpoint(db: Connection, seq: int, body: bytes, signature: bytes) -> None:
    """Add a signed checkpoint."""
    db.execute("INSERT INTO checkpoint VALUES (?, ?, ?)", (seq, body, signature))


def checkpoints(db: Connection) -> list[tuple[int, bytes, bytes]]:
    """Return every checkpoint: number of the entry, body, signature."""
    return db.execute("SELECT seq, body, signature FROM checkpoint ORDER BY seq").fetchall()


def newest_checkpoint(db: Connection) -> tuple[bytes, bytes] | None:
    """Return body and signature of the newest checkpoint."""
    found: tuple[bytes, bytes] | None = db.execute(
        "SELECT body, signature FROM checkpoint ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    return found


def entry(db: Connection, seq: int) -> bytes:
    """Return the canonical bytes of one entry."""
    content: bytes = db.execute("SELECT entry FROM audit WHERE seq = ?", (seq,)).fetchone()[0]
    return content


def hash_of(db: Connection, seq: int) -> bytes | None:
    """Return the hash of one entry; None where there is none."""
    row = db.execute("SELECT hash FROM audit WHERE seq = ?", (seq,)).fetchone()
    return None if row is None else bytes(row[0])
