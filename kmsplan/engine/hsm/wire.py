"""One end of a lane, without falling asleep and without giving way to other threads, where that costs more.

To wake a thread on an idle processor takes longer than a fast token takes for a call. So who waits looks out for a
moment first. Where somebody else has the processor, that is in vain, and the more often it was, the less often it is
tried.

Python lets go of its lock (the GIL) for each system call, and where other threads wait for that, one of them is woken
for it, which costs as much again. The calls that are made here never wait, so the lock can be held meanwhile.
"""

from __future__ import annotations

import ctypes
import socket
from time import perf_counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS: Final = 0.0002
"""For a call to a fast token by a worker that has to be woken, or for a caller who has, to come again."""
_MOST: Final = 10
"""As an exponent of two: it is tried once in 1,024 times at least."""
_MAKES_UP: Final = 64
"""So many successes in a row make up for a failure, which costs a multiple of what one of them saves."""
_ROOM: Final = 65536
_NEVER_WAIT: Final = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL

_holding: Final = ctypes.PyDLL(None)
_letting_go: Final = ctypes.CDLL(None)
for _library in (_holding, _letting_go):
    _library.recv.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    _library.recv.restype = ctypes.c_ssize_t
_send: Final = _holding.send
_send.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int)
_send.restype = ctypes.c_ssize_t


class Wire:
    """A socket for one thread at a time.

    Args:
        lane: blocking, or with the kernel's own timeouts.
        alone: whether nobody is in this process whom it would hinder to look out.
        seconds: how long to look out.
        polite: whether to let go of Python's lock while looking out.
    """

    __slots__ = ("_alone", "_at", "_lane", "_receive", "_rest", "_room", "_seconds", "_streak", "_vain", "seen")

    def __init__(
        self, lane: socket.socket, alone: Callable[[], bool], seconds: float = _SECONDS, *, polite: bool = False
    ) -> None:
        self.seen = 0
        """How often something came while somebody looked out for it."""
        self._lane = lane
        self._receive: Callable[[int, int, int, int], int] = (_letting_go if polite else _holding).recv
        self._alone = alone
        self._seconds = seconds
        self._vain = 0
        self._rest = 0
        self._streak = 0
        room = ctypes.create_string_buffer(_ROOM)
        self._at = ctypes.addressof(room)
        self._room = memoryview(room).cast("B")

    def sendall(self, content: bytes) -> None:
        """Send all of it.

        Raises:
            OSError: as `socket.sendall`.
        """
        sent = _send(self._lane.fileno(), content, len(content), _NEVER_WAIT)
        if sent != len(content):
            self._lane.sendall(content[max(sent, 0) :])

    def recv(self, limit: int) -> bytes:
        """Return what has come, or what comes next; nothing where the peer has closed.

        Raises:
            OSError: as `socket.recv`.
        """
        if not self._alone():
            return self._lane.recv(limit)
        if self._rest:
            self._rest -= 1
            return self._lane.recv(limit)
        content = self._look(min(limit, _ROOM))
        return self._lane.recv(limit) if content is None else content

    def _look(self, limit: int) -> bytes | None:
        until = perf_counter() + self._seconds
        content = self._take(limit)
        if content is not None:
            return content
        while perf_counter() < until and self._alone():
            content = self._take(limit)
            if content is not None:
                self.seen += 1
                self._succeeded()
                return content
        self._streak = 0
        self._vain = min(self._vain + 1, _MOST)
        self._rest = (1 << self._vain) - 1
        return None

    def _succeeded(self) -> None:
        self._streak += 1
        if self._streak == _MAKES_UP:
            self._streak = 0
            self._vain = max(self._vain - 1, 0)

    def _take(self, limit: int) -> bytes | None:
        """Return what is there; None for nothing yet, and for what `socket.recv` raises."""
        taken = self._receive(self._lane.fileno(), self._at, limit, _NEVER_WAIT)
        return self._room[:taken].tobytes() if taken >= 0 else None
