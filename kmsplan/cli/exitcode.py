"""Exit codes: stable, documented, the only numbers a pipeline needs to know."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command answers to its caller."""

    DONE = 0
    ERROR = 1
    CHANGES = 2
    FORMAT = 3
    REFUSED = 4
    APPROVAL_MISSING = 5
    LOCK_HELD = 6
    STALE = 7
    PARTLY_APPLIED = 8
    CANCELLED = 9
    IN_DOUBT = 10
