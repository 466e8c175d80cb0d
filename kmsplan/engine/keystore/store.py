"""An open keystore: read by many, written by one thread, whichever database it is in."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from kmsplan.engine.keystore import setting
from kmsplan.engine.keystore.connection import FAILURES
from kmsplan.engine.keystore.transaction import Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kmsplan.engine.keystore.committer import Committer
    from kmsplan.engine.keystore.connection import Connection, Crowd, Database
    from kmsplan.engine.keystore.nonce import Claim, SharedNonces
    from kmsplan.engine.keystore.rounds import Rounds
    from kmsplan.engine.keystore.transaction import Transaction
    from kmsplan.engine.keystore.writer import Writer
    from kmsplan.engine.presence import Presence
    from kmsplan.kms.secret import SecretBytes

T = TypeVar("T")


def database(folder: Path, postgres: SecretBytes | None, *, read_only: bool = False) -> Database:
    """Return where an engine's keystore is.

    Args:
        folder: the engine's.
        postgres: connection string of the database; None where it is a file in the folder.
        read_only: whether nothing on disk may change.

    Raises:
        KeystoreError: the connection string is none.
    """
    if postgres is None:
        from kmsplan.engine.keystore.sqlite import SqliteDatabase  # noqa: PLC0415 - one of the two is used

        return SqliteDatabase(folder, read_only=read_only)
    from kmsplan.engine.keystore.postgres.opening import open_database  # noqa: PLC0415 - as above; imports psycopg

    return open_database(postgres, folder)


class Keystore:
    """An open keystore.

    Args:
        database: where it is.

    Raises:
        EngineMissingError, EngineVersionError, KeystoreError: it cannot be used.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._closed = False
        self._readers: deque[Connection] = deque()
        self._committer: Committer | None = None
        self._writer: Writer | None = None
        self._rounds: Rounds | None = None
        try:
            with self.read() as db:
                database.check(db)
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """What messages call it."""
        return self._database.name

    @property
    def kind(self) -> str:
        """Which database it is in."""
        return self._database.kind

    @property
    def nonces(self) -> SharedNonces | None:
        """Where nonces are used up for all nodes; see `Database.nonces`."""
        return self._database.nonces

    def crowd(self) -> Crowd:
        """Return who has the engine open for writing."""
        with self.look() as db:
            return self._database.crowd(db)

    @property
    def commits(self) -> int:
        """Transactions committed since it was opened."""
        return self._committer.commits if self._committer else 0

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Lend a connection that sees one state of the database for as long as it is held.

        Raises:
            KeystoreError: it cannot be read.
        """
        with self.look() as db:
            db.execute("BEGIN")
            try:
                yield db
            finally:
                db.execute("ROLLBACK")

    @contextmanager
    def look(self) -> Iterator[Connection]:
        """Lend a connection for one statement, or for several that need not see the same state; raises as `read`."""
        db = self._reader()
        try:
            yield db
        except FAILURES as error:
            raise self._database.translate(error) from error
        finally:
            if self._closed:
                db.close()
            else:
                self._readers.append(db)

    def write(
        self, work: Callable[[Transaction], T], *, touches: bool = True, intent: Callable[[], None] | None = None
    ) -> T:
        """Run `work` in a transaction of the writing thread, and return its result once that is committed.

        What `work` did vanishes if it raises, and the caller gets its exception. Arguments as for `submit`.

        Raises:
            KeystoreError: the transaction failed; nothing of it was done, unless the error is in doubt.
            RuntimeError: the keystore was closed.
        """
        job = Ticket(work, touches=touches, intent=intent)
        self._writing.submit(job)
        return job.wait()

    def submit(
        self,
        work: Callable[[Transaction], T],
        *,
        touches: bool = True,
        records: bool = False,
        intent: Callable[[], None] | None = None,
        claim: Claim | None = None,
    ) -> Ticket[T]:
        """Hand `work` in and go on; the ticket tells of its commit. Raises RuntimeError as `write`.

        Args:
            work: see `write`.
            touches: False where it changes nothing that any process remembers of keys and callers.
            records: see `Ticket.records`.
            intent: see `Ticket.intent`. One call for many jobs costs no more than one for each alone.
            claim: see `Ticket.claim`.
        """
        job = Ticket(work, touches=touches, records=records, intent=intent, claim=claim)
        if self._rounds is not None and not touches and intent is None and self._rounds.here:
            self._rounds.submit(job)
        else:
            self._writing.submit(job)
        return job

    def start(
        self, conclude: Callable[[Transaction], Callable[[], None] | None], draft: Callable[[Any], bytes]
    ) -> None:
        """Start the writing thread; before that nothing can be written.

        Args:
            conclude: what a commit ends with; see `Committer`.
            draft: see `Recorder`.
        """
        from kmsplan.engine.keystore.committer import Committer  # noqa: PLC0415 - planning never writes
        from kmsplan.engine.keystore.writer import Writer  # noqa: PLC0415 - as above

        self._committer = Committer(self._database, conclude)
        self._writer = Writer(self._committer)
        self._draft = draft

    def attend(self, soon: Callable[[Callable[[], None]], object], time: Callable[[], float]) -> None:
        """Let the event loop of this thread commit what it hands in, where that waits for this machine's disk alone.

        Args:
            soon: see `Rounds`.
            time: a monotonic clock, in seconds.
        """
        if self._committer is not None and self._database.near:
            from kmsplan.engine.keystore.rounds import Rounds  # noqa: PLC0415 - only servers have a loop

            recorder = self._database.recorder(self._draft, self._committer.fold)
            self._rounds = Rounds(recorder, self._committer, self._writing.submit, soon, time)

    def require_writable(self) -> None:
        """Check that something can be written, if the newest transaction could not.

        Raises:
            KeystoreError: it still cannot.
        """
        if self._committer is not None and self._committer.failing:
            self.write(lambda transaction: setting.try_out(transaction.db), touches=False)

    def waiting(self) -> bool:
        """Return whether there is anything to `fold`.

        Raises:
            KeystoreError: it cannot be read.
        """
        with self.look() as db:
            return self._database.waiting(db)

    def fold(self) -> None:
        """Bring into the database what served engines have answered and recorded beside it.

        Raises:
            KeystoreError: it cannot be written.
        """
        if self._committer is not None:
            self._committer.fold()

    def presence(self, entropy: Callable[[int], bytes]) -> Presence:
        """Mark this process as one that has the engine open; see `Database.presence`."""
        return self._database.presence(entropy)

    def close(self) -> None:
        """Finish what is being written and close every connection."""
        self._closed = True
        if self._rounds is not None:
            self._rounds.close()
        if self._writer is not None:
            self._writer.close()
        while self._readers:
            self._readers.pop().close()
        self._database.close()

    @property
    def _writing(self) -> Writer:
        if self._writer is None:
            raise RuntimeError("the keystore was not opened for writing")
        return self._writer

    def _reader(self) -> Connection:
        with suppress(IndexError):
            return self._readers.pop()
        try:
            return self._database.connect(writes=False)
        except FAILURES as error:
            raise self._database.translate(error) from error
