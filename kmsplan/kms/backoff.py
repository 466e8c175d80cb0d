"""How long to wait before another attempt: exponential with full jitter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

TRIES: Final = 6
FIRST_DELAY: Final = 0.5
LONGEST_DELAY: Final = 20.0


def delay(attempt: int, entropy: Callable[[int], bytes]) -> float:
    """Return the seconds to wait after the `attempt`-th failure, counted from 0.

    Full jitter (a random part of the whole) spreads those who failed together best.
    """
    longest = min(LONGEST_DELAY, FIRST_DELAY * 2.0**attempt)
    return longest * int.from_bytes(entropy(4), "big") / 2**32
