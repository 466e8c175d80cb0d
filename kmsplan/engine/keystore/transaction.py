"""A transaction as its jobs see it, and a job as those see it who handed it in.

The database counts its generations: every transaction that changes what a key is or who may use it begins a new one.
So a process knows by one number, read once for a whole transaction, that what it remembers of keys still holds.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kmsplan.engine.keystore import setting

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.nonce import Claim

T = TypeVar("T")


class Transaction:
    """What a job sees of the transaction that it runs in."""

    __slots__ = ("_sealed", "_standing", "after", "db", "entries", "touched", "wants_checkpoint")

    def __init__(self, db: Connection) -> None:
        self.db = db
        self._standing: setting.Standing | None = None
        self._sealed: bool | None = None
        """Once this transaction has changed that."""
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
        return self._stands().generation

    @property
    def sealed(self) -> bool:
        """Whether the engine is sealed for every process."""
        return self._stands().sealed if self._sealed is None else self._sealed

    def seal(self, since: str | None) -> None:
        """Seal the engine from a time on, or with None open it again."""
        if since is None:
            setting.remove(self.db, setting.SEALED)
        else:
            setting.store(self.db, setting.SEALED, since.encode())
        self._sealed = since is not None

    def _stands(self) -> setting.Standing:
        """Return how things stood when it began; read once for all its jobs."""
        if self._standing is None:
            self._standing = setting.standing(self.db)
        return self._standing


class Ticket(Generic[T]):
    """A write that was handed in: waits for its commit, or calls back after it."""

    __slots__ = ("_callbacks", "_wait", "claim", "done", "error", "intent", "records", "result", "touches", "work")

    def __init__(
        self,
        work: Callable[[Transaction], T],
        *,
        touches: bool,
        records: bool = False,
        intent: Callable[[], None] | None = None,
        claim: Claim | None = None,
    ) -> None:
        self.work = work
        self.touches = touches
        self.records = records
        """Whether an audit entry is all that it writes, most of the time: then it may not need a transaction."""
        self.intent = intent
        """Called before the transaction begins; where it raises, the work is not done, and the caller gets that."""
        self.claim = claim
        """The nonce that the transaction uses up; whether it was free, the work asks the claim."""
        self.done = False
        self.result: T
        self.error: BaseException | None = None
        self._callbacks: list[Callable[[Ticket[T]], None]] = []
        self._wait: Lock | None = None
        """Made by who waits: most are called back."""

    def answer(self) -> None:
        """Let the caller go on."""
        self.done = True
        if self._wait is not None:
            self._wait.release()
        self._call_back()

    def settle(self) -> None:
        """Wait for the commit, or for its failure; to be called once."""
        wait = Lock()
        wait.acquire()
        self._wait = wait
        if not self.done:  # who says so looks for the lock afterwards
            wait.acquire()

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
        callbacks = self._callbacks
        while callbacks:
            try:
                callback = callbacks.pop()
            except IndexError:
                return
            callback(self)
