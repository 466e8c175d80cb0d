"""The one writing thread, and its group commit.

Callers hand in jobs and wait. The thread takes all jobs that wait into one transaction, commits once, and only then
answers anybody. While it waits for the disk the next jobs gather, so the more callers there are, the more of them share
a flush.
"""

from __future__ import annotations

from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from kmsplan.engine.keystore.committer import Committer
    from kmsplan.engine.keystore.transaction import Ticket

BATCH: Final = 512
"""Jobs in one transaction at most, so that nobody waits long for others."""


class Writer:
    """The thread.

    Args:
        committer: what it writes with.
    """

    def __init__(self, committer: Committer) -> None:
        self._committer = committer
        self._jobs: SimpleQueue[Ticket[Any] | None] = SimpleQueue()
        self._held: Ticket[Any] | None = None
        """The next job, already taken from the queue."""
        self._closed = False
        self._thread = Thread(target=self._serve, name="kmsplan keystore writer", daemon=True)
        self._thread.start()

    def submit(self, job: Ticket[Any]) -> None:
        """Take a job; its ticket tells of its commit.

        Raises:
            RuntimeError: the writer was closed.
        """
        if self._closed:
            raise RuntimeError("the engine is closed")
        self._jobs.put(job)

    def close(self) -> None:
        """Finish what waits, and end the thread."""
        self._closed = True
        self._jobs.put(None)
        self._thread.join()

    def _serve(self) -> None:
        while (first := self._held or self._jobs.get()) is not None:
            self._held = None
            self._commit([first])
        self._committer.drop()

    def _commit(self, jobs: list[Ticket[Any]]) -> None:
        self._gather(jobs, intents=True)
        going: list[Ticket[Any]] = []
        for job in jobs:
            if _intended(job):
                going.append(job)
            else:
                job.answer()
        if going:
            # What comes while others have their turn goes into the same transaction; but nobody else is kept waiting
            # while an intent is written down somewhere.
            self._committer.carry_out(going, lambda: self._gather(going, intents=False))
        for job in going:
            job.answer()

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


def _intended(job: Ticket[Any]) -> bool:
    """Return whether a job may be done: whoever wants it has written down that it is about to be."""
    if job.intent is not None:
        try:
            job.intent()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this caller's answer
            job.error = error
            return False
    return True
