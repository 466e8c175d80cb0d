"""Whether another process has the engine open for writing.

What a process is making in an HSM looks, to others, like what a dead process left behind. Each writer holds a shared
lock; who gets it alone knows that everybody else is gone. The lock is the kernel's, so that it goes with its process.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE: Final = "engine.lock"


class Presence:
    """This process's mark that it is there.

    Args:
        folder: the engine's.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder / FILE, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)
        # The kernel tells processes apart, not the threads of one.
        self._thread = Lock()

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Say whether no other process is there; if so, those that come wait until the context ends."""
        with self._thread:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                alone = True
            except BlockingIOError:
                alone = False
            try:
                yield alone
            finally:
                # Also after a failure: a conversion that fails may lose the lock (flock(2)).
                fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def close(self) -> None:
        """Take the mark away."""
        os.close(self._descriptor)
