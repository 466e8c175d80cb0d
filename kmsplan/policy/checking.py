"""A configuration's policy, checked: as a report, and as what it holds back of a plan."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from kmsplan.plan.rules import broken_policy
from kmsplan.policy.judging import judge
from kmsplan.policy.planned import planned
from kmsplan.policy.present import present
from kmsplan.policy.report import PolicyReport, Severity
from kmsplan.policy.thing import Ground
from kmsplan.resource.address import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date, datetime

    from kmsplan.config.configuration import Configuration
    from kmsplan.plan.plan import Plan, Violation
    from kmsplan.policy.report import Finding
    from kmsplan.policy.thing import Thing
    from kmsplan.resource.value import Observed
    from kmsplan.state.record import Recorded

BROKEN: Final = broken_policy(Address(""), "", "").code
"""The code of the violation that a broken rule is."""


def check(
    configuration: Configuration,
    recorded: Recorded,
    observed: Observed | None,
    plan: Plan | None,
    now: datetime,
    *,
    as_observed: bool = False,
) -> PolicyReport:
    """Judge what will be, or what is there now.

    Args:
        configuration: with its policy and waivers; without a policy nothing is judged.
        recorded: settled.
        observed: None where the KMS was not asked: what only it knows is skipped.
        plan: towards the configuration; None where there is none, and changes are not judged.
        now: aware.
        as_observed: judge what the KMS holds, whoever manages it, and no changes.

    Raises:
        ModuleNotFoundError: the extra `policy` is not installed.
    """
    if configuration.policy is None:
        return PolicyReport()
    ground = Ground(
        desired=configuration.desired,
        now=now,
        recorded=recorded,
        observed=observed,
        plan=plan,
        moved=configuration.moved,
    )
    things = present(ground) if as_observed else _of_plan(ground)
    return judge(configuration.policy, things, configuration.waivers, now.date())


def _of_plan(ground: Ground) -> Iterator[Thing]:
    """Yield what will be; of a plan of a part only that part, because nothing else is done."""
    plan = ground.plan
    if plan is None or not (plan.targets or plan.excludes):
        return planned(ground)
    chosen = {change.address for change in plan.changes} | {one.address for one in plan.unchanged}
    return (thing for thing in planned(ground) if thing.address in chosen)


def guarded(
    plan: Plan,
    configuration: Configuration,
    recorded: Recorded,
    observed: Observed,
    now: datetime,
    judged: Callable[[PolicyReport], None] = lambda _: None,
) -> Plan:
    """Return the plan with a violation for every rule that it would leave broken; those of an earlier check are gone.

    `judged` hears everything that was found. A plan that was refused before anything was decided says nothing of what
    will be, and is left as it is.
    """
    undecided = plan.violations and not plan.changes and not plan.unchanged
    if configuration.policy is None or undecided:
        return plan
    report = check(configuration, recorded, observed, plan, now)
    judged(report)
    broken = (violation(one, now.date()) for one in report.findings if one.rule.severity is Severity.ERROR)
    others = (one for one in plan.violations if one.code != BROKEN)
    violations = (*others, *broken)
    return plan if violations == plan.violations else replace(plan, violations=violations)


def violation(finding: Finding, today: date) -> Violation:
    """Return a broken rule as what holds a plan back."""
    rule, span = finding.rule, finding.span
    said = f"{rule.id} ({rule.pack}): {rule.title}. Here {finding.message}."
    remedy = f" {rule.remedy}" if rule.remedy else ""
    where = f"{span.filename}:{span.line}:{span.column}" if span else ""
    return broken_policy(Address(finding.address), f"{said}{remedy}{ended(finding, today)}", where)


def ended(finding: Finding, today: date) -> str:
    """Return a sentence about a waiver that accepts nothing any more; "" where there is none."""
    waiver = finding.waiver
    if waiver is None or waiver.expires >= today:
        return ""
    return f" The waiver of {waiver.owner} ({waiver.reason}) ended on {waiver.expires}."
