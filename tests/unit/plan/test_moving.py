"""Moving records: with their predecessors, with what points at them, and never over another record."""

from __future__ import annotations

from typing import Any

import pytest

from kmsplan.plan.moving import RecordChange, move_problem, moved_records, taken, with_dependents
from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect, Status
from kmsplan.state.record import Record

CORE, OLD, NEW = Address("instance.core"), Address("key.old"), Address("key.new")


def record(address: str, identity: str, status: Status = Status.READY, **attributes: Any) -> Record:
    return Record(address=Address(address), identity=identity, attributes=attributes, status=status)


RECORDS = {
    one.address: one
    for one in (
        record("instance.core", "kst-1"),
        record("key.old", "key-2", instance="instance.core"),
        record("key.old~1", "key-1", Status.RETIRED, instance="instance.core"),
        record("key.older", "key-3", instance="instance.core"),
        record("alias.a", "alias/a", key="key.old"),
        record("alias.b", "alias/b", key="key.older"),
    )
}


def test_a_record_moves_with_its_predecessors_and_what_points_at_it_follows() -> None:
    assert moved_records(RECORDS, OLD, NEW) == (
        RecordChange(NEW, Effect(), OLD),
        RecordChange(Address("key.new~1"), Effect(), Address("key.old~1")),
        RecordChange(Address("alias.a"), Effect(attributes={"key": "key.new"})),
    )


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("key.old", "key.new", None),
        ("key.old", "instance.core", "key and instance are different kinds"),
        ("alias.a", "alias.c", "no KMS renames an alias"),
        ("key.old", "key.new~1", "addresses with ~ are for replaced keys"),
        ("key.older", "key.new", "key.older is still declared"),
    ],
)
def test_what_cannot_move_is_told(old: str, new: str, problem: str | None) -> None:
    found = move_problem(Address(old), Address(new), {Address("key.older")})
    assert (found is None) if problem is None else problem in str(found)


def test_a_record_is_never_moved_onto_another_one() -> None:
    assert taken([NEW], RECORDS) is None
    assert taken([NEW, Address("key.older")], RECORDS) == "key.older is recorded already, as key-3"


def test_what_points_at_a_moved_record_goes_along() -> None:
    assert with_dependents([OLD], RECORDS) == ("alias.a", "key.old", "key.old~1")
    assert with_dependents([CORE], RECORDS) == tuple(sorted(RECORDS))
    assert with_dependents([Address("alias.b")], RECORDS) == ("alias.b",)
