"""The client's end of a lane, without falling asleep and without giving way to other threads, where that costs more.

To wake a thread on an idle processor takes longer than a fast token takes for a call. So who waits looks out for a
moment first. Where somebody else has the processor, that is in vain, and the more often it was, the less often it is
tried.

Python lets go of its lock (the GIL) to send, and where other threads wait for that, one of them is woken for it, which
costs as much again. So where there are others, that is done with the lock held, by a call that never waits.
"""

from __future__ import annotations

import ctypes
import select
import socket
from time import perf_counter
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS: Final = 0.0002
"""For a call to a fast token by a worker that has to be woken, or for a caller who has, to come again."""
_MOST: Final = 10
"""As an exponent of two: it is tried once in 1,024 times at least."""
_MAKES_UP: Final = 64
"""So many successes in a row make up for a failure, which costs a multiple of what one of them saves."""
_NEVER_WAIT: Final = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL

_send: Final = ctypes.PyDLL(None).send
_send.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int)
_send.restype = ctypes.c_ssize_t

_Thing = TypeVar("_Thing")


class Lookout:
    """Stays awake for something to come, where experience says that it will.

    Args:
        seconds: how long to look out.
        most: how seldom at the least: once in this power of two times.
    """

    __slots__ = ("_most", "_rest", "_seconds", "_streak", "_vain")

    def __init__(self, seconds: float = _SECONDS, most: int = _MOST) -> None:
        self._seconds = seconds
        self._most = most
        self._vain = 0
        self._rest = 0
        self._streak = 0

    def watch(self, take: Callable[[], _Thing], alone: Callable[[], bool]) -> _Thing | None:
        """Return what comes, or None where it is better to fall asleep.

        Args:
            take: gives it, or something empty as long as it has not come.
            alone: whether nobody is in this process whom it would hinder to look out.
        """
        if self._rest:
            self._rest -= 1
            return None
        until = perf_counter() + self._seconds
        while alone() and perf_counter() < until:
            come = take()
            if come:
                self._succeeded()
                return come
        self._streak = 0
        self._vain = min(self._vain + 1, self._most)
        self._rest = (1 << self._vain) - 1
        return None

    def _succeeded(self) -> None:
        self._streak += 1
        if self._streak == _MAKES_UP:
            self._streak = 0
            self._vain = max(self._vain - 1, 0)


class Wire:
    """A socket for one thread at a time.

    Args:
        lane: blocking, or with the kernel's own timeouts.
        alone: whether nobody is in this process whom it would hinder to look out.
        seconds: how long to look out.
    """

    __slots__ = ("_alone", "_lane", "_lookout", "_poll")

    def __init__(self, lane: socket.socket, alone: Callable[[], bool], seconds: float = _SECONDS) -> None:
        self._lookout = Lookout(seconds)
        self._lane = lane
        self._alone = alone
        self._poll = select.poll()
        self._poll.register(lane, select.POLLIN)

    def sendall(self, content: bytes) -> None:
        """Send all of it.

        Raises:
            OSError: as `socket.sendall`.
        """
        if self._alone():
            self._lane.sendall(content)
            return
        sent = _send(self._lane.fileno(), content, len(content), _NEVER_WAIT)
        if sent != len(content):
            self._lane.sendall(content[max(sent, 0) :])

    def recv(self, limit: int) -> bytes:
        """Return what has come, or what comes next; nothing where the peer has closed.

        Raises:
            OSError: as `socket.recv`.
        """
        if self._alone():
            self._lookout.watch(self._come, self._alone)
        return self._lane.recv(limit)

    def _come(self) -> object:
        """Return something true if something is there, the end or an error included."""
        return self._poll.poll(0)
