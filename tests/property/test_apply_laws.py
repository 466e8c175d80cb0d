"""Laws of applying: it converges, whatever fails and wherever it dies, with exactly one object per address."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kmsplan.apply.outcome import exit_code
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import ScheduleKeyDeletion
from kmsplan.state.local import LocalStore
from tests.fake import plans
from tests.fake.kms import Fault
from tests.property.apply_world import RSA, Desired, Died, World, desired, dying, fault_of, faults, settled_down

if TYPE_CHECKING:
    import pytest

    from kmsplan.kms.operation import Operation


@settings(max_examples=60, deadline=None)
@given(st.lists(desired(), min_size=1, max_size=3), st.sampled_from([1, 4]))
def test_applying_brings_about_what_is_desired(steps: list[Desired], parallelism: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), parallelism=parallelism)
        for objects in steps:
            assert exit_code(world.apply(objects).outcome) == 0
            world.check(objects)


@settings(max_examples=80, deadline=None)
@given(desired(), desired(), st.lists(faults, max_size=12), st.sampled_from([1, 4]))
def test_after_any_faults_a_later_apply_converges_with_every_object_once(
    before: Desired, after: Desired, kinds: list[tuple[str | None, bool] | None], parallelism: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), parallelism=parallelism)
        world.apply(before)
        left = iter(kinds)
        world.kms.fault = lambda _: fault_of(next(left, None))
        outcome = world.apply(after).outcome
        doubts = {pending.address for pending in LocalStore(world.folder / "state").load().pending}
        assert doubts == {result.address for result in outcome.in_doubt}
        world.kms.fault = lambda _: None
        settled_down(world, after)


def seen(world: World) -> dict[str, Any]:
    """Return every object as it is at the KMS."""
    return {identity: (found.state, dict(found.attributes)) for identity, found in world.kms.objects.items()}


@settings(max_examples=50, deadline=None)
@given(desired(), desired(), st.integers(0, 30), st.sampled_from([1, 4]))
def test_a_run_that_fails_anywhere_and_is_reverted_leaves_what_was_there_as_it_was(
    before: Desired, after: Desired, point: int, parallelism: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), parallelism=parallelism)
        world.apply(before)
        found, numbers = seen(world), itertools.count()
        refused = KmsError("Forbidden.NoPermission")
        world.kms.fault = lambda _: Fault(refused) if next(numbers) == point else None
        outcome = world.apply(after, revert=True).outcome
        world.kms.fault = lambda _: None
        if outcome.failed:
            left = seen(world)
            assert {identity: left.get(identity) for identity in found} == found
            made = {str(result.identity) for result in outcome.results if result.left}
            assert left.keys() - found.keys() <= made
            assert exit_code(outcome) == (8 if outcome.operations else 1)
        settled_down(world, after)


BEFORE = plans.desired(
    instance__core=plans.core(),
    key__a=plans.key(on_replace="succeed"),
    key__b=plans.key(),
    key__gone=plans.key(),
    alias__x={"key": "key.a"},
    alias__old={"key": "key.b"},
)
AFTER = plans.desired(
    instance__core=plans.core(spec=2000),
    key__a=plans.key(on_replace="succeed", spec=RSA, tags={"t": "1"}),
    key__b=plans.key(enabled=False, rotation=2_592_000),
    key__c=plans.key(tags={"u": "2"}, enabled=False),
    alias__x={"key": "key.a"},
    alias__y={"key": "key.c"},
)


def test_a_crash_at_any_point_is_finished_by_the_next_apply_with_every_object_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for point in itertools.count():
        world = World(tmp_path / str(point))
        world.apply(BEFORE)
        with monkeypatch.context() as patch:
            has_died = dying(point, patch)
            try:
                world.apply(AFTER)
            except Died:
                assert has_died()
        settled_down(world, AFTER)
        if not has_died():
            break
    assert point >= 40


FEW = plans.desired(instance__core=plans.core(), key__a=plans.key(), key__gone=plans.key(), alias__x={"key": "key.a"})
FEW_AFTER = plans.desired(instance__core=plans.core(), key__a=plans.key(tags={"t": "1"}, enabled=False))


def test_a_crash_while_reverting_is_settled_by_the_next_apply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse_last(operation: Operation) -> Fault | None:
        return Fault(KmsError("Forbidden.NoPermission")) if isinstance(operation, ScheduleKeyDeletion) else None

    for point in itertools.count():
        world = World(tmp_path / str(point))
        world.apply(FEW)
        world.kms.fault = refuse_last
        with monkeypatch.context() as patch:
            has_died = dying(point, patch)
            try:
                world.apply(FEW_AFTER, revert=True)
            except Died:
                assert has_died()
        world.kms.fault = lambda _: None
        settled_down(world, FEW_AFTER)
        if not has_died():
            break
    assert point >= 20
