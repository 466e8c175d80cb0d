"""When a key was last used, as its KMS tells it. What nobody can tell counts as used."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from kmsplan.resource.value import Present

if TYPE_CHECKING:
    from kmsplan.resource.value import Observation


class Usage(NamedTuple):
    """What a KMS says of a key's uses."""

    last: datetime | None
    """None where it was not used, or nobody knows."""
    tracked: datetime | None
    """Since when uses are noted; None where they are not."""

    @property
    def quiet_since(self) -> datetime | None:
        """Since when it is known that the key was not used; None where nobody knows."""
        return self.last or self.tracked


def usage(found: Observation | None) -> Usage:
    """Return what is known of a key's uses."""
    computed = found.computed if isinstance(found, Present) else {}
    return Usage(instant(computed.get("last_used")), instant(computed.get("tracked_since")))


def instant(value: Any) -> datetime | None:
    """Read an instant as the API writes it; None where it says nothing."""
    if isinstance(value, str) and value:
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def later(since: datetime, seconds: int) -> datetime:
    """Return an aware instant so many seconds later; the last day that has a date where that lies behind it."""
    try:
        return since + timedelta(seconds=seconds)
    except OverflowError:
        return datetime.max.replace(microsecond=0, tzinfo=UTC)
