from __future__ import annotations

import pytest

from kmsplan.drift.memory import MemoryDamagedError, dump, first_seen, parse, remember
from kmsplan.plan.plan import Drift, DriftedAttribute

MONDAY, TUESDAY = "2026-06-01T03:00:00Z", "2026-06-02T03:00:00Z"


def drift(*names: str, address: str = "key.a") -> Drift:
    drifted = tuple(DriftedAttribute(name=name, recorded=0, observed=1) for name in names)
    return Drift(address=address, identity="key-1", kind="changed" if names else "vanished", attributes=drifted)


def test_what_was_seen_on_monday_is_known_on_tuesday() -> None:
    memory = remember({}, "L", [drift("tags")], MONDAY)
    memory = remember(parse(dump(memory)), "L", [drift("tags"), drift(address="key.b")], TUESDAY)
    assert first_seen(memory, "L", drift("tags")) == MONDAY
    assert first_seen(memory, "L", drift(address="key.b")) == TUESDAY


def test_a_second_attribute_does_not_make_the_first_one_new() -> None:
    memory = remember({}, "L", [drift("tags")], MONDAY)
    memory = remember(memory, "L", [drift("tags", "enabled")], TUESDAY)
    assert first_seen(memory, "L", drift("tags", "enabled")) == MONDAY
    assert first_seen(memory, "L", drift("enabled")) == TUESDAY


def test_what_is_gone_is_forgotten_and_new_when_it_comes_back() -> None:
    memory = remember(remember({}, "L", [drift("tags")], MONDAY), "L", [], TUESDAY)
    assert memory == {"L": {}}
    assert first_seen(remember(memory, "L", [drift("tags")], TUESDAY), "L", drift("tags")) == TUESDAY


def test_another_states_drift_stays_remembered() -> None:
    memory = remember(remember({}, "A", [drift("tags")], MONDAY), "B", [], TUESDAY)
    assert first_seen(memory, "A", drift("tags")) == MONDAY


def test_nothing_is_known_of_drift_that_was_not_remembered() -> None:
    assert first_seen({}, "L", drift("tags")) is None


def test_equal_memories_are_equal_files() -> None:
    one = remember({}, "L", [drift("tags"), drift(address="key.b")], MONDAY)
    two = remember({}, "L", [drift(address="key.b"), drift("tags")], MONDAY)
    assert dump(one) == dump(two)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"first_seen": {',
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"format_version": "9.0", "first_seen": {}}',
        b'{"format_version": "1.0", "first_seen": []}',
        b'{"format_version": "1.0", "first_seen": {"L": 1}}',
        b'{"format_version": "1.0", "first_seen": {"L": {"a": 1}}}',
        b'{"format_version": "1.0", "first_seen": {"L": {"a": "yesterday"}}}',
        b'{"format_version": "1.0", "first_seen": {"L": {"a": "2026-01-01"}}}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_memory_says_so(content: bytes) -> None:
    with pytest.raises(MemoryDamagedError):
        parse(content)
