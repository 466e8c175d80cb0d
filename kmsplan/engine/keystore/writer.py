"""The one writing thread, and its group commit.

Callers hand in jobs and wait. The thread takes all jobs that wait into one transaction, commits once, and only then
answers anybody. While it waits for the disk the next jobs gather, so the more callers there are, the more of them share
a flush.

A job that fails before it has changed anything, as most do that are refused, costs the others nothing. If one fails
later, the transaction is undone and all its jobs run again, each behind a savepoint. So a job may run twice, and
changes nothing outside the database that may not be done twice.

The database counts its generations: every transaction that changes what a key is or who may use it begins a new one.
So a process knows by one number, read once for a whole transaction, that what it remembers of keys still holds.
"""

from __future__ import annotations

from contextlib import nullcontext, suppress
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from kmsplan.engine.keystore import setting
from kmsplan.engine.keystore.connection import CONSTRAINTS, FAILURES

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from kmsplan.engine.keystore.connection import Connection

T = TypeVar("T")
BATCH: Final = 512
"""Jobs in one transaction at most, so that nobody waits long for others."""


class Transaction:
    """What a job sees of the transaction that it runs in."""

    __slots__ = ("_generation", "_sealed", "after", "db", "entries", "touched", "wants_checkpoint")

    def __init__(self, db: Connection) -> None:
        self.db = db
        self._generation: int | None = None
        self._sealed: bool | None = None
        self.touched = False
        """Whether it changes more than audit, counts and dates of use, so that a new generation begins."""
        self.after: list[Callable[[], None]] = []
        """What to do after the commit, in the writing thread: it cannot fail, and it is lost if the commit fails."""
        self.entries: list[Any] = []
        """Audit entries to append before the commit; those of a job that is rolled back go with it."""
        self.wants_checkpoint = False

    @property
    def generation(self) -> int | None:
        """The database's generation; None where this transaction has changed it already."""
        if self.touched:
            return None
        if self._generation is None:
            self._generation = setting.generation(self.db)
        return self._generation

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


class Ticket(Generic[T]):
    """A write that was handed in: waits for its commit, or calls back after it."""

    __slots__ = ("_callbacks", "_wait", "done", "error", "intent", "result", "touches", "work")

    def __init__(
        self, work: Callable[[Transaction], T], *, touches: bool, intent: Callable[[], None] | None = None
    ) -> None:
        self.work = work
        self.touches = touches
        self.intent = intent
        """Called before the transaction begins; where it raises, the work is not done, and the caller gets that."""
        self.done = False
        self.result: T
        self.error: BaseException | None = None
        self._callbacks: list[Callable[[Ticket[T]], None]] = []
        self._wait = Lock()
        self._wait.acquire()

    def answer(self) -> None:
        """Let the caller go on."""
        self.done = True
        self._wait.release()
        self._call_back()

    def settle(self) -> None:
        """Wait for the commit, or for its failure; to be called once."""
        self._wait.acquire()

    def wait(self) -> T:
        """Wait for the commit; return the work's result or raise its error. To be called once."""
        self.settle()
        return self.value()

    def value(self) -> T:
        """Return the work's result or raise its error; only once it is done."""
        if self.error is not None:
            raise self.error
        return self.result

    def then(self, callback: Callable[[Ticket[T]], None]) -> None:
        """Call back once it is done: from the writing thread, or at once where it is done already."""
        self._callbacks.append(callback)
        if self.done:
            self._call_back()

    def _call_back(self) -> None:
        # Both threads may be here at once; a callback is made by the one that takes it off the list.
        with suppress(IndexError):
            while True:
                self._callbacks.pop()(self)


