"""A policy check as JUnit: a case for each rule that holds, and one for each object that breaks one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.report.headline import NOTHING_BROKEN, number, policy_headline
from kmsplan.report.junit import Case, Verdict, junit, remark_case
from kmsplan.report.policy_remarks import policy_remarks
from kmsplan.report.waiver_words import waiver_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.policy.report import Finding, Judged, PolicyReport
    from kmsplan.report.scene import Scene


def policy_junit(report: PolicyReport, scene: Scene) -> str:
    """Return the cases in the order: what is broken, what a waiver accepts, every rule that holds or says nothing."""
    properties = {"environment": scene.environment, "headline": policy_headline(report)}
    return junit("kmsplan policy", _cases(report, scene), properties)


def _cases(report: PolicyReport, scene: Scene) -> Iterator[Case]:
    yield from map(remark_case, policy_remarks(report, scene).found)
    yield from map(_waived, report.waived)
    yield from (_judged(judged) for judged in report.judged if not judged.broken and not judged.waived)
    if not (report.findings or report.waived or report.judged):
        yield Case(classname="policy", name=NOTHING_BROKEN)


def _judged(judged: Judged) -> Case:
    """Return the case of a rule that nothing breaks; it is skipped where it found nothing to judge."""
    rule = judged.rule
    if judged.held:
        held = number(judged.held, "object", "objects")
        return Case(classname=rule.id, name=f"{rule.title} ({held})")
    why = f"not known of {number(judged.skipped, 'object', 'objects')}" if judged.skipped else "nothing to judge"
    return Case(classname=rule.id, name=rule.title, verdict=Verdict.SKIPPED, type="skipped", message=why)


def _waived(finding: Finding) -> Case:
    return Case(
        classname=finding.rule.id,
        name=f"{finding.address or finding.identity}: {finding.rule.title}",
        verdict=Verdict.SKIPPED,
        type="waived",
        message=f"{waiver_words(finding.waiver)}: {finding.message}",
    )
