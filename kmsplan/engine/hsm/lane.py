"""The client's ends of the lanes: lent to one call at a time."""

from __future__ import annotations

import queue
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_RETURN_SECONDS: Final = 1.0


class Lanes:
    """A pool of socket pairs, for any number of threads."""

    def __init__(self, count: int) -> None:
        self.broken = False
        """Whether a call was left in the middle: one lane is of no use any more."""
        pairs = [socket.socketpair() for _ in range(count)]
        self._ours = [ours for ours, _ in pairs]
        self.theirs = [theirs for _, theirs in pairs]
        """The worker's ends; the caller closes them once the worker has inherited them."""
        # Last in, first out: few callers use few sessions. The first lane lies on top, and the hello goes through it.
        self._free: queue.LifoQueue[socket.socket] = queue.LifoQueue()
        for ours in reversed(self._ours):
            self._free.put(ours)

    @contextmanager
    def borrow(self, seconds: float) -> Iterator[socket.socket]:
        """Lend a lane, for which to wait at most so many seconds.

        Raises:
            queue.Empty: all lanes stayed busy.
        """
        lane = self._free.get(timeout=seconds)
        try:
            yield lane
        except BaseException:
            # Also where somebody interrupts this thread: the answer that still comes is nobody else's.
            self.broken = True
            with suppress(OSError):
                lane.shutdown(socket.SHUT_RDWR)
            raise
        finally:
            self._free.put(lane)

    def close(self) -> None:
        """End all calls under way and close. A late borrower gets a closed lane and fails at once, he does not wait."""
        for lane in self._ours:
            with suppress(OSError):
                lane.shutdown(socket.SHUT_RDWR)
        # A socket may be closed only when no thread is inside it: its number could be another file's by then.
        for _ in self._ours:
            with suppress(queue.Empty):
                self._free.get(timeout=_RETURN_SECONDS)
        self.drop()

    def drop(self) -> None:
        """Close this process's copies, unnoticed by the worker: for a forked process, where no thread is inside."""
        for lane in self._ours:
            lane.close()
            self._free.put(lane)
