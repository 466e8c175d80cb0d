"""Entries: their JSON form and back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect, Status
from kmsplan.state.entry import (
    BeginEntry,
    EndEntry,
    Ending,
    Entry,
    RecordEntry,
    RunEntry,
    UnknownEntryError,
    decode,
)
from kmsplan.state.record import Deletions

STAMP: dict[str, Any] = {"sequence": 7, "run": "ab", "fence": 3, "time": datetime(2026, 1, 1, tzinfo=UTC)}
ENTRIES: list[Entry] = [
    RunEntry(**STAMP, lineage="l", serial=4, environment="fake/1", plan="d", command="kmsplan apply"),
    RunEntry(
        **STAMP,
        lineage="l",
        serial=4,
        environment="fake/1",
        plan="d",
        command="kmsplan apply",
        deletions=Deletions("p", (Address("instance.a"), Address("key.a"))),
    ),
    BeginEntry(
        **STAMP,
        address=Address("key.a"),
        operation="ScheduleKeyDeletion",
        parameters={"KeyId": "key-1", "PendingWindowInDays": 7},
        token=None,
        identity="key-1",
        effect=Effect(attributes={"enabled": True}, status=Status.PENDING_DELETION, retires=Address("key.a~1")),
    ),
    EndEntry(**STAMP, begin=6, ending=Ending.FAILED, identity=None, code="Throttling", message="slow down"),
    RecordEntry(
        **STAMP, address=Address("key.b"), effect=Effect(removes=True), identity="key-2", moved_from=Address("key.a")
    ),
]


def test_a_run_of_an_earlier_version_names_no_deletions() -> None:
    values = orjson.loads(orjson.dumps(ENTRIES[0]))
    del values["deletions"]
    assert decode(values) == ENTRIES[0]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.event)
def test_an_entry_is_read_back_as_it_was_written(entry: Entry) -> None:
    assert decode(orjson.loads(orjson.dumps(entry))) == entry


def test_an_unknown_event_is_told_from_a_damaged_one() -> None:
    with pytest.raises(UnknownEntryError, match="event 'merge'"):
        decode({"event": "merge", "sequence": 1})


def test_an_unknown_operation_is_told_from_a_damaged_entry() -> None:
    values = orjson.loads(orjson.dumps(ENTRIES[2])) | {"operation": "RotateUniverse"}
    with pytest.raises(UnknownEntryError, match="RotateUniverse"):
        decode(values)


@pytest.mark.parametrize("missing", ["sequence", "effect", "address", "time"])
def test_an_entry_without_a_field_is_refused(missing: str) -> None:
    values = orjson.loads(orjson.dumps(ENTRIES[2]))
    del values[missing]
    with pytest.raises((KeyError, TypeError)):
        decode(values)
