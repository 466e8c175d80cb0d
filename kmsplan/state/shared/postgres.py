"""A shared state as rows of a PostgreSQL database (13 or newer); several states can be in one.

Every write names the fence number of its lease, in one statement or transaction with it, so that the server refuses
whoever has lost it. All times are the server's.
"""

from __future__ import annotations

import dataclasses
import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from kmsplan.state.error import FenceError, StateAccessError, StateMovedError
from kmsplan.state.holder import Holder
from kmsplan.state.shared.remote import ClaimedError, Copy, Leased
from kmsplan.state.snapshot import HEAD_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kmsplan.kms.secret import SecretBytes

_Connection = psycopg.Connection[tuple[Any, ...]]
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
_READ: Final = """
SELECT snapshot, version, (SELECT string_agg(lines, ''::bytea ORDER BY number) FROM kmsplan_state_journal AS j
  WHERE j.name = s.name AND j.version = s.version)
FROM kmsplan_state AS s WHERE name = %s AND snapshot IS NOT NULL
"""
_ROW: Final = "INSERT INTO kmsplan_state (name) VALUES (%s) ON CONFLICT DO NOTHING"
_CREATE: Final = "UPDATE kmsplan_state SET snapshot = %s, version = version + 1 WHERE name = %s AND snapshot IS NULL"
_CLAIM: Final = """
UPDATE kmsplan_state SET fence = fence + 1, holder = %s, beat = clock_timestamp(), lease = %s
WHERE name = %s AND (holder IS NULL OR holder ->> 'id' = %s OR beat < clock_timestamp() - lease * interval '1 second')
RETURNING fence
"""
_BEAT: Final = """
UPDATE kmsplan_state SET beat = clock_timestamp() WHERE name = %s AND fence = %s AND holder IS NOT NULL
"""
_RELEASE: Final = "UPDATE kmsplan_state SET holder = NULL WHERE name = %s AND fence = %s"
_EVICT: Final = "UPDATE kmsplan_state SET holder = NULL, fence = fence + 1 WHERE name = %s AND fence = %s"
_LEASED: Final = """
SELECT holder, fence, beat, extract(epoch FROM clock_timestamp() - beat)::float8
FROM kmsplan_state WHERE name = %s AND holder IS NOT NULL
"""
# Locking the row makes a takeover wait for this, or this see the takeover.
_APPEND: Final = """
INSERT INTO kmsplan_state_journal (name, version, number, lines)
SELECT name, version, coalesce((SELECT max(number) FROM kmsplan_state_journal AS j
  WHERE j.name = s.name AND j.version = s.version), 0) + 1, %s
FROM kmsplan_state AS s WHERE name = %s AND fence = %s AND holder IS NOT NULL FOR SHARE
"""
_HELD: Final = "SELECT version FROM kmsplan_state WHERE name = %s AND fence = %s AND holder IS NOT NULL FOR UPDATE"
_KEEP: Final = """
INSERT INTO kmsplan_state_history (name, serial, written, snapshot, journal)
SELECT name, %s, clock_timestamp(), snapshot, %s FROM kmsplan_state WHERE name = %s
ON CONFLICT (name, serial)
DO UPDATE SET written = excluded.written, snapshot = excluded.snapshot, journal = excluded.journal
"""
_REPLACE: Final = "UPDATE kmsplan_state SET snapshot = %s, version = version + 1 WHERE name = %s RETURNING version"
_CLEAR: Final = "DELETE FROM kmsplan_state_journal WHERE name = %s AND version < %s"
_NUMBERS: Final = "SELECT serial FROM kmsplan_state_history WHERE name = %s ORDER BY serial"
_HEAD_OF: Final = f"""
SELECT substring(snapshot FOR {HEAD_SIZE}) FROM kmsplan_state_history WHERE name = %s AND serial = %s
"""  # noqa: S608 - our own number
_SNAPSHOT_OF: Final = "SELECT snapshot FROM kmsplan_state_history WHERE name = %s AND serial = %s"
_JOURNAL_OF: Final = "SELECT journal FROM kmsplan_state_history WHERE name = %s AND serial = %s"


