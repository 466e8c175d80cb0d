"""Processes of one machine that wait for each other, one after another or several together.

They wait in the kernel, which also forgets a process that was killed. A second lock keeps the door: who has just been
in cannot slip in again before somebody who waits, and those who are in together do not keep one out for ever who wants
to be alone.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_FLAGS: Final = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
_TRIES: Final = 40
_PAUSE: Final = 0.00005
"""Seconds; the kernel makes it about twice as long. A turn takes 0.3 ms where the disk is quick."""


class Line:
    """A room with a door, and this thread's place in the line before it.

    Args:
        folder: the engine's.
        name: what is waited for.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._door, self._room = (os.open(folder / f"{name}.{part}", _FLAGS, 0o600) for part in ("door", "lock"))

    @contextmanager
    def alone(self, *, wait: bool = True) -> Iterator[None]:
        """Wait until nobody else is in, and keep everybody out until the context ends.

        Args:
            wait: False to wait for as long as most turns take, and no longer.

        Raises:
            BlockingIOError: somebody else is still in.
        """
        self._enter(fcntl.LOCK_EX, _lock if wait else _lock_soon)
        try:
            yield
        finally:
            fcntl.flock(self._room, fcntl.LOCK_UN)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Be in with others of the same mind; wait as `alone` does without `wait`, and raise as it does."""
        self._enter(fcntl.LOCK_SH, _lock_soon)
        try:
            yield
        finally:
            fcntl.flock(self._room, fcntl.LOCK_UN)

    def close(self) -> None:
        """Leave."""
        os.close(self._door)
        os.close(self._room)

    def _enter(self, kind: int, lock: Callable[[int, int], None]) -> None:
        lock(self._door, kind)
        try:
            lock(self._room, kind)
        finally:
            fcntl.flock(self._door, fcntl.LOCK_UN)


def _lock(descriptor: int, kind: int) -> None:
    fcntl.flock(descriptor, kind)


def _lock_soon(descriptor: int, kind: int) -> None:
    """Try until most turns would have ended: the kernel's wait knows no limit of time."""
    for _ in range(_TRIES):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return
        time.sleep(_PAUSE)
    fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
