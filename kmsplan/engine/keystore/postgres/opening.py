"""Getting the client library, which is there only where it was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.engine.error import KeystoreError

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.engine.keystore.postgres.database import PostgresDatabase
    from kmsplan.kms.secret import SecretBytes


def open_database(secret: SecretBytes, folder: Path) -> PostgresDatabase:
    """Return a keystore's place on a server; see `PostgresDatabase`.

    Raises:
        KeystoreError: the client library is missing, or the string is no connection string.
    """
    try:
        from kmsplan.engine.keystore.postgres.database import PostgresDatabase  # noqa: PLC0415 - imports psycopg
    except ImportError as error:
        raise KeystoreError(
            f"a keystore in PostgreSQL needs the package psycopg ({error}). Install it: pip install 'kmsplan[postgres]'"
        ) from error
    return PostgresDatabase(secret, folder)
