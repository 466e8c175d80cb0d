"""Group commit: many threads wait until their entry is durable, one of them at a time flushes for all.

Who comes while nobody is flushing leads: it flushes everything there is. Whoever comes meanwhile waits on a lock of
its own, and is either released as covered or called on to lead the next flush, so that a woken thread never waits
again.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class _Waiter:
    """A thread that waits for its entry, or for its turn to lead."""

    __slots__ = ("leads", "sequence", "woken")

    def __init__(self, sequence: int) -> None:
        self.sequence = sequence
        self.leads = False
        self.woken = threading.Lock()
        self.woken.acquire()


class Group:
    """Makes entries durable in groups.

    `flush` makes everything durable that there is when it is called, and returns the last sequence number of it. It
    runs in one thread at a time, and may raise: then it is called again by whoever waits next, and has to raise again.
    """

    def __init__(self, flush: Callable[[], int], durable: int) -> None:
        self._flush = flush
        self._durable = durable
        self._guard = threading.Lock()
        self._leading = False
        self._waiting: list[_Waiter] = []

    def wait(self, sequence: int) -> None:
        """Return when the entry is durable.

        Raises:
            Exception: what `flush` raised.
        """
        waiter = self._join(sequence)
        if waiter is None:
            return
        if not waiter.leads:
            waiter.woken.acquire()
        if waiter.leads:
            try:
                self._durable = self._flush()
            finally:
                self._hand_over()

    def _join(self, sequence: int) -> _Waiter | None:
        """Return a place among those who wait, or at the lead; None where there is nothing to wait for."""
        with self._guard:
            if self._durable >= sequence:
                return None
            waiter = _Waiter(sequence)
            if self._leading:
                self._waiting.append(waiter)
            else:
                self._leading = waiter.leads = True
            return waiter

    def _hand_over(self) -> None:
        """Release who is covered, and call on the first of the others to lead."""
        with self._guard:
            durable = self._durable
            covered = [waiter for waiter in self._waiting if waiter.sequence <= durable]
            rest = [waiter for waiter in self._waiting if waiter.sequence > durable]
            self._leading = bool(rest)
            self._waiting = rest[1:]
        if rest:
            rest[0].leads = True
            rest[0].woken.release()
        for waiter in covered:
            waiter.woken.release()
