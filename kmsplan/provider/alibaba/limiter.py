"""Requests a second, as the API publishes them for an account and a region ("Performance data")."""

from __future__ import annotations

import threading
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RATES: Final[Mapping[str, int]] = MappingProxyType(
    {"CreateKey": 10, "write": 30, "read": 50, "ListResourceTags": 300, "instance write": 10, "instance read": 50}
)
"""By pool: requests a second. Everything that reads keys, aliases and tags shares one pool."""

_OWN: Final = frozenset({"CreateKey", "ListResourceTags"})
_READS: Final = ("Describe", "Get", "List")


def only_reads(action: str) -> bool:
    """Return whether an action changes nothing, by its name."""
    return action.startswith(_READS)


def pool(action: str) -> str:
    """Return the pool that an action draws from."""
    if action in _OWN:
        return action
    kind = "read" if only_reads(action) else "write"
    return f"instance {kind}" if "KmsInstance" in action else kind


class Limiter:
    """Lets calls of each pool begin evenly spaced. Safe to call from several threads."""

    def __init__(
        self, clock: Callable[[], float], sleep: Callable[[float], object], rates: Mapping[str, int] = RATES
    ) -> None:
        """Prepare.

        Args:
            clock: seconds of a monotonic clock.
            sleep: waits so many seconds.
            rates: requests a second by pool; a pool that is not there has no limit.
        """
        self._clock = clock
        self._sleep = sleep
        self._spacing = {name: 1 / rate for name, rate in rates.items()}
        self._next: dict[str, float] = {}
        self._lock = threading.Lock()

    def wait(self, action: str) -> None:
        """Return when a call of this action may begin."""
        name = pool(action)
        spacing = self._spacing.get(name)
        if spacing is None:
            return
        with self._lock:
            now = self._clock()
            begin = max(now, self._next.get(name, now))
            self._next[name] = begin + spacing
        if begin > now:
            self._sleep(begin - now)
