"""File descriptors: as many as there may be connections, and some that no client can take away from the engine.

A connection takes one before anybody knows whose it is. Without any left the engine could not open what it writes to,
so that idle connections of strangers would be errors in the answers of everybody else.
"""

from __future__ import annotations

import resource
import sys
from typing import Final

RESERVE: Final = 256
"""For databases, spools, tokens and key managers: at most 64 threads use some at the same time."""
_PART: Final = 4
"""Where the limit is lower than it should be, the reserve is that part of it at most."""


def provide(connections: int) -> None:
    """Raise this process's limit as far as it needs and may: shells and service managers begin with a low one.

    Args:
        connections: how many there may be.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + RESERVE
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if resource.RLIM_INFINITY != soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def reserved_from() -> int:
    """Return the first descriptor that is no connection's; the system always gives the lowest that is free."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft - min(RESERVE, soft // _PART)
