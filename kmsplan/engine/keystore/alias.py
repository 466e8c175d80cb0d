"""Aliases in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kmsplan.engine.keystore.connection import Connection


def target(db: Connection, alias: str) -> str | None:
    """Return the id of the key that an alias means, or None."""
    row = db.execute("SELECT key_id FROM alias WHERE alias = ?", (alias,)).fetchone()
    return row[0] if row else None


def insert(db: Connection, alias: str, key_id: str) -> None:
    """Add an alias."""
    db.execute("INSERT INTO alias VALUES (?, ?)", (alias, key_id))


def move(db: Connection, alias: str, key_id: str) -> None:
    """Point an alias at another key."""
    db.execute("UPDATE alias SET key_id = ? WHERE alias = ?", (key_id, alias))


def remove(db: Connection, alias: str) -> None:
    """Remove an alias."""
    db.execute("DELETE FROM alias WHERE alias = ?", (alias,))
