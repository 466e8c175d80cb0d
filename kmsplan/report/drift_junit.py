"""Drift as JUnit: what has drifted fails, what a waiver accepts is skipped, and one case stands for all the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.report.drift_remarks import RULES, drift_remarks, finding_words
from kmsplan.report.headline import drift_headline, number
from kmsplan.report.junit import Case, Verdict, junit, remark_case
from kmsplan.report.waiver_words import waiver_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.drift.report import DriftReport, Finding
    from kmsplan.report.scene import Scene


def drift_junit(report: DriftReport, scene: Scene) -> str:
    """Return one case for each finding, and one that says how many objects were compared."""
    properties = {"environment": scene.environment, "headline": drift_headline(report)}
    return junit("kmsplan drift", _cases(report, scene), properties)


def _cases(report: DriftReport, scene: Scene) -> Iterator[Case]:
    yield Case(classname="drift", name=f"{number(report.checked, 'recorded object', 'recorded objects')} compared")
    yield from map(remark_case, drift_remarks(report, scene).found)
    yield from map(_waived, report.waived)


def _waived(finding: Finding) -> Case:
    rule, drift = RULES[finding.drift.kind], finding.drift
    return Case(
        classname=rule.id,
        name=f"{drift.address or drift.identity}: {rule.title}",
        verdict=Verdict.SKIPPED,
        type="waived",
        message=f"{waiver_words(finding.waiver)}: {finding_words(finding)}",
    )
