"""The KMS is told which serial a state has come to, and says so to whoever comes with an older one."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kmsplan.apply.witness import home_of
from kmsplan.kms.error import KmsError
from kmsplan.resource.address import Address
from kmsplan.resource.step import Status
from kmsplan.state.record import NO_STATE, Record, Recorded
from tests.fake import plans

if TYPE_CHECKING:
    import pytest

    from kmsplan.apply.run import Applied
    from kmsplan.plan.plan import Plan
    from kmsplan.provider.protocol import Provider
    from kmsplan.resource.value import Observed

Bench = Any

FIRST = plans.desired(instance__core=plans.core(), key__a=plans.key())
SECOND = plans.desired(instance__core=plans.core(), key__a=plans.key(description="new"))


def state(*records: Record) -> Recorded:
    return Recorded(lineage="l", serial=1, environment="", records={each.address: each for each in records})


def record(name: str, identity: str, status: Status = Status.READY, **attributes: Any) -> Record:
    return Record(address=Address(name), identity=identity, attributes=attributes, status=status)


def test_every_apply_that_changes_something_tells_it(bench: Bench) -> None:
    applied = bench.apply(FIRST)
    lineage = applied.recorded.lineage
    assert {name: seen.serial for name, seen in bench.kms.states.items()} == {lineage: 1}
    assert bench.kms.homes == [applied.recorded.records[Address("instance.core")].identity]
    bench.apply(FIRST)
    assert len(bench.kms.homes) == 1, "nothing was to be done, and the KMS knows the serial"
    bench.apply(SECOND)
    assert bench.kms.states[lineage].serial == 2


def test_an_older_state_that_was_accepted_goes_on_behind_the_newest(bench: Bench) -> None:
    bench.apply(FIRST)
    old = bench.store.path.with_name("old")
    shutil.copytree(bench.store.path, old)
    bench.apply(SECOND)
    shutil.rmtree(bench.store.path)
    shutil.copytree(old, bench.store.path)

    def accept(_: Provider, recorded: Recorded, observed: Observed) -> Plan:
        return plans.plan_for(SECOND, recorded, replace(observed, states={}))

    applied: Applied = bench.apply(SECOND, accept)
    assert applied.recorded.serial == bench.store.load().serial == 3
    assert bench.kms.states[applied.recorded.lineage].serial == 3


def test_a_kms_that_cannot_be_told_is_reported_and_everything_else_stands(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise KmsError("Rejected.Unavailable", "no")

    monkeypatch.setattr(bench.kms, "witness", refuse)
    applied = bench.apply(FIRST)
    assert applied.unwitnessed is not None
    assert applied.unwitnessed.code == "Rejected.Unavailable"
    assert applied.outcome.error is None
    assert bench.store.load().serial == 1


def test_a_kms_that_a_killed_run_could_not_tell_is_told_by_the_next_one(bench: Bench) -> None:
    """Killed between the snapshot and the telling: nothing is left to do, and an older state would go unnoticed."""
    lineage = bench.apply(FIRST).recorded.lineage
    known = bench.kms.states[lineage]
    bench.apply(SECOND)
    for missed in ({lineage: known}, {}):
        bench.kms.states = missed
        assert bench.apply(SECOND).plan.empty
        assert bench.kms.states[lineage].serial == bench.store.load().serial == 2


def test_its_home_is_an_instance_before_a_key_and_always_the_same_one() -> None:
    records = (record("key.a", "key-1"), record("instance.b", "kst-2"), record("instance.a", "kst-1"))
    assert home_of(state(*records)) == home_of(state(*reversed(records))) == "kst-1"
    assert home_of(state(records[0])) == "key-1"


def test_what_goes_or_has_no_room_for_a_tag_is_no_home() -> None:
    full = {f"t{number}": "" for number in range(19)}
    assert home_of(state(record("instance.a", "kst-1", tags=full), record("key.b", "key-2"))) == "key-2"
    assert home_of(state(record("key.a", "key-1", Status.PENDING_DELETION))) is None
    assert home_of(state(record("alias.a", "alias/a"))) is None
    assert home_of(NO_STATE) is None
