"""Import tokens in the database, each with the key pair that unwraps what was wrapped for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from kmsplan.engine.keystore.connection import Connection


class TokenRow(NamedTuple):
    """A token; its columns in the order of the table."""

    token_id: bytes
    """SHA-256 of the token."""
    key_id: str
    instance_id: str
    """Leads to the HSM, also when the key is gone."""
    spec: str
    """Of the wrapping key."""
    algorithm: str
    private_key: bytes | None
    """Boxed; None where it is in an HSM."""
    reference: bytes | None
    """Of the wrapping key in the HSM; None where it is not in one."""
    expires: str


_COLUMNS = ", ".join(TokenRow._fields)


def insert(db: Connection, row: TokenRow) -> None:
    """Add a token."""
    db.execute(f"INSERT INTO import_token ({_COLUMNS}) VALUES ({', '.join('?' * len(row))})", tuple(row))  # noqa: S608 - our own names


def load(db: Connection, token_id: bytes) -> TokenRow | None:
    """Return a token, or None."""
    row = db.execute(f"SELECT {_COLUMNS} FROM import_token WHERE token_id = ?", (token_id,)).fetchone()  # noqa: S608 - as above
    return TokenRow(*row) if row else None


def count(db: Connection, key_id: str) -> int:
    """Return how many tokens of a key there are."""
    number: int = db.execute("SELECT count(*) FROM import_token WHERE key_id = ?", (key_id,)).fetchone()[0]
    return number


def expire(db: Connection, token_id: bytes, now: str) -> None:
    """Let a token expire at once."""
    db.execute("UPDATE import_token SET expires = ? WHERE token_id = ?", (now, token_id))


def expire_all(db: Connection, instance_id: str, now: str) -> None:
    """Let the tokens of an instance's keys expire at once."""
    db.execute("UPDATE import_token SET expires = ? WHERE instance_id = ? AND expires > ?", (now, instance_id, now))


def in_hsm(db: Connection, instance_id: str) -> int:
    """Return how many wrapping keys of an instance are in its HSM."""
    number: int = db.execute(
        "SELECT count(*) FROM import_token WHERE instance_id = ? AND reference IS NOT NULL", (instance_id,)
    ).fetchone()[0]
    return number


def expired(db: Connection, now: str) -> list[TokenRow]:
    """Return the tokens that nobody may use any more."""
    rows = db.execute(f"SELECT {_COLUMNS} FROM import_token WHERE expires <= ? ORDER BY expires", (now,))  # noqa: S608 - as above
    return [TokenRow(*row) for row in rows]


def remove(db: Connection, token_id: bytes) -> None:
    """Remove a token with its private key."""
    db.execute("DELETE FROM import_token WHERE token_id = ?", (token_id,))
