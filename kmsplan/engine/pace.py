"""Whether the machine's clock leaps ahead, as a wrong time server makes it.

By such a clock a deletion of next month is due, and what is deleted is gone for ever. So a server compares it with one
that counts what passes and cannot be set. A clock that is found ahead is not followed for a day, in which it can be set
right; then it is taken for the right one, as it is after a virtual machine has stood still.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

LEAP: Final = 3600.0
"""Seconds at once that are no correction any more."""
WAIT: Final = 86400.0
"""Seconds for which a clock that leapt is not followed."""


def _passed() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Pace:
    """How a clock goes; made when a server starts, and looked at by one thread.

    Args:
        clock: the one that may be wrong, in seconds.
        passed: the one that counts, also while the machine sleeps.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time, passed: Callable[[], float] = _passed) -> None:
        self._clock = clock
        self._passed = passed
        self._difference = clock() - passed()
        self._since: float | None = None

    def leap(self) -> float:
        """Return by how many seconds it has leapt ahead, if it is not to be followed now; 0 where it is."""
        passed = self._passed()
        difference = self._clock() - passed
        leap = difference - self._difference
        if leap > LEAP:
            self._since = passed if self._since is None else self._since
            if passed - self._since < WAIT:
                return leap
        if leap > LEAP or leap < 0:  # from where it was set back to, it may leap as well
            self._difference = difference
        self._since = None
        return 0.0
