"""Processes that write to one SQLite file, one after another.

SQLite itself would let them try, sleep and try again. Here they wait in the kernel, which also forgets a process that
was killed. A second lock keeps the door: who has just written cannot slip in again before somebody who waits.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FILES: Final = ("writer.door", "writer.lock")
_TRIES: Final = 40
_PAUSE: Final = 0.00005
"""Seconds; the kernel makes it about twice as long. A turn takes 0.3 ms where the disk is quick."""


class Turn:
    """This process's place among those that write.

    Args:
        folder: the engine's.
    """

    def __init__(self, folder: Path) -> None:
        self._door, self._room = (
            os.open(folder / name, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600) for name in _FILES
        )

    @contextmanager
    def __call__(self, *, wait: bool = True) -> Iterator[None]:
        """Wait for the turn, and have it until the context ends.

        Args:
            wait: False to wait for as long as most turns take, and no longer.

        Raises:
            BlockingIOError: somebody else still has it.
        """
        lock = _lock if wait else _lock_soon
        lock(self._door)
        try:
            lock(self._room)
        finally:
            fcntl.flock(self._door, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._room, fcntl.LOCK_UN)

    def close(self) -> None:
        """Leave."""
        os.close(self._door)
        os.close(self._room)


def _lock(descriptor: int) -> None:
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def _lock_soon(descriptor: int) -> None:
    """Try until most turns would have ended: the kernel's wait knows no limit of time."""
    for _ in range(_TRIES):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(_PAUSE)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
