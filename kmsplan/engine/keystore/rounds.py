"""Commits that an event loop makes by itself, between two rounds of reading.

To hand a commit to the writing thread and its answers back takes two changes of thread, each of which waits for the
interpreter's lock, and a thread that is woken for the first request of many commits that one alone. So the loop gathers
what its requests hand in, and commits when a round of reading has brought nothing new.

It reads nothing while it waits for the disk. A disk that takes its time is therefore left to the writing thread, beside
which requests go on being read.
"""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.keystore.committer import Committer
    from kmsplan.engine.keystore.recorder import Recorder
    from kmsplan.engine.keystore.transaction import Ticket

MOST: Final = 64
"""Jobs in one round at most, so that the first of them does not wait long for the last."""
QUICK: Final = 0.01
"""Seconds that a commit may take, the wait for other processes included."""
SHARE: Final = 10
"""After a commit that took longer, the writing thread has them for so many times as long."""


class Rounds:
    """The jobs that a loop's thread hands in; made by that thread.

    Args:
        recorder: what records jobs that write next to nothing; None where every one needs a transaction.
        committer: what it writes with, as does the writing thread.
        hand_over: gives a job to the writing thread.
        soon: has a function called in the loop's next round, by the loop.
        time: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        recorder: Recorder | None,
        committer: Committer,
        hand_over: Callable[[Ticket[Any]], None],
        soon: Callable[[Callable[[], None]], object],
        time: Callable[[], float],
    ) -> None:
        self._recorder = recorder
        self._committer = committer
        self._hand_over = hand_over
        self._soon = soon
        self._time = time
        self._thread = get_ident()
        self._jobs: list[Ticket[Any]] = []
        self._seen = 0
        """How many there were a round ago."""
        self._slow_until = 0.0

    @property
    def here(self) -> bool:
        """Whether the caller is the loop's thread. There nobody may wait for a job: only the loop carries it out."""
        return get_ident() == self._thread

    def submit(self, job: Ticket[Any]) -> None:
        """Take a job; its ticket tells of its commit."""
        if self._jobs:
            self._jobs.append(job)
        elif self._time() < self._slow_until:
            self._hand_over(job)
        else:
            self._jobs.append(job)
            self._soon(self._look)

    def close(self) -> None:
        """Hand over what waits: the loop has ended."""
        jobs, self._jobs = self._jobs, []
        for job in jobs:
            self._hand_over(job)
        if self._recorder is not None:
            self._recorder.close()

    def _look(self) -> None:
        """Commit, unless the last round has brought something, and the next may too."""
        if self._seen < len(self._jobs) < MOST:
            self._seen = len(self._jobs)
            self._soon(self._look)
            return
        jobs, self._jobs, self._seen = self._jobs, [], 0
        begun = self._time()
        done, left = ([], jobs) if self._recorder is None else self._recorder.carry_out(jobs)
        for job in done:
            job.answer()
        here = not left or self._committer.carry_out_now(left)
        now = self._time()
        if now - begun > QUICK and here:
            self._slow_until = now + SHARE * (now - begun)
        for job in left:
            if here:
                job.answer()
            else:
                self._hand_over(job)
