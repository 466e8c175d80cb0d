"""Tags in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kmsplan.engine.keystore.connection import Connection


def put(db: Connection, resource_id: str, tags: Mapping[str, str]) -> None:
    """Add tags, or change their values."""
    db.executemany(
        "INSERT INTO tag VALUES (?, ?, ?) ON CONFLICT (resource_id, name) DO UPDATE SET value = excluded.value",
        [(resource_id, name, value) for name, value in tags.items()],
    )


def count(db: Connection, resource_id: str) -> int:
    """Return how many tags a resource has."""
    number: int = db.execute("SELECT count(*) FROM tag WHERE resource_id = ?", (resource_id,)).fetchone()[0]
    return number


def remove(db: Connection, resource_id: str, names: Iterable[str]) -> None:
    """Remove tags; those that are not there are no error."""
    db.executemany("DELETE FROM tag WHERE resource_id = ? AND name = ?", [(resource_id, name) for name in names])


def remove_all(db: Connection, resource_id: str) -> None:
    """Remove every tag of a resource."""
    db.execute("DELETE FROM tag WHERE resource_id = ?", (resource_id,))
