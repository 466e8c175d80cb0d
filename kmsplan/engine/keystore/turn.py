"""Processes that write to one SQLite file, one after another.

SQLite itself would let them try, sleep and try again. Here they wait in the kernel, which also forgets a process that
was killed. A second lock keeps the door: who has just written cannot slip in again before somebody who waits.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FILES: Final = ("writer.door", "writer.lock")


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
    def __call__(self) -> Iterator[None]:
        """Wait for the turn, and have it until the context ends."""
        fcntl.flock(self._door, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._room, fcntl.LOCK_EX)
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
