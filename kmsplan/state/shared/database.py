"""Connections to a PostgreSQL database that keeps states, and the tables there."""

from __future__ import annotations

import contextlib
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from kmsplan.state.error import StateAccessError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kmsplan.kms.secret import SecretBytes

Connection = psycopg.Connection[tuple[Any, ...]]
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
# What is answered is on disk; and a process that stopped in the middle of a transaction must not stop the others.
_SESSION: Final = b"""
SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '30s'; SET client_min_messages = error;
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
"""
_MAKING: Final = 0x6B6D7374  # "kmst"
_TABLES: Final = b"""
CREATE TABLE IF NOT EXISTS kmsplan_state (
  name TEXT PRIMARY KEY, version BIGINT NOT NULL DEFAULT 0, snapshot BYTEA,
  fence BIGINT NOT NULL DEFAULT 0, holder JSONB, beat TIMESTAMPTZ, lease DOUBLE PRECISION);
CREATE TABLE IF NOT EXISTS kmsplan_state_journal (
  name TEXT, version BIGINT, number BIGINT, lines BYTEA NOT NULL, PRIMARY KEY (name, version, number));
CREATE TABLE IF NOT EXISTS kmsplan_state_history (
  name TEXT, serial BIGINT, written TIMESTAMPTZ NOT NULL, snapshot BYTEA NOT NULL, journal BYTEA NOT NULL,
  PRIMARY KEY (name, serial));
"""


class Database:
    """A database, and one connection to it that is opened when it is needed.

    Args:
        secret: a libpq connection string: `key=value` pairs or a URL.
        state: the state's name there, for messages.

    Raises:
        StateAccessError: it is no connection string.
    """

    def __init__(self, secret: SecretBytes, state: str) -> None:
        self._parameters = _parse(secret)
        self._guard = threading.Lock()
        self._connection: Connection | None = None
        host, port, database = (
            self._parameters.get(*place) for place in (("host", "localhost"), ("port", "5432"), ("dbname", ""))
        )
        self.name = f"state {state!r} in PostgreSQL at {host}:{port}/{database}"
        self.stay = False
        """Whether the connection stays open: while we have the lease."""

    def reading(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return rows; none where nobody has made the tables yet.

        Raises:
            StateAccessError: the database cannot be reached or refuses.
        """
        with self.session() as db:
            try:
                return db.execute(sql.encode(), parameters).fetchall()
            except psycopg.errors.UndefinedTable:
                return []

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """Lend a connection. It stays open while we have the lease; one that failed is opened anew."""
        with self._guard:
            try:
                if self._connection is None:
                    self._connection = self._connect()
                yield self._connection
            except psycopg.Error as error:
                self._close()
                raise self._failed(error) from None  # the library's traceback shows its arguments
            finally:
                if not self.stay:
                    self._close()

    @contextmanager
    def apart(self) -> Iterator[Connection]:
        """Lend a connection for one thing alone, beside the one that shows that the holder is alive."""
        try:
            with contextlib.closing(self._connect()) as db:
                yield db
        except psycopg.Error as error:
            raise self._failed(error) from None  # as above

    def _connect(self) -> Connection:
        found = psycopg.connect(**self._parameters, autocommit=True, client_encoding="UTF8")
        try:
            found.execute(_SESSION, prepare=False)
        except BaseException:
            found.close()
            raise
        return found

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _failed(self, error: psycopg.Error) -> StateAccessError:
        reason = " ".join((error.diag.message_primary or str(error) or type(error).__name__).split())
        return StateAccessError(
            f"{self.name} cannot be used: {reason}",
            "Check that the server runs and can be reached from here, what state.postgres.url means, and that its "
            "user may make and change tables. What a run has done is in its journal on its machine: run kmsplan there "
            "again.",
        )


def _parse(secret: SecretBytes) -> dict[str, Any]:
    try:
        return {**_DEFAULTS, **conninfo_to_dict(secret.reveal().decode())}
    except (psycopg.ProgrammingError, UnicodeDecodeError):
        raise StateAccessError(
            "what state.postgres.url means is no connection string of PostgreSQL",
            "Write key=value pairs or a URL: postgresql://USER:PASSWORD@HOST:5432/DATABASE",
        ) from None


def make_tables(db: Connection) -> None:
    """Make the tables where they are missing; one process at a time, because PostgreSQL's own check does not lock."""
    if db.execute("SELECT to_regclass('kmsplan_state_history')").fetchone() != (None,):
        return
    with db.transaction():
        db.execute(f"SELECT pg_advisory_xact_lock({_MAKING})".encode())
        db.execute(_TABLES, prepare=False)
