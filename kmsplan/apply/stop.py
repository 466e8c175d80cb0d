"""The wish to stop: set once by a signal, looked at before everything that begins."""

from __future__ import annotations

import time
from typing import Final

_SLICE: Final = 0.05
"""Seconds between two looks while waiting."""


class StopSignal:
    """Start nothing new, finish what is in flight.

    A plain attribute and no lock: a signal handler may set it wherever the main thread happens to be.
    """

    def __init__(self) -> None:
        self._set = False

    def set(self) -> None:
        """Ask to stop."""
        self._set = True

    @property
    def is_set(self) -> bool:
        """Whether somebody asked."""
        return self._set

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than until the wish to stop."""
        end = time.monotonic() + seconds
        while not self._set and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _SLICE))
