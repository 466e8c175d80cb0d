"""An object with another address: its record moves, its owner tag follows, and no crash leaves them apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import TagResources
from kmsplan.resource.address import Address
from tests.fake import plans
from tests.fake.kms import Fault, no_fault

if TYPE_CHECKING:
    from kmsplan.apply.run import Applied
    from kmsplan.kms.operation import Operation
    from kmsplan.plan.plan import Plan
    from kmsplan.provider.protocol import Provider
    from kmsplan.resource.value import Observed
    from kmsplan.state.record import Recorded

Bench = Any
OLD, NEW = Address("key.old"), Address("key.new")
BEFORE = plans.desired(instance__core=plans.core(), key__old=plans.key())
AFTER = plans.desired(instance__core=plans.core(), key__new=plans.key())


class Killed(BaseException):
    """The process dies."""


def move(bench: Bench) -> Applied:
    def decide(_: Provider, recorded: Recorded, observed: Observed) -> Plan:
        return plans.plan_for(AFTER, recorded, observed, moved={OLD: NEW})

    applied: Applied = bench.apply(AFTER, decide)
    return applied


def tagging(error: BaseException, *, happens: bool) -> Any:
    def chosen(operation: Operation) -> Fault | None:
        return Fault(error, happens=happens) if isinstance(operation, TagResources) else None

    return chosen


def test_record_and_owner_tag_move_in_one_apply(bench: Bench) -> None:
    identity = bench.apply(BEFORE).recorded.records[OLD].identity
    moved = move(bench)
    assert moved.recorded.records[NEW].identity == identity
    assert bench.kms.owned(NEW) == [identity]
    assert bench.kms.owned(OLD) == []
    again = move(bench).plan
    assert again is not None
    assert again.empty


@pytest.mark.parametrize("happens", [True, False], ids=["tagged and not recorded", "neither"])
@pytest.mark.parametrize("error", [Killed(), KmsError("ServiceUnavailable", "no answer"), KmsError("Forbidden", "no")])
def test_cut_off_between_the_two_the_next_apply_brings_them_together(
    bench: Bench, error: BaseException, *, happens: bool
) -> None:
    identity = bench.apply(BEFORE).recorded.records[OLD].identity
    bench.kms.fault = tagging(error, happens=happens)
    if isinstance(error, Killed):
        with pytest.raises(Killed):
            move(bench)
    else:
        move(bench)
    bench.kms.fault = no_fault
    assert move(bench).recorded.records[NEW].identity == identity
    assert bench.kms.owned(NEW) == [identity]
    assert list(bench.store.load().records) == ["instance.core", NEW]
    assert bench.store.load().pending == ()
    assert len(bench.kms.objects) == 2
