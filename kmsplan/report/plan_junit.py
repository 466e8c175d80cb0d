"""A plan as JUnit: broken rules and unreadable objects fail, what will be done passes, what has to wait is skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.plan.plan import Reason
from kmsplan.plan.planfile import digest
from kmsplan.report.headline import plan_headline
from kmsplan.report.junit import Case, Verdict, junit, remark_case
from kmsplan.report.plan_remarks import plan_remarks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.plan.plan import Change, Plan
    from kmsplan.report.scene import Scene


def plan_junit(plan: Plan, scene: Scene) -> str:
    """Return one case for each broken rule, each change and each blocked object."""
    properties = {"environment": plan.environment, "digest": f"sha256:{digest(plan)}", "headline": plan_headline(plan)}
    return junit("kmsplan plan", _cases(plan, scene), properties)


def _cases(plan: Plan, scene: Scene) -> Iterator[Case]:
    broken = [remark for remark in plan_remarks(plan, scene).defects if remark.rule.id != "plan-unreadable"]
    shown = [change for change in plan.changes if change.active or change.blocked is not None]
    yield from map(remark_case, broken)
    yield from map(_change, shown)
    if not broken and not shown:
        yield Case(classname="plan", name=plan_headline(plan))


def _change(change: Change) -> Case:
    name = f"{change.address}: {change.action.value}"
    if change.blocked is None:
        return Case(classname="plan", name=name)
    verdict = Verdict.ERRED if change.reason is Reason.UNREADABLE else Verdict.SKIPPED
    return Case(classname="plan", name=name, verdict=verdict, type=change.reason.value, message=change.blocked)
