"""What differs between two serials."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kmsplan.resource.address import Address
from kmsplan.resource.step import Status
from kmsplan.state.difference import Difference, Kind, compare
from kmsplan.state.record import Record, Recorded

A, B, C = Address("key.a"), Address("key.b"), Address("key.c")


def record(address: Address, identity: str, **attributes: Any) -> Record:
    return Record(address=address, identity=identity, attributes=attributes)


def state(*records: Record) -> Recorded:
    return Recorded(lineage="l", serial=1, environment="", records={each.address: each for each in records})


def kinds(before: Recorded, after: Recorded) -> dict[str, str]:
    return {one.address: one.kind.value for one in compare(before, after)}


def test_equal_states_do_not_differ() -> None:
    assert compare(state(record(A, "key-1", x=1)), state(record(A, "key-1", x=1))) == ()


def test_records_are_added_removed_and_changed() -> None:
    before = state(record(A, "key-1", x=1), record(B, "key-2"))
    after = state(record(A, "key-1", x=2), record(C, "key-3"))
    assert kinds(before, after) == {"key.a": "changed", "key.b": "removed", "key.c": "added"}


def test_the_attributes_that_differ_are_named() -> None:
    before, after = record(A, "key-1", same=1, x=1, gone=None), record(A, "key-1", same=1, x=2, new=None)
    (found,) = compare(state(before), state(after))
    assert found.names == ("gone", "new", "x")


def test_another_status_alone_is_a_change() -> None:
    before = record(A, "key-1")
    after = replace(before, status=Status.PENDING_DELETION)
    assert compare(state(before), state(after)) == (
        Difference(address=A, kind=Kind.CHANGED, before=before, after=after),
    )


def test_an_object_at_another_address_has_moved() -> None:
    before, after = record(A, "key-1", x=1), record(B, "key-1", x=1)
    assert compare(state(before), state(after)) == (Difference(address=B, kind=Kind.MOVED, before=before, after=after),)


def test_a_successor_and_its_predecessor_are_told_apart() -> None:
    retired = Address("key.a~1")
    before = state(record(A, "key-1"))
    after = state(record(A, "key-2"), record(retired, "key-1"))
    assert kinds(before, after) == {"key.a": "changed", "key.a~1": "moved"}


def test_two_that_change_places_have_both_moved() -> None:
    before = state(record(A, "key-1"), record(B, "key-2"))
    after = state(record(A, "key-2"), record(B, "key-1"))
    assert kinds(before, after) == {"key.a": "moved", "key.b": "moved"}
