"""Laws of planning, over a model KMS that obeys the API's own state table."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kmsplan.drift.drift import find_drift
from kmsplan.kms import operation as kms
from kmsplan.kms.naming import Owner
from kmsplan.kms.operation import name_of
from kmsplan.plan.diff import differences
from kmsplan.plan.plan import Action
from kmsplan.plan.planfile import PlanFileError, dump, load
from kmsplan.plan.stale import stale
from kmsplan.report.risk import risk_of
from kmsplan.resource.address import Address, current, kind_of
from kmsplan.resource.kinds import KINDS, REFERENCES
from kmsplan.resource.step import Status
from tests.property.plan_world import HISTORIES, LINEAGE, Desired, World, configurations, live, unprotected

INSTANCES = {Address("instance.core"), Address("instance.more")}
History = list[tuple[Desired, Any]]


@settings(max_examples=30)
@given(configurations())
def test_nothing_differs_from_itself(desired: Desired) -> None:
    for address, found in desired.items():
        assert differences(KINDS[kind_of(address)], found.attributes, dict(found.attributes)) == ()


@settings(max_examples=80, deadline=None)
@given(HISTORIES, configurations())
def test_an_applied_plan_leaves_nothing_to_plan_and_nothing_drifted(history: History, desired: Desired) -> None:
    world = live(history)
    plan = world.plan(desired)
    assume(not plan.violations)
    world.apply(plan)
    again = world.plan(desired)
    assert again.effective == ()
    assert again.violations == ()
    # An instance that still holds keys waits for their deletion.
    assert {change.address for change in again.blocked} <= {change.address for change in plan.blocked} | INSTANCES
    # What is retired is compared and never put back.
    kept = {record.address for record in world.recorded.records.values() if record.status is Status.RETIRED}
    forgotten = {change.identity for change in plan.changes if change.action is Action.FORGET}
    drift = find_drift(world.recorded, world.observe(), desired)
    assert [one for one in drift if one.address not in kept and one.identity not in forgotten] == []


MOVES = {
    Address(old): Address(new)
    for old, new in {"instance.core": "instance.base", "key.a": "key.e", "key.b": "key.f"}.items()
}


def renamed(desired: Desired) -> Desired:
    """Return the same with other addresses."""
    found = {}
    for address, one in desired.items():
        place = MOVES.get(address, address)
        references = {
            name: MOVES.get(one.attributes[name], one.attributes[name]) for name in REFERENCES[kind_of(place)]
        }
        found[place] = dataclasses.replace(one, address=place, attributes={**one.attributes, **references})
    return found


@settings(max_examples=60, deadline=None)
@given(HISTORIES, configurations(), st.booleans())
def test_after_a_move_and_an_apply_every_owner_tag_names_the_address(
    history: History,
    desired: Desired,
    by_hand: bool,  # noqa: FBT001 - drawn
) -> None:
    world, wanted = live(history), renamed(desired)
    moved = {old: new for old, new in MOVES.items() if old in world.recorded.records and new in wanted}
    if by_hand:
        world.move(moved)
    plan = world.plan(wanted, moved={} if by_hand else moved)
    assume(not plan.violations)
    world.apply(plan)
    again = world.plan(wanted, moved=moved)  # the blocks stay where they are
    assert (again.effective, again.violations) == ((), ())
    held_up = {change.address for change in again.blocked}
    for address, record in world.recorded.records.items():
        found = world.model.things[record.identity]
        if found.kind != "alias" and found.state != "PendingDeletion" and address not in held_up:
            owner = Owner.parse(str(found.owner))
            assert owner is not None
            assert (owner.lineage, owner.address) == (LINEAGE, current(address))


@settings(max_examples=30, deadline=None)
@given(HISTORIES, configurations(), st.randoms())
def test_a_plan_does_not_depend_on_any_order(history: History, desired: Desired, random: Any) -> None:
    world = live(history)
    plan = world.plan(desired)
    declared, records = list(desired.items()), list(world.recorded.records.items())
    things = list(world.model.things.items())
    random.shuffle(declared)
    random.shuffle(records)
    random.shuffle(things)
    world.recorded = dataclasses.replace(world.recorded, records=dict(records))
    world.model.things = dict(things)
    again = world.plan(dict(declared))
    assert again == plan
    assert dump(again) == dump(plan)


@settings(max_examples=50, deadline=None)
@given(history=HISTORIES, desired=configurations(), numbers=st.sets(st.integers(0, 20)), destroy=st.booleans())
def test_what_cannot_be_read_is_never_made_deleted_or_forgotten(
    history: History, desired: Desired, numbers: set[int], *, destroy: bool
) -> None:
    world = live(history)
    records = sorted(world.recorded.records.values(), key=lambda record: record.address)
    silent = [record for number, record in enumerate(records) if number in numbers]
    assume(silent)
    plan = world.plan(desired, frozenset(record.identity for record in silent), destroy=destroy)
    assert [change.address for change in plan.effective if change.address in {one.address for one in silent}] == []
    assert {change.address for change in plan.blocked} >= {record.address for record in silent} or not plan.changes
    assert not plan.complete
    if not plan.violations:
        world.apply(plan)  # whatever else is planned can be carried out


@settings(max_examples=25, deadline=None)
@given(HISTORIES, configurations())
def test_a_staged_end_takes_one_step_an_apply_and_leaves_none_out(history: History, desired: Desired) -> None:
    world = live(history)
    plan = world.plan(desired)
    assume(not plan.violations)
    world.apply(plan)
    staged = {address: None for address in desired if kind_of(address) == "key"}
    rest = {address: found for address, found in desired.items() if kind_of(address) == "instance"}
    for _ in range(3):
        plan = world.plan(rest, staged=staged)
        assert plan.violations == ()
        for change in plan.effective:
            taken = [name_of(step.operation) for step in change.steps]
            if change.address in staged and change.before:
                assert len(taken) <= 1, taken
                assert taken != ["DisableKey"] or not change.before["deletion_protection"]
                assert taken != ["ScheduleKeyDeletion"] or not change.before["enabled"]
        world.apply(plan)
    pending = {address for address, one in world.recorded.records.items() if one.status is Status.PENDING_DELETION}
    assert staged.keys() <= pending
    assert [change.address for change in world.plan(rest, staged=staged).effective] == []


@settings(max_examples=30, deadline=None)
@given(configurations())
def test_deletes_run_in_the_reverse_order_of_creates(desired: Desired) -> None:
    world = World()
    creation = world.plan(unprotected(desired))
    world.apply(creation)
    deletion = world.plan({}, destroy=True)
    created = {(change.address, target) for change in creation.changes for target in change.depends_on}
    deleted = {(target, change.address) for change in deletion.changes for target in change.depends_on}
    assert {pair for pair in created if kind_of(pair[0]) == "alias"} <= deleted <= created
    world.apply(deletion)
    ready = [record.address for record in world.recorded.records.values() if record.status is Status.READY]
    assert {kind_of(address) for address in ready} <= {"instance"}


@settings(max_examples=30, deadline=None)
@given(HISTORIES, configurations())
def test_a_plan_file_gives_the_plan_back_and_still_holds(history: History, desired: Desired) -> None:
    world = live(history)
    plan = world.plan(desired)
    loaded = load(dump(plan))
    assert loaded == dataclasses.replace(plan, unchanged=())
    assert dump(loaded) == dump(plan)
    assert stale(loaded, config_digest="d", recorded=world.recorded, observed=world.observe()) == ()


@settings(max_examples=60, deadline=None)
@given(configurations(), st.integers(0, 10_000), st.integers(1, 255))
def test_one_changed_byte_is_refused(desired: Desired, place: int, bits: int) -> None:
    data = bytearray(dump(World().plan(desired)))
    data[place % len(data)] ^= bits
    with pytest.raises(PlanFileError, match="plan"):
        load(bytes(data))


TAKING = (kms.ScheduleKeyDeletion, kms.DisableKey, kms.DeleteAlias, kms.UpdateAlias, kms.ReleaseKmsInstance)


@settings(max_examples=60, deadline=None)
@given(HISTORIES, configurations(), st.sets(st.integers(0, 20), max_size=3), st.booleans())
def test_whatever_takes_something_away_carries_a_risk(
    history: History,
    desired: Desired,
    lost: set[int],
    destroy: bool,  # noqa: FBT001 - drawn
) -> None:
    """A reviewer reads the risks first: no way to an object, a lost record's neither, leads past them."""
    world = live(history)
    records = {
        address: record
        for number, (address, record) in enumerate(sorted(world.recorded.records.items()))
        if number not in lost
    }
    world.recorded = dataclasses.replace(world.recorded, records=records)
    for change in world.plan(desired, destroy=destroy).effective:
        found = world.model.things.get(str(change.identity))
        if found is None or found.state == "PendingDeletion":  # there is nothing, or nothing that works
            continue
        for operation in (step.operation for step in change.steps):
            unprotects = isinstance(operation, kms.SetDeletionProtection) and not operation.enable
            if isinstance(operation, TAKING) or unprotects:
                assert risk_of(change) is not None, (change.address, change.action, operation)
