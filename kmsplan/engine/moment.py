"""Times as the API writes them: UTC, `yyyy-MM-ddTHH:mm:ssZ`, whole seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def text(moment: datetime) -> str:
    """Return a time as text."""
    return moment.astimezone(UTC).isoformat("T", "seconds").removesuffix("+00:00") + "Z"


def later(start: str, seconds: int) -> str:
    """Return the time that is `seconds` after `start`."""
    return text(datetime.fromisoformat(start) + timedelta(seconds=seconds))
