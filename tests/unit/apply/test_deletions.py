"""`--allow-delete N`, interrupted: the same command again comes to the same end, and allows nothing more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import CancelKeyDeletion, ScheduleKeyDeletion
from kmsplan.plan.plan import Allowances, PlanOptions
from kmsplan.plan.planner import make_plan
from kmsplan.resource.address import Address
from kmsplan.resource.step import Status
from tests.fake import plans
from tests.fake.kms import OFFER, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kmsplan.apply.run import Applied
    from kmsplan.kms.operation import Operation
    from kmsplan.plan.plan import Plan
    from kmsplan.provider.protocol import Provider
    from kmsplan.resource.value import Observed
    from kmsplan.state.record import Recorded

Bench = Any
KEYS = ("key.a", "key.b", "key.c")
ALL = plans.desired(instance__core=plans.core(), key__a=plans.key(), key__b=plans.key(), key__c=plans.key())
KEPT = plans.desired(instance__core=plans.core())


class RefusedError(Exception):
    """The codes that hold a plan back."""


class Killed(BaseException):
    """The process dies."""


def run(bench: Bench, expected: int, objects: Mapping[Address, Mapping[str, Any]] = KEPT, digest: str = "") -> Applied:
    """Apply with --allow-delete EXPECTED."""

    def decide(_: Provider, recorded: Recorded, observed: Observed) -> Plan:
        plan = make_plan(
            configuration=plans.configuration(objects, digest=digest),
            recorded=recorded,
            observed=observed,
            offer=OFFER,
            options=PlanOptions(now=plans.NOW, allowances=Allowances(delete=expected)),
        )
        if plan.violations:
            raise RefusedError([violation.code for violation in plan.violations])
        return plan

    applied: Applied = bench.apply(objects, decide)
    return applied


def fault(error: Callable[[], BaseException], *, after: int) -> Callable[[Operation], Fault | None]:
    """Let so many deletions be scheduled, and fail the next."""
    seen: list[Operation] = []

    def chosen(operation: Operation) -> Fault | None:
        if isinstance(operation, ScheduleKeyDeletion):
            seen.append(operation)
            return Fault(error()) if len(seen) > after else None
        return None

    return chosen


def pending(bench: Bench) -> list[str]:
    return [name for name, record in bench.store.load().records.items() if record.status is Status.PENDING_DELETION]


@pytest.fixture
def cut_off(bench: Bench) -> Bench:
    """Of three deletions, one is scheduled; then the run was killed, before its snapshot."""
    bench.parallelism = 1
    bench.apply(ALL)
    bench.kms.fault = fault(Killed, after=1)
    with pytest.raises(Killed):
        run(bench, 3)
    bench.kms.fault = fault(Killed, after=3)
    assert len(pending(bench)) == 1
    return bench


def test_the_same_command_again_converges(cut_off: Bench) -> None:
    run(cut_off, 3)
    assert sorted(pending(cut_off)) == list(KEYS)
    assert run(cut_off, 3).plan.empty  # type: ignore[union-attr]


def test_it_converges_however_often_it_is_interrupted(cut_off: Bench) -> None:
    cut_off.kms.fault = fault(lambda: KmsError("Forbidden.NoPermission", "no"), after=1)
    run(cut_off, 3)
    assert len(pending(cut_off)) == 2
    cut_off.kms.fault = fault(Killed, after=3)
    run(cut_off, 3)
    assert sorted(pending(cut_off)) == list(KEYS)


def test_what_is_left_may_be_counted_as_well(cut_off: Bench) -> None:
    run(cut_off, 2)
    assert sorted(pending(cut_off)) == list(KEYS)


@pytest.mark.parametrize("expected", [0, 1, 4])
def test_any_other_number_is_refused(cut_off: Bench, expected: int) -> None:
    with pytest.raises(RefusedError, match="P201"):
        run(cut_off, expected)


def test_another_configuration_is_another_command(cut_off: Bench) -> None:
    with pytest.raises(RefusedError, match="P201"):
        run(cut_off, 3, digest="other")


def test_a_deletion_less_for_another_reason_is_refused(cut_off: Bench) -> None:
    """One of them cannot be read now: it is neither scheduled nor planned."""
    (left, *_) = sorted(set(KEYS) - set(pending(cut_off)))
    identity = cut_off.store.load().records[left].identity
    cut_off.kms.unreadable = {identity}
    with pytest.raises(RefusedError, match="P201"):
        run(cut_off, 3)


def test_after_a_run_that_came_to_its_end_the_number_is_used_up(cut_off: Bench) -> None:
    """A deletion that somebody cancelled since is not scheduled again by a pipeline that still says 3."""
    run(cut_off, 3)
    identity = cut_off.store.load().records[Address("key.a")].identity
    cut_off.kms.execute(CancelKeyDeletion(key=identity))
    with pytest.raises(RefusedError, match="P201"):
        run(cut_off, 3)
