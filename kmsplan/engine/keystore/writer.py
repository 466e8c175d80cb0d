"""The one writing thread, and its group commit.

Callers hand in jobs and wait. The thread takes all jobs that wait into one transaction, commits once, and only then
answers anybody. While it waits for the disk the next jobs gather, so the more callers there are, the more of them share
a flush.

A job that fails before it has changed anything, as most do that are refused, costs the others nothing. If one fails
later, the transaction is undone and all its jobs run again, each behind a savepoint. So a job may run twice, and
changes nothing outside the database that may not be done twice.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Final, TypeVar

from kmsplan.engine.keystore import setting

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
BATCH: Final = 512
"""Jobs in one transaction at most, so that nobody waits long for others."""


class Transaction:
    """What a job sees of the transaction that it runs in."""

    __slots__ = ("_sealed", "db", "entries", "wants_checkpoint")

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self._sealed: bool | None = None
        self.entries: list[Any] = []
        """Audit entries to append before the commit; those of a job that is rolled back go with it."""
        self.wants_checkpoint = False

    @property
    def sealed(self) -> bool:
        """Whether the engine is sealed for every process; read once for all jobs of a transaction."""
        if self._sealed is None:
            self._sealed = setting.load(self.db, setting.SEALED) is not None
        return self._sealed

    def seal(self, since: str | None) -> None:
        """Seal the engine from a time on, or with None open it again."""
        if since is None:
            setting.remove(self.db, setting.SEALED)
        else:
            setting.store(self.db, setting.SEALED, since.encode())
        self._sealed = since is not None


class Job:
    """A write that waits for its turn."""

    __slots__ = ("_done", "error", "result", "work")

    def __init__(self, work: Callable[[Transaction], Any]) -> None:
        self.work = work
        self.result: Any = None
        self.error: BaseException | None = None
        self._done = Lock()
        self._done.acquire()

    def answer(self) -> None:
        """Let the caller go on."""
        self._done.release()

    def wait(self) -> Any:
        """Wait for the commit; return the work's result or raise its error."""
        self._done.acquire()
        if self.error is not None:
            raise self.error
        return self.result


class Writer:
    """Owns the only connection that writes.

    Args:
        connect: opens that connection; called in the thread, and again after a failure.
        conclude: called once before each commit, in the transaction; returns what to do after it, or None. That may
            fail with OSError: what is committed stays committed.
        translate: SQLite's error to ours.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        conclude: Callable[[Transaction], Callable[[], None] | None],
        translate: Callable[[sqlite3.Error], Exception],
    ) -> None:
        self.commits = 0
        """Transactions committed: as many flushes, however many jobs."""
        self._connect = connect
        self._conclude = conclude
        self._translate = translate
        self._db: sqlite3.Connection | None = None
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._closed = False
        self._thread = Thread(target=self._serve, name="kmsplan keystore writer", daemon=True)
        self._thread.start()

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction and return its result once that is committed.

        What `work` did vanishes if it raises, and the caller gets its exception.

        Raises:
            KeystoreError: the transaction failed; nothing of it was done, unless the error is in doubt.
            RuntimeError: the writer was closed.
        """
        if self._closed:
            raise RuntimeError("the engine is closed")
        job = Job(work)
        self._jobs.put(job)
        result: T = job.wait()
        return result

    def close(self) -> None:
        """Finish what waits, and end the thread."""
        self._closed = True
        self._jobs.put(None)
        self._thread.join()

    def _serve(self) -> None:
        stop = False
        while not stop:
            batch = [self._jobs.get()]
            with suppress(Empty):
                while len(batch) < BATCH:
                    batch.append(self._jobs.get_nowait())
            stop = None in batch
            jobs = [job for job in batch if job is not None]
            if jobs:
                self._commit(jobs)
        self._drop()

    def _commit(self, jobs: list[Job]) -> None:
        try:
            then = self._transact(jobs)
        except Exception as error:  # noqa: BLE001 - every caller must get its answer, whatever went wrong
            # After a failed flush what the connection believes is not what the disk holds: it is not asked again.
            self._drop()
            failure = self._translate(error) if isinstance(error, sqlite3.Error) else error
            for job in jobs:
                job.error = failure
        else:
            self.commits += 1
            if then is not None:
                with suppress(OSError):  # what follows a commit cannot undo it
                    then()
        for job in jobs:
            job.answer()

    def _transact(self, jobs: list[Job]) -> Callable[[], None] | None:
        if self._db is None:
            self._db = self._connect()
        self._db.execute("BEGIN IMMEDIATE")
        transaction = Transaction(self._db)
        if not all(_run(transaction, job) for job in jobs):
            self._db.execute("ROLLBACK")
            self._db.execute("BEGIN IMMEDIATE")
            transaction = Transaction(self._db)
            for job in jobs:
                _run_apart(transaction, job)
        then = self._conclude(transaction)
        self._db.execute("COMMIT")
        return then

    def _drop(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()  # rolls an open transaction back
            self._db = None


def _run(transaction: Transaction, job: Job) -> bool:
    """Run one job; False if it failed after it had changed something.

    Raises:
        sqlite3.Error: the database failed, which is everybody's failure.
    """
    changes, mark = transaction.db.total_changes, len(transaction.entries)
    try:
        job.result, job.error = job.work(transaction), None
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this caller's answer
        _raise_if_database(error)
        del transaction.entries[mark:]
        job.error = error
        return transaction.db.total_changes == changes
    return True


def _run_apart(transaction: Transaction, job: Job) -> None:
    """Run one job behind a savepoint, so that its failure is its own; raises as `_run`."""
    db, mark = transaction.db, len(transaction.entries)
    db.execute("SAVEPOINT job")
    try:
        job.result, job.error = job.work(transaction), None
    except Exception as error:  # noqa: BLE001 - as above
        _raise_if_database(error)
        db.execute("ROLLBACK TO job")
        del transaction.entries[mark:]
        job.error = error
    db.execute("RELEASE job")


def _raise_if_database(error: Exception) -> None:
    if isinstance(error, sqlite3.Error) and not isinstance(error, sqlite3.IntegrityError):
        raise error
