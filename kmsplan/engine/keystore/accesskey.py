"""Access keys in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from kmsplan.engine.keystore.connection import Connection

ACTIVE = "Active"
INACTIVE = "Inactive"


class AccessKeyRow(NamedTuple):
    """An access key; its columns in the order of the table."""

    access_key_id: str
    account: str
    user: str
    role: str
    status: str
    secret: bytes
    """Boxed."""
    created: str
    last_used: str | None = None
    expires: str | None = None
    """Refused from then on."""


_COLUMNS = ", ".join(f'"{name}"' for name in AccessKeyRow._fields)  # USER is a word of SQL
_SELECT = f"SELECT {_COLUMNS} FROM access_key"  # noqa: S608 - our own names
_INSERT = f"INSERT INTO access_key ({_COLUMNS}) VALUES ({', '.join('?' * len(AccessKeyRow._fields))})"  # noqa: S608 - as above


def load(db: Connection, access_key_id: str) -> AccessKeyRow | None:
    """Return an access key, or None."""
    row = db.execute(f"{_SELECT} WHERE access_key_id = ?", (access_key_id,)).fetchone()
    return AccessKeyRow(*row) if row else None


def load_all(db: Connection) -> list[AccessKeyRow]:
    """Return every access key, the oldest first."""
    return [AccessKeyRow(*row) for row in db.execute(f"{_SELECT} ORDER BY created, access_key_id")]


def counts(db: Connection) -> dict[str, int]:
    """Return how many access keys have each status."""
    return dict(iter(db.execute("SELECT status, count(*) FROM access_key GROUP BY status ORDER BY status")))


def insert(db: Connection, row: AccessKeyRow) -> None:
    """Add an access key."""
    db.execute(_INSERT, row)


def change(db: Connection, row: AccessKeyRow) -> None:
    """Set status, expiry and, because it is bound to both, the boxed secret."""
    db.execute(
        "UPDATE access_key SET status = ?, expires = ?, secret = ? WHERE access_key_id = ?",
        (row.status, row.expires, row.secret, row.access_key_id),
    )


def used(db: Connection, access_key_id: str, now: str) -> None:
    """Note that an access key was used."""
    db.execute("UPDATE access_key SET last_used = ? WHERE access_key_id = ?", (now, access_key_id))


def remove(db: Connection, access_key_id: str) -> None:
    """Remove an access key."""
    db.execute("DELETE FROM access_key WHERE access_key_id = ?", (access_key_id,))
