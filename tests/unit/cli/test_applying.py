from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from kmsplan.cli.applying import Decision
from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.failure import UserError
from kmsplan.plan.plan import PlanOptions
from kmsplan.plan.planfile import digest
from tests.unit.plan.conftest import NOW, Small, fresh

if TYPE_CHECKING:
    from kmsplan.plan.plan import Plan

__all__ = ["fresh"]


class ExpiredError(Exception):
    """A signature has ended since it was looked at first."""


def decide(small: Small, **what: Any) -> Plan:
    decision = Decision(small.configuration, PlanOptions(now=NOW), shown=None, **what)
    return decision.decide(cast("Any", None), small.recorded, small.observed)


def test_a_saved_plan_is_approved_under_the_lock_again(fresh: Small) -> None:
    saved = fresh.plan()

    def expired() -> None:
        raise ExpiredError

    assert decide(fresh, saved=saved) == saved
    with pytest.raises(ExpiredError):
        decide(fresh, saved=saved, approve=expired)


def test_a_saved_plan_with_another_digest_than_the_reviewed_one_is_refused(fresh: Small) -> None:
    saved, announced = fresh.plan(), list[Any]()
    assert decide(fresh, saved=saved, reviewed=digest(saved)) == saved
    with pytest.raises(UserError, match="not what was reviewed") as caught:
        decide(fresh, saved=saved, reviewed="0" * 64, announce=announced.append)
    assert caught.value.code is ExitCode.STALE
    assert announced == [saved]
