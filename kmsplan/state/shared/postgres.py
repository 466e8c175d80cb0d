"""A shared state as rows of a PostgreSQL database (13 or newer); several states can be in one.

Every write names the fence number of its lease, in one statement or transaction with it, so that the server refuses
whoever has lost it. All times are the server's.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kmsplan.state.error import FenceError, StateMovedError
from kmsplan.state.holder import Holder
from kmsplan.state.shared.database import Database, make_tables
from kmsplan.state.shared.remote import ClaimedError, Copy, Leased
from kmsplan.state.snapshot import HEAD_SIZE

if TYPE_CHECKING:
    from kmsplan.kms.secret import SecretBytes
    from kmsplan.state.recoding import Recoding
    from kmsplan.state.shared.database import Connection

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
_KEPT: Final = "SELECT snapshot, journal FROM kmsplan_state_history WHERE name = %s AND serial = %s"
_REWRITE: Final = "UPDATE kmsplan_state_history SET snapshot = %s, journal = %s WHERE name = %s AND serial = %s"
_NUMBERS: Final = "SELECT serial FROM kmsplan_state_history WHERE name = %s ORDER BY serial"
_HEAD_OF: Final = f"""
SELECT substring(snapshot FOR {HEAD_SIZE}) FROM kmsplan_state_history WHERE name = %s AND serial = %s
"""  # noqa: S608 - our own number
_SNAPSHOT_OF: Final = "SELECT snapshot FROM kmsplan_state_history WHERE name = %s AND serial = %s"
_JOURNAL_OF: Final = "SELECT journal FROM kmsplan_state_history WHERE name = %s AND serial = %s"


_BEYOND: Final = (
    "The database's dead rows, its write-ahead log and its backups hold what was under the old key until they are "
    "vacuumed (VACUUM FULL kmsplan_state, kmsplan_state_history), recycled and deleted."
)


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
        self._database = Database(secret, state)
        self._state = state
        self._lease = lease
        self.expires = True
        self.name = self._database.name

    def read(self) -> Copy | None:
        """Return the state; see `Remote.read`."""
        rows = self._database.reading(_READ, (self._state,))
        if not rows:
            return None
        ((snapshot, version, journal),) = rows
        return Copy(snapshot=snapshot, journal=journal or b"", version=str(version))

    def create(self, snapshot: bytes) -> None:
        """Keep the first snapshot; see `Remote.create`."""
        with self._database.session() as db:
            make_tables(db)
            db.execute(_ROW, (self._state,))
            db.execute(_CREATE, (snapshot, self._state))

    def claim(self, holder: Holder, dead: str | None) -> Holder:
        """Take the lease; see `Remote.claim`."""
        with self._database.session() as db:
            make_tables(db)
            db.execute(_ROW, (self._state,))
            row = db.execute(_CLAIM, (json.dumps(holder.members()), self._lease, self._state, dead)).fetchone()
            self._database.stay = row is not None
        if row is None:
            found = self.leased()
            raise ClaimedError(found.holder if found else None)
        return dataclasses.replace(holder, fence=row[0])

    def beat(self, holder: Holder) -> None:
        """Show that the holder is alive; see `Remote.beat`."""
        with self._database.session() as db:
            if db.execute(_BEAT, (self._state, holder.fence)).rowcount == 0:
                raise self._lost(holder)

    def release(self, holder: Holder) -> None:
        """Give the lease back; see `Remote.release`."""
        self._database.stay = False
        with self._database.session() as db:
            db.execute(_RELEASE, (self._state, holder.fence))

    def leased(self) -> Leased | None:
        """Return who has the lease; see `Remote.leased`."""
        rows = self._database.reading(_LEASED, (self._state,))
        if not rows:
            return None
        ((values, fence, beat, age),) = rows
        return Leased(Holder.of({**values, "fence": fence, "heartbeat": beat.isoformat()}), age)

    def evict(self, leased: Leased) -> None:
        """Take the lease from somebody; see `Remote.evict`."""
        with self._database.session() as db:
            db.execute(_EVICT, (self._state, leased.holder.fence))

    def append(self, holder: Holder, lines: bytes) -> None:
        """Keep lines of the journal; see `Remote.append`."""
        with self._database.session() as db:
            if db.execute(_APPEND, (lines, self._state, holder.fence)).rowcount == 0:
                raise self._lost(holder)

    def replace(self, holder: Holder, before: Copy, snapshot: bytes, journal: bytes, serial: int) -> Copy:
        """Put a new snapshot in the place of the one that was read; see `Remote.replace`."""
        with self._database.session() as db, db.transaction():
            self._hold(db, holder, before)
            db.execute(_KEEP, (serial, journal, self._state))
            version = self._put(db, snapshot)
        return Copy(snapshot=snapshot, journal=b"", version=str(version))

    def _hold(self, db: Connection, holder: Holder, before: Copy) -> None:
        """Keep the state's row, and with it the lease, until the transaction ends."""
        row = db.execute(_HELD, (self._state, holder.fence)).fetchone()
        if row is None:
            raise self._lost(holder)
        if str(row[0]) != before.version:
            raise StateMovedError(
                f"{self.name} was changed during this run by something that does not hold the lock",
                "What this run did is in the journal on this machine and at the store. Find out who writes to the "
                "database, put the snapshot back, and run kmsplan again.",
            )

    def _put(self, db: Connection, snapshot: bytes) -> int:
        """Put a snapshot in the place of the one that is there, and return its version."""
        after = db.execute(_REPLACE, (snapshot, self._state)).fetchone()
        version = after[0] if after else 0
        db.execute(_CLEAR, (self._state, version))
        return version

    def rewrite(self, holder: Holder, before: Copy, recoding: Recoding) -> str:
        """Put every row through a recoding, in one transaction; see `Remote.rewrite`.

        On a connection of its own, and the state's row last, so that the heartbeat goes on meanwhile, and nobody waits.
        """
        with self._database.apart() as db, db.transaction():
            for (serial,) in db.execute(_NUMBERS, (self._state,)).fetchall():
                ((snapshot, journal),) = db.execute(_KEPT, (self._state, serial)).fetchall()
                kept = recoding.serial(snapshot, journal, name=self.name, number=serial)
                if kept != (snapshot, journal):
                    db.execute(_REWRITE, (*kept, self._state, serial))
            content = recoding.snapshot(before.snapshot, Path(f"{self.name}: the snapshot"))
            self._hold(db, holder, before)
            if content != before.snapshot:
                self._put(db, content)
        return _BEYOND

    def numbers(self) -> list[int]:
        """Return the serials that are kept; see `Remote.numbers`."""
        return [serial for (serial,) in self._database.reading(_NUMBERS, (self._state,))]

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
        return next((content for (content,) in self._database.reading(sql, (self._state, serial))), None)

    def _lost(self, holder: Holder) -> FenceError:
        return FenceError(
            f"the lock of {self.name} was taken from this process (lock id {holder.id}), so it stops writing",
            "Another run may have gone on since. Everything that this one had begun is in the journal: run "
            "`kmsplan plan` to see what is left.",
        )
