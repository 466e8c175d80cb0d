"""A session on a PostgreSQL server: how it is opened, and what it is told first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from psycopg.adapt import Dumper
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Format
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import StrDumper

from kmsplan.engine.error import KeystoreError
from kmsplan.engine.keystore.connection import PostgresConstraintError, PostgresError
from kmsplan.kms.error import KmsError

if TYPE_CHECKING:
    from kmsplan.kms.secret import SecretBytes

_OLDEST: Final = 130000
"""PostgreSQL 13: pg_current_xact_id and pg_xact_status."""
# PostgreSQL 13 has no idle_session_timeout.
# A machine that has vanished is noticed after about ten seconds, by us and by the server.
# After a failover the string's other hosts are tried until one takes writes; what a standby says may be old.
_DEFAULTS: Final = {
    "application_name": "kmsplan",
    "target_session_attrs": "read-write",
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
_SET: Final = b"""
SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3;
SET lock_timeout = '10s'; SET statement_timeout = 0; SET client_min_messages = error;
SET standard_conforming_strings = on;
SELECT set_config(name, '0', false) FROM (VALUES ('idle_session_timeout')) AS younger (name)
  WHERE current_setting(name, true) IS NOT NULL;
"""
_SET_READER: Final = b"SET default_transaction_read_only = on;"
# A node that has stopped in the middle of a transaction must not stop the others. What is answered is on disk.
_SET_WRITER: Final = b"""
SET idle_in_transaction_session_timeout = '30s';
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
"""
_FACTS: Final = b"""
SELECT set_config('search_path', quote_ident(current_schema()), false),
  quote_ident(current_schema())::regnamespace::oid::bigint,
  current_setting('server_encoding')
"""


class Session(NamedTuple):
    """An open session."""

    connection: psycopg.Connection[Any]
    schema: int
    """The oid of the schema that holds the keystore, as a signed number of 32 bits: part of its locks' names."""


class _Text(StrDumper):
    """Says that text is text, where PostgreSQL would guess."""

    def dump(self, obj: str) -> bytes:
        if "\0" in obj:
            raise KmsError("InvalidParameter", "A text has no character U+0000: the keystore cannot hold it.")
        return obj.encode()


class _Flag(Dumper):
    """Truth as SQLite keeps it: 1 or 0."""

    oid = psycopg.postgres.types["int8"].oid
    format = Format.TEXT

    def dump(self, obj: bool) -> bytes:  # noqa: FBT001 - the library's interface
        return b"1" if obj else b"0"


def parse(secret: SecretBytes) -> dict[str, Any]:
    """Return the parts of a connection string.

    Raises:
        KeystoreError: it is none. Its text, which may hold a password, is not in the message.
    """
    try:
        return {**_DEFAULTS, **conninfo_to_dict(secret.reveal().decode())}
    except (psycopg.ProgrammingError, UnicodeDecodeError):
        raise KeystoreError(
            "what engine.embedded.postgres means is no connection string of PostgreSQL. Write key=value pairs or a "
            "URL: postgresql://USER:PASSWORD@HOST:5432/DATABASE"
        ) from None


def open_session(parameters: dict[str, Any], *, writes: bool) -> Session:
    """Open a session.

    Raises:
        PostgresError: the server does not answer or does not let us in.
        KeystoreError: it cannot hold a keystore.
    """
    try:
        connection = psycopg.connect(**parameters, autocommit=True, prepare_threshold=2, client_encoding="UTF8")
    except psycopg.Error as error:
        raise converted(error) from None  # the library's traceback shows its arguments
    try:
        return Session(connection, _prepare(connection, writes=writes))
    except psycopg.Error as error:
        connection.close()
        raise converted(error) from error
    except BaseException:
        connection.close()
        raise


def _prepare(connection: psycopg.Connection[Any], *, writes: bool) -> int:
    """Tell the session what we expect of it; return the number of its schema."""
    version = connection.info.server_version
    if version < _OLDEST:
        raise KeystoreError(
            f"the server has PostgreSQL {version // 10000}, and a keystore needs 13 or newer. Upgrade it"
        )
    for kind, dumper in ((str, _Text), (int, Int8Dumper), (bool, _Flag)):
        connection.adapters.register_dumper(kind, dumper)
    connection.execute(_SET + (_SET_WRITER if writes else _SET_READER), prepare=False)
    _, schema, encoding = connection.execute(_FACTS, prepare=False).fetchone() or (None, None, "")
    if schema is None:
        raise KeystoreError(
            "the connection string's user has no schema to work in: none of its search_path exists. Create one, or "
            "name one with options=-csearch_path=NAME"
        )
    if encoding != "UTF8":
        raise KeystoreError(
            f"the database is encoded in {encoding}, and a keystore needs UTF8. Make one: "
            "CREATE DATABASE kmsplan ENCODING 'UTF8' TEMPLATE template0"
        )
    return int(schema) - (1 << 32) if schema >= 1 << 31 else int(schema)


def converted(error: psycopg.Error) -> PostgresError:
    """Return an error of the client library as ours."""
    # What the library refuses by itself is our mistake, unless it is about the connection.
    sqlstate = error.sqlstate or ("" if isinstance(error, psycopg.OperationalError) else "XX000")
    kind = PostgresConstraintError if isinstance(error, psycopg.IntegrityError) else PostgresError
    return kind(error.diag.message_primary or str(error), sqlstate)
