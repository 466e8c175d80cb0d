"""What a plan has to say at a line of a file: broken rules, what is blocked, and what could not be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.plan.plan import Reason
from kmsplan.report.headline import plan_headline
from kmsplan.report.remark import Fingerprints, Level, Remark, Remarks, Rule, rules_of, worst_first
from kmsplan.report.risk import MEANINGS, RISKS, TITLES, risky

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.config.diagnostic import Span
    from kmsplan.plan.plan import Change, Plan, Violation
    from kmsplan.report.risk import Risky
    from kmsplan.report.scene import Scene
    from kmsplan.resource.address import Address

_PLANNED: Final = {
    risk: Rule(id=f"plan-{risk.value}", title=TITLES[risk], help=MEANINGS[risk], level=Level.WARNING) for risk in RISKS
}
_UNREADABLE: Final = Rule(
    id="plan-unreadable",
    title="An object could not be read",
    help="Nobody knows whether it is as it should be, and nothing is planned for it. Make the KMS answer; plan again.",
    level=Level.ERROR,
    tags=("availability",),
)
_BLOCKED: Final = Rule(
    id="plan-blocked",
    title="A change has to wait",
    help="Everything else can be applied; the message says what it waits for.",
    level=Level.NOTE,
)


def plan_remarks(plan: Plan, scene: Scene) -> Remarks:
    """Return what somebody should look at before the plan is applied."""
    found = worst_first(_found(plan, scene))
    return Remarks(
        title="kmsplan plan",
        headline=plan_headline(plan),
        clean=plan.empty and not found,
        rules=rules_of(remark for remark in found if not remark.planned),
        found=found,
    )


def _found(plan: Plan, scene: Scene) -> Iterator[Remark]:
    prints = Fingerprints()
    for violation in plan.violations:
        yield _violation(violation, scene, prints)
    for change in plan.changes:
        if change.blocked is not None:
            yield _blocked(change, change.blocked, scene, prints)
    for one in risky(plan.changes):
        yield _planned(one, scene, prints)


def _violation(violation: Violation, scene: Scene, prints: Fingerprints) -> Remark:
    code = violation.code
    released = "the one flag that the message names lets it pass" if violation.brake else "no flag lets it pass"
    rule = Rule(
        id=code,
        title=violation.summary,
        help=f"The plan is held back, and {released}. docs/errors.md explains {code}.",
        level=Level.WARNING if violation.brake else Level.ERROR,
        tags=("brake",) if violation.brake else ("key-safety",),
    )
    address = str(violation.address or "")
    return Remark(
        rule=rule,
        level=rule.level,
        subject=address,
        message=f"{violation.summary}: {violation.detail}",
        span=_span(violation.address, scene),
        fingerprint=prints.of(code, address),
    )


def _blocked(change: Change, why: str, scene: Scene, prints: Fingerprints) -> Remark:
    rule = _UNREADABLE if change.reason is Reason.UNREADABLE else _BLOCKED
    return Remark(
        rule=rule,
        level=rule.level,
        subject=change.address,
        message=f"{change.address} is blocked: {why}",
        span=_span(change.address, scene),
        fingerprint=prints.of(rule.id, change.address),
        planned=rule is _BLOCKED,
    )


def _planned(one: Risky, scene: Scene, prints: Fingerprints) -> Remark:
    change, rule = one.change, _PLANNED[one.risk]
    parts = (f"{change.address} {one.words}", *([change.note] if change.note else []), *one.consequences)
    return Remark(
        rule=rule,
        level=Level.WARNING,
        subject=change.address,
        message=". ".join(parts),
        span=_span(change.address, scene),
        fingerprint=prints.of(rule.id, change.address),
        planned=True,
    )


def _span(address: Address | None, scene: Scene) -> Span | None:
    return scene.places.get(address) if address is not None else None
