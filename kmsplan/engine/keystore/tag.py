"""Tags in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping


def put(db: sqlite3.Connection, resource_id: str, tags: Mapping[str, str]) -> None:
    """Add tags, or change their values."""
    db.executemany(
        "INSERT OR REPLACE INTO tag VALUES (?, ?, ?)", [(resource_id, name, value) for name, value in tags.items()]
    )


def count(db: sqlite3.Connection, resource_id: str) -> int:
    """Return how many tags a resource has."""
    number: int = db.execute("SELECT count(*) FROM tag WHERE resource_id = ?", (resource_id,)).fetchone()[0]
    return number


def remove(db: sqlite3.Connection, resource_id: str, names: Iterable[str]) -> None:
    """Remove tags; those that are not there are no error."""
    db.executemany("DELETE FROM tag WHERE resource_id = ? AND name = ?", [(resource_id, name) for name in names])