class Writer:
    """Owns the only connection that writes.

    Args:
        connect: opens that connection; called in the thread, and again after a failure.
        conclude: called once before each commit, in the transaction; returns what to do after it, or None. That may
            fail with OSError: what is committed stays committed.
        translate: the database's error to ours.
        turn: held around each transaction, so that several processes take turns.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        conclude: Callable[[Transaction], Callable[[], None] | None],
        translate: Callable[[Exception], Exception],
        turn: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self.commits = 0
        """Transactions committed: as many flushes, however many jobs."""
        self._connect = connect
        self._conclude = conclude
        self._translate = translate
        self._turn = turn
        self._db: Connection | None = None
        self._jobs: SimpleQueue[Ticket[Any] | None] = SimpleQueue()
        self._held: Ticket[Any] | None = None
        """The next job, already taken from the queue."""
        self._closed = False
        self._thread = Thread(target=self._serve, name="kmsplan keystore writer", daemon=True)
        self._thread.start()

    def write(self, work: Callable[[Transaction], T], *, intent: Callable[[], None] | None = None) -> T:
        """Run `work` in a transaction and return its result once that is committed.

        What `work` did vanishes if it raises, and the caller gets its exception.

        Raises:
            KeystoreError: the transaction failed; nothing of it was done, unless the error is in doubt.
            RuntimeError: the writer was closed.
        """
        return self.submit(work, intent=intent).wait()

    def submit(
        self, work: Callable[[Transaction], T], *, touches: bool = True, intent: Callable[[], None] | None = None
    ) -> Ticket[T]:
        """Hand `work` in and go on; the ticket tells of its commit. Raises RuntimeError as `write`.

        Args:
            work: see `write`.
            touches: False where it changes nothing that any process remembers of keys and callers.
            intent: see `Ticket.intent`. One call for many jobs costs no more than one for each alone.
        """
        if self._closed:
            raise RuntimeError("the engine is closed")
        ticket = Ticket(work, touches=touches, intent=intent)
        self._jobs.put(ticket)
        return ticket

    def close(self) -> None:
        """Finish what waits, and end the thread."""
        self._closed = True
        self._jobs.put(None)
        self._thread.join()

    def _serve(self) -> None:
        while (first := self._held or self._jobs.get()) is not None:
            self._held = None
            self._commit([first])
        self._drop()

    def _commit(self, jobs: list[Ticket[Any]]) -> None:
        self._gather(jobs, intents=True)
        going: list[Ticket[Any]] = []
        for job in jobs:
            if _intended(job):
                going.append(job)
            else:
                job.answer()
        if going:
            self._carry_out(going)
        for job in going:
            job.answer()

    def _carry_out(self, jobs: list[Ticket[Any]]) -> None:
        try:
            with self._turn():
                # What comes while others have their turn goes into the same transaction; but nobody else is kept
                # waiting while an intent is written down somewhere.
                self._gather(jobs, intents=False)
                then = self._transact(jobs)
                self.commits += 1
        except Exception as error:  # noqa: BLE001 - every caller must get its answer, whatever went wrong
            # After a failed flush what the connection believes is not what the disk holds: it is not asked again.
            self._drop()
            failure = self._translate(error) if isinstance(error, FAILURES) else error
            for job in jobs:
                job.error = failure
        else:
            if then is not None:
                with suppress(OSError):  # what follows a commit cannot undo it
                    then()

    def _gather(self, jobs: list[Ticket[Any]], *, intents: bool) -> None:
        """Add the jobs that wait, without `intents` up to the first that has one, which is held for the next time.

        The end of all jobs goes back to its place, which is the last.
        """
        with suppress(Empty):
            while len(jobs) < BATCH and self._held is None:
                job = self._jobs.get_nowait()
                if job is None:
                    self._jobs.put(None)
                    return
                if intents or job.intent is None:
                    jobs.append(job)
                else:
                    self._held = job

    def _transact(self, jobs: list[Ticket[Any]]) -> Callable[[], None] | None:
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
        if transaction.touched:
            setting.begin_generation(self._db)
        then = self._conclude(transaction)
        self._db.execute("COMMIT")
        for follow in transaction.after:
            follow()
        return then

    def _drop(self) -> None:
        if self._db is not None:
            with suppress(*FAILURES):
                self._db.close()  # rolls an open transaction back
            self._db = None


def _intended(job: Ticket[Any]) -> bool:
    """Return whether a job may be done: whoever wants it has written down that it is about to be."""
    if job.intent is not None:
        try:
            job.intent()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this caller's answer
            job.error = error
            return False
    return True


def _run(transaction: Transaction, job: Ticket[Any]) -> bool:
    """Run one job; False if it failed after it had changed something.

    Raises:
        sqlite3.Error, PostgresError: the database failed, which is everybody's failure.
    """
    changes, mark, after = transaction.db.total_changes, len(transaction.entries), len(transaction.after)
    try:
        job.result, job.error = job.work(transaction), None
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this caller's answer
        _raise_if_database(error)
        del transaction.entries[mark:], transaction.after[after:]
        job.error = error
        return transaction.db.total_changes == changes
    transaction.touched = transaction.touched or job.touches
    return True


def _run_apart(transaction: Transaction, job: Ticket[Any]) -> None:
    """Run one job behind a savepoint, so that its failure is its own; raises as `_run`."""
    db, mark, after = transaction.db, len(transaction.entries), len(transaction.after)
    db.execute("SAVEPOINT job")
    try:
        job.result, job.error = job.work(transaction), None
    except Exception as error:  # noqa: BLE001 - as above
        _raise_if_database(error)
        db.execute("ROLLBACK TO job")
        del transaction.entries[mark:], transaction.after[after:]
        job.error = error
    else:
        transaction.touched = transaction.touched or job.touches
    db.execute("RELEASE job")


def _raise_if_database(error: Exception) -> None:
    if isinstance(error, FAILURES) and not isinstance(error, CONSTRAINTS):
        raise error
