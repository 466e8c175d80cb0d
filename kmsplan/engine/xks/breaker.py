"""A circuit breaker: who does not answer is left alone for a while, and callers are answered at once meanwhile."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

FAILURES: Final = 5
"""So many calls in a row that were not answered open the circuit."""
PAUSE: Final = 5.0
"""Seconds that it stays open; then one call tries again, and closes it or keeps it open as long once more."""


class Breaker:
    """The state of one circuit; threads share it.

    Args:
        monotonic: seconds on a clock that never jumps.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._failures = 0
        self._retry_at = 0.0

    def wait(self) -> float:
        """Return 0 where a call may be made now, else the seconds until one may.

        Of several callers that ask when the pause is over, the first is told to try, the others go on waiting.
        """
        with self._lock:
            if self._failures < FAILURES:
                return 0.0
            now = self._monotonic()
            if now < self._retry_at:
                return self._retry_at - now
            self._retry_at = now + PAUSE
            return 0.0

    def answered(self) -> None:
        """Note that a call was answered, whatever the answer."""
        if self._failures:
            with self._lock:
                self._failures = 0

    def failed(self) -> None:
        """Note that a call was not answered in time, or not by anything that makes sense."""
        with self._lock:
            self._failures += 1
            self._retry_at = self._monotonic() + PAUSE
