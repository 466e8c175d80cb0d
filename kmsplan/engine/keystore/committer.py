"""Many jobs, one transaction, one flush.

A job that fails before it has changed anything, as most do that are refused, costs the others nothing. If one fails
later, the transaction is undone and all its jobs run again, each behind a savepoint. So a job may run twice, and
changes nothing outside the database that may not be done twice.
"""

from __future__ import annotations

from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from kmsplan.engine.error import KeystoreLockedError
from kmsplan.engine.keystore import setting
from kmsplan.engine.keystore.connection import CONSTRAINTS, FAILURES
from kmsplan.engine.keystore.transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.nonce import SharedNonces
    from kmsplan.engine.keystore.transaction import Ticket


class Place(Protocol):
    """What of a database is needed to write to it; see `connection.Database`."""

    @property
    def nonces(self) -> SharedNonces | None:
        """Where claims are decided; None where nobody hands one in."""

    def connect(self, *, writes: bool) -> Connection:
        """Open a connection."""

    def turn(self, *, wait: bool) -> AbstractContextManager[object]:
        """Wait for this process's turn to write."""

    def turn_beside(self) -> AbstractContextManager[object]:
        """Wait for this process's turn to bring spools in."""

    def begin(self, db: Connection, *, wait: bool) -> None:
        """Begin a transaction that writes."""

    def bring_in(self, db: Connection) -> list[bytes]:
        """Take the audit entries that wait in spools into the transaction that was begun."""

    def translate(self, error: Exception) -> Exception:
        """Return the error for people that a database error stands for."""


class Committer:
    """Owns the only connection that writes; one thread at a time has it.

    Args:
        place: the database.
        conclude: called once before each commit, in the transaction; returns what to do after it, or None. That may
            fail with OSError: what is committed stays committed.
    """

    def __init__(self, place: Place, conclude: Callable[[Transaction], Callable[[], None] | None]) -> None:
        self.commits = 0
        """Transactions committed: as many flushes, however many jobs."""
        self.failing = False
        """Whether the newest transaction could not be committed."""
        self._place = place
        self._conclude = conclude
        self._db: Connection | None = None
        self._taken = Lock()

    def carry_out_now(self, jobs: list[Ticket[Any]]) -> bool:
        """Carry jobs out, unless another thread or process is at it for long; return whether that was done."""
        if not self._taken.acquire(blocking=False):
            return False
        try:
            return self._carry_out(jobs, wait=False)
        finally:
            self._taken.release()

    def carry_out(self, jobs: list[Ticket[Any]], gather: Callable[[], None]) -> None:
        """Run jobs in one transaction and commit it; afterwards each has its result or its error.

        Args:
            jobs: in their order; their intents are written down.
            gather: called once nobody else writes; may add jobs.
        """
        with self._taken:
            self._carry_out(jobs, gather)

    def _carry_out(
        self, jobs: list[Ticket[Any]], gather: Callable[[], None] | None = None, *, wait: bool = True
    ) -> bool:
        """Carry jobs out; False, with nothing done, where that would mean a wait that is not wanted."""
        try:
            with self._place.turn(wait=wait):
                then = self._transact(jobs, gather, wait=wait)
                self.commits += 1
        except Exception as error:  # noqa: BLE001 - every caller must get its answer, whatever went wrong
            failure = self._place.translate(error) if isinstance(error, FAILURES) else error
            if not wait and isinstance(failure, BlockingIOError):
                return False
            # After a failed flush what the connection believes is not what the disk holds: it is not asked again.
            self.drop()
            if not wait and isinstance(failure, KeystoreLockedError):
                return False
            self.failing = True
            for job in jobs:
                job.error = failure
        else:
            self.failing = False
            if then is not None:
                with suppress(OSError):  # what follows a commit cannot undo it
                    then()
        return True

    def fold(self) -> None:
        """Bring into the database what waits in spools, while others go on filling them.

        Raises:
            KeystoreError: it cannot be written.
        """
        with self._taken:
            try:
                with self._place.turn_beside():
                    then = self._transact([], None, wait=True)
            except FAILURES as error:
                self.drop()
                raise self._place.translate(error) from error
            except BaseException:
                self.drop()
                raise
            if then is not None:
                with suppress(OSError):
                    then()

    def drop(self) -> None:
        """Close the connection; an open transaction is rolled back."""
        if self._db is not None:
            with suppress(*FAILURES):
                self._db.close()
            self._db = None

    def _transact(
        self, jobs: list[Ticket[Any]], gather: Callable[[], None] | None, *, wait: bool
    ) -> Callable[[], None] | None:
        if self._db is None:
            self._db = self._place.connect(writes=True)
        transaction = self._begin(self._db, jobs, gather, wait=wait)
        if not all(_run(transaction, job) for job in jobs):
            self._db.execute("ROLLBACK")
            transaction = self._begin(self._db, jobs, None, wait=wait)
            for job in jobs:
                _run_apart(transaction, job)
        if transaction.touched:
            setting.begin_generation(self._db)
        then = self._conclude(transaction)
        self._db.execute("COMMIT" if jobs or transaction.entries else "ROLLBACK")
        for follow in transaction.after:
            follow()
        return then

    def _begin(
        self, db: Connection, jobs: list[Ticket[Any]], gather: Callable[[], None] | None, *, wait: bool
    ) -> Transaction:
        """Begin a transaction, and decide the claims of all its jobs first, so that no job's failure undoes that."""
        self._place.begin(db, wait=wait)
        if gather is not None:  # now that no other process or node is before this one
            gather()
        transaction, nonces = Transaction(db), self._place.nonces
        # First, for they were answered before. What is decided from now on is recorded behind them.
        transaction.entries += self._place.bring_in(db)
        if nonces is not None:
            claims = [job.claim for job in jobs if job.claim is not None and not job.claim.held]
            if claims:
                nonces.use_up(db, claims)
                transaction.after += [claim.hold for claim in claims]
        return transaction


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
