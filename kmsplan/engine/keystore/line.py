"""Processes of one machine that wait for each other, one after another or several together.

The kernel keeps the locks, and forgets those of a process that was killed. A second lock keeps the door: who has just
been in cannot slip in again before somebody who waits, and those who are in together do not keep one out for ever who
wants to be alone.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from kmsplan.engine.error import KeystoreLockedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FLAGS: Final = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
PATIENCE: Final = 10.0
"""Seconds after which whoever is in stands still: no turn takes so long."""
_SOON: Final = 0.004
"""Seconds that most turns take at most; it is 0.3 ms where the disk is quick."""
_PAUSE: Final = 0.00005
"""Seconds between two looks at first; the kernel makes it about twice as long."""
_LATER: Final = 1 / 8
"""Of the time waited so far, the pause before the next look."""


class Line:
    """A room with a door, and this thread's place in the line before it.

    Args:
        folder: the engine's.
        name: what is waited for.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._door, self._room = (os.open(folder / f"{name}.{part}", _FLAGS, 0o600) for part in ("door", "lock"))

    @contextmanager
    def alone(self, *, wait: bool = True) -> Iterator[None]:
        """Wait until nobody else is in, and keep everybody out until the context ends.

        Args:
            wait: False to wait for as long as most turns take, and no longer.

        Raises:
            BlockingIOError: somebody else is still in.
            KeystoreLockedError: somebody else is still in, after `PATIENCE`.
        """
        try:
            self._enter(fcntl.LOCK_EX, PATIENCE if wait else _SOON)
        except BlockingIOError as error:
            if not wait:
                raise
            raise self._stuck() from error
        try:
            yield
        finally:
            fcntl.flock(self._room, fcntl.LOCK_UN)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Be in with others of the same mind; wait as `alone` does without `wait`, and raise as it does."""
        self._enter(fcntl.LOCK_SH, _SOON)
        try:
            yield
        finally:
            fcntl.flock(self._room, fcntl.LOCK_UN)

    def close(self) -> None:
        """Leave."""
        os.close(self._door)
        os.close(self._room)

    def _enter(self, kind: int, patience: float) -> None:
        begun = time.monotonic()
        _lock(self._door, kind, begun, patience)
        try:
            _lock(self._room, kind, begun, patience)
        finally:
            fcntl.flock(self._door, fcntl.LOCK_UN)

    def _stuck(self) -> KeystoreLockedError:
        return KeystoreLockedError(
            f"the keystore in {self._folder} is held by another process, which has kept its turn to write for "
            f"{PATIENCE:.0f} s. Nothing was changed. Look for a kmsplan that was stopped (fuser -v "
            f"{self._folder / self._name}.lock), let it go on or end it, and try again"
        )


def _lock(descriptor: int, kind: int, begun: float, patience: float) -> None:
    """Look again and again, for the kernel's wait knows no limit of time."""
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = time.monotonic() - begun
            if waited > patience:
                raise
            time.sleep(max(_PAUSE, waited * _LATER))
        else:
            return
