"""An open keystore: read by many, written by one thread, whichever database it is in."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from kmsplan.engine.keystore.connection import FAILURES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kmsplan.engine.keystore.connection import Connection, Crowd, Database
    from kmsplan.engine.keystore.writer import Ticket, Transaction, Writer
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

    return open_database(postgres)


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
        self._writer: Writer | None = None
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

    def crowd(self) -> Crowd:
        """Return who has the engine open for writing."""
        with self.look() as db:
            return self._database.crowd(db)

    @property
    def commits(self) -> int:
        """Transactions committed since it was opened."""
        return self._writer.commits if self._writer else 0

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

    def write(self, work: Callable[[Transaction], T], *, intent: Callable[[], None] | None = None) -> T:
        """Run `work` in the writing thread; see `Writer.write`."""
        return self.submit(work, intent=intent).wait()

    def submit(
        self, work: Callable[[Transaction], T], *, touches: bool = True, intent: Callable[[], None] | None = None
    ) -> Ticket[T]:
        """Hand `work` to the writing thread; see `Writer.submit`."""
        if self._writer is None:
            raise RuntimeError("the keystore was not opened for writing")
        return self._writer.submit(work, touches=touches, intent=intent)

    def start(self, conclude: Callable[[Transaction], Callable[[], None] | None]) -> None:
        """Start the writing thread, with what a commit ends with (see `Writer`); before that nothing can be written."""
        from kmsplan.engine.keystore.writer import Writer  # noqa: PLC0415 - planning never writes

        place = self._database
        self._writer = Writer(lambda: place.connect(writes=True), conclude, place.translate, place.turn)

    def presence(self, entropy: Callable[[int], bytes]) -> Presence:
        """Mark this process as one that has the engine open; see `Database.presence`."""
        return self._database.presence(entropy)

    def close(self) -> None:
        """Finish what is being written and close every connection."""
        self._closed = True
        if self._writer is not None:
            self._writer.close()
        while self._readers:
            self._readers.pop().close()
        self._database.close()

    def _reader(self) -> Connection:
        with suppress(IndexError):
            return self._readers.pop()
        try:
            return self._database.connect(writes=False)
        except FAILURES as error:
            raise self._database.translate(error) from error
