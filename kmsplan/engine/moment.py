"""Times as the API writes them: UTC, `yyyy-MM-ddTHH:mm:ssZ`, whole seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import floor


def text(moment: datetime) -> str:
    """Return a time as text."""
    return _of(floor(moment.timestamp()))


@lru_cache(maxsize=64)
def _of(seconds: int) -> str:
    """Return a time since 1970 as text. The requests of one second all have the same."""
    return datetime.fromtimestamp(seconds, UTC).isoformat("T", "seconds").removesuffix("+00:00") + "Z"


def later(start: str, seconds: int) -> str:
    """Return the time that is `seconds` after `start`."""
    return text(datetime.fromisoformat(start) + timedelta(seconds=seconds))