class PostgresRemote:
    """A state in a database.

    Args:
        secret: a libpq connection string: `key=value` pairs or a URL.
        state: the state's name there.
        lease: seconds for which a holder of ours may be silent.

    Raises:
        StateAccessError: it is no connection string.
    """

    def __init__(self, secret: SecretBytes, state: str, lease: float) -> None:
        self._parameters = _parse(secret)
        self._state = state
        self._lease = lease
        self._guard = threading.Lock()
        self._connection: _Connection | None = None
        self._leasing = False
        host, port, database = (
            self._parameters.get(*place) for place in (("host", "localhost"), ("port", "5432"), ("dbname", ""))
        )
        self.expires = True
        self.name = f"state {state!r} in PostgreSQL at {host}:{port}/{database}"

    def read(self) -> Copy | None:
        """Return the state; see `Remote.read`."""
        rows = self._reading(_READ, (self._state,))
        if not rows:
            return None
        ((snapshot, version, journal),) = rows
        return Copy(snapshot=snapshot, journal=journal or b"", version=str(version))

    def create(self, snapshot: bytes) -> None:
        """Keep the first snapshot; see `Remote.create`."""
        with self._session() as db:
            _make_tables(db)
            db.execute(_ROW, (self._state,))
            db.execute(_CREATE, (snapshot, self._state))

    def claim(self, holder: Holder, dead: str | None) -> Holder:
        """Take the lease; see `Remote.claim`."""
        with self._session() as db:
            _make_tables(db)
            db.execute(_ROW, (self._state,))
            row = db.execute(_CLAIM, (json.dumps(holder.members()), self._lease, self._state, dead)).fetchone()
            self._leasing = row is not None
        if row is None:
            found = self.leased()
            raise ClaimedError(found.holder if found else None)
        return dataclasses.replace(holder, fence=row[0])

    def beat(self, holder: Holder) -> None:
        """Show that the holder is alive; see `Remote.beat`."""
        with self._session() as db:
            if db.execute(_BEAT, (self._state, holder.fence)).rowcount == 0:
                raise self._lost(holder)

    def release(self, holder: Holder) -> None:
        """Give the lease back; see `Remote.release`."""
        self._leasing = False
        with self._session() as db:
            db.execute(_RELEASE, (self._state, holder.fence))

    def leased(self) -> Leased | None:
        """Return who has the lease; see `Remote.leased`."""
        rows = self._reading(_LEASED, (self._state,))
        if not rows:
            return None
        ((values, fence, beat, age),) = rows
        return Leased(Holder.of({**values, "fence": fence, "heartbeat": beat.isoformat()}), age)

    def evict(self, leased: Leased) -> None:
        """Take the lease from somebody; see `Remote.evict`."""
        with self._session() as db:
            db.execute(_EVICT, (self._state, leased.holder.fence))

    def append(self, holder: Holder, lines: bytes) -> None:
        """Keep lines of the journal; see `Remote.append`."""
        with self._session() as db:
            if db.execute(_APPEND, (lines, self._state, holder.fence)).rowcount == 0:
                raise self._lost(holder)

    def replace(self, holder: Holder, before: Copy, snapshot: bytes, journal: bytes, serial: int) -> Copy:
        """Put a new snapshot in the place of the one that was read; see `Remote.replace`."""
        with self._session() as db, db.transaction():
            row = db.execute(_HELD, (self._state, holder.fence)).fetchone()
            if row is None:
                raise self._lost(holder)
            if str(row[0]) != before.version:
                raise StateMovedError(
                    f"{self.name} was changed during this run by something that does not hold the lock",
                    "What this run did is in the journal on this machine and at the store. Find out who writes to the "
                    "database, put the snapshot back, and run kmsplan again.",
                )
            db.execute(_KEEP, (serial, journal, self._state))
            after = db.execute(_REPLACE, (snapshot, self._state)).fetchone()
            version = after[0] if after else 0
            db.execute(_CLEAR, (self._state, version))
        return Copy(snapshot=snapshot, journal=b"", version=str(version))

    def numbers(self) -> list[int]:
        """Return the serials that are kept; see `Remote.numbers`."""
        return [serial for (serial,) in self._reading(_NUMBERS, (self._state,))]

    def snapshot_of(self, serial: int) -> bytes | None:
        """Return a kept snapshot; see `Remote.snapshot_of`."""
        return self._part(_SNAPSHOT_OF, serial)

    def head_of(self, serial: int) -> bytes | None:
        """Return the beginning of a kept snapshot; see `Remote.head_of`."""
        return self._part(_HEAD_OF, serial)

    def journal_of(self, serial: int) -> bytes | None:
        """Return the journal that led away from a serial; see `Remote.journal_of`."""
        return self._part(_JOURNAL_OF, serial)

    def _part(self, sql: str, serial: int) -> bytes | None:
        return next((content for (content,) in self._reading(sql, (self._state, serial))), None)

    def _reading(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return rows; none where nobody has made the tables yet."""
        with self._session() as db:
            try:
                return db.execute(sql.encode(), parameters).fetchall()
            except psycopg.errors.UndefinedTable:
                return []

    @contextmanager
    def _session(self) -> Iterator[_Connection]:
        """Lend a connection. It stays open while we have the lease; one that failed is opened anew."""
        with self._guard:
            try:
                if self._connection is None:
                    self._connection = psycopg.connect(**self._parameters, autocommit=True, client_encoding="UTF8")
                    self._connection.execute(_SESSION, prepare=False)
                yield self._connection
            except psycopg.Error as error:
                self._close()
                raise self._failed(error) from None  # the library's traceback shows its arguments
            finally:
                if not self._leasing:
                    self._close()

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

    def _lost(self, holder: Holder) -> FenceError:
        return FenceError(
            f"the lock of {self.name} was taken from this process (lock id {holder.id}), so it stops writing",
            "Another run may have gone on since. Everything that this one had begun is in the journal: run "
            "`kmsplan plan` to see what is left.",
        )


def _parse(secret: SecretBytes) -> dict[str, Any]:
    try:
        return {**_DEFAULTS, **conninfo_to_dict(secret.reveal().decode())}
    except (psycopg.ProgrammingError, UnicodeDecodeError):
        raise StateAccessError(
            "what state.postgres.url means is no connection string of PostgreSQL",
            "Write key=value pairs or a URL: postgresql://USER:PASSWORD@HOST:5432/DATABASE",
        ) from None


def _make_tables(db: _Connection) -> None:
    """Make the tables where they are missing; one process at a time, because PostgreSQL's own check does not lock."""
    if db.execute("SELECT to_regclass('kmsplan_state_history')").fetchone() != (None,):
        return
    with db.transaction():
        db.execute(f"SELECT pg_advisory_xact_lock({_MAKING})".encode())
        db.execute(_TABLES, prepare=False)
