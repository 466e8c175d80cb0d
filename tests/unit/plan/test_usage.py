"""What a KMS tells of a key's uses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kmsplan.plan.usage import instant, later, usage
from kmsplan.resource.value import ABSENT, Present, Unreadable

DAY = datetime(2026, 5, 1, tzinfo=UTC)


def present(**computed: Any) -> Present:
    return Present(kind="key", identity="key-1", attributes={}, computed=computed)


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("2026-05-01T00:00:00Z", DAY),
        ("2026-05-01T00:00:00", DAY),
        (DAY, DAY),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_an_instant_is_read_as_the_api_writes_it(value: Any, meant: datetime | None) -> None:
    assert instant(value) == meant


def test_a_key_is_quiet_since_its_last_use_or_since_uses_are_noted() -> None:
    tracked = "2026-01-01T00:00:00Z"
    assert usage(present(last_used="2026-05-01T00:00:00Z", tracked_since=tracked)).quiet_since == DAY
    assert usage(present(tracked_since=tracked)).quiet_since == datetime(2026, 1, 1, tzinfo=UTC)
    assert usage(present(last_used="2026-05-01T00:00:00Z")).quiet_since == DAY


@pytest.mark.parametrize("found", [None, ABSENT, Unreadable("x", "no answer"), present(), present(last_used="")])
def test_what_nobody_tells_is_not_known_to_be_quiet(found: Any) -> None:
    assert usage(found).quiet_since is None


@pytest.mark.parametrize(("seconds", "meant"), [(86_400, DAY + timedelta(days=1)), (999_999_999 * 86_400, None)])
def test_an_instant_that_no_calendar_has_is_the_last_one(seconds: int, meant: datetime | None) -> None:
    assert later(DAY, seconds) == (meant or datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
