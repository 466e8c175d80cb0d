"""Drift as a comment or a job's summary: what was lost or cannot be read first, the differences folded."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.report.drift_diff import finding_diff
from kmsplan.report.drift_remarks import RULES, attribute_words, cause_words
from kmsplan.report.drift_text import WORDS
from kmsplan.report.escape import escape
from kmsplan.report.fitting import COMMENT, SUMMARY, all_of, size, some_of
from kmsplan.report.headline import drift_headline, number
from kmsplan.report.markdown_page import closing, declared_at, environment_fact, one_line, opening
from kmsplan.report.markdown_text import code, details, fenced, head, prose, row
from kmsplan.report.remark import LEVELS
from kmsplan.report.waiver_words import waiver_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kmsplan.drift.report import DriftReport, Finding
    from kmsplan.report.fitting import Medium
    from kmsplan.report.scene import Scene

_FRAME: Final = 600
_RANK: Final[Mapping[str, int]] = MappingProxyType({kind: LEVELS.index(rule.level) for kind, rule in RULES.items()})


def drift_markdown(report: DriftReport, scene: Scene) -> str:
    """Return drift as a comment of less than 60,000 characters."""
    return _page(report, scene, COMMENT)


def drift_summary(report: DriftReport, scene: Scene) -> str:
    """Return drift as a job's summary of less than 1 MiB."""
    return _page(report, scene, SUMMARY)


def _page(report: DriftReport, scene: Scene, medium: Medium) -> str:
    title, headline = "kmsplan drift", drift_headline(report)
    if not (report.findings or report.waived or report.unused):
        return one_line("drift", title, headline, scene.environment, medium)
    top = opening("drift", title, headline, scene.environment, medium)
    found = sorted(report.findings, key=lambda finding: _RANK[finding.drift.kind])
    top += _table(found, scene, medium.limit * 2 // 5) + _waived(report, medium.limit // 10)
    top += _unused(report, medium.limit // 20)
    bottom = closing(_next(report), (*environment_fact(scene.environment), *_facts(report)))
    return top + _differences(found, scene, medium.limit - size(top) - size(bottom) - _FRAME) + bottom


def _table(found: Sequence[Finding], scene: Scene, room: int) -> str:
    if not found:
        return ""
    rows = (_row(finding, scene) for finding in found)
    table = some_of(rows, len(found), room, lambda more: row(["", f"{more} more", "", ""]))
    return f"{head(('object', 'what', 'the next apply', 'by whom'))}{table}\n"


def _row(finding: Finding, scene: Scene) -> str:
    drift = finding.drift
    names = ", ".join(attribute.name for attribute in drift.attributes)
    verdicts = ", ".join(dict.fromkeys(verdict.value for verdict in finding.verdicts.values()))
    return row(
        (
            f"{code(drift.address or drift.identity)}{declared_at(drift.address, scene)}",
            f"{WORDS[drift.kind]}{': ' if names else ''}{prose(names)}",
            verdicts,
            prose(cause_words(finding.cause)) if finding.cause is not None else "",
        )
    )


def _differences(found: Sequence[Finding], scene: Scene, room: int) -> str:
    """Return every difference, or where that is too long a line for each object."""
    if not found:
        return ""
    title = f"Show {number(len(found), 'object', 'objects')}"
    body = all_of((finding_diff(finding, scene) for finding in found), room)
    if body is not None:
        return details(title, fenced("diff", body)) + "\n"
    body = some_of(map(_line, found), len(found), room, lambda more: f"  {more} more are not listed\n")
    return details(f"{title}, attribute names only", fenced("diff", body)) + "\n"


def _line(finding: Finding) -> str:
    drift = finding.drift
    names = ", ".join(attribute.name for attribute in drift.attributes)
    return f"! {escape(drift.address or drift.identity)} {WORDS[drift.kind]}{': ' if names else ''}{escape(names)}\n"


def _waived(report: DriftReport, room: int) -> str:
    if not report.waived:
        return ""
    lines = (_waiver_line(finding) for finding in report.waived)
    told = some_of(lines, len(report.waived), room, lambda more: f"- {more} more\n")
    return details(f"{number(len(report.waived), 'finding', 'findings')} waived", told) + "\n"


def _waiver_line(finding: Finding) -> str:
    drift = finding.drift
    what = "; ".join(attribute_words(drift.address, one) for one in drift.attributes) or WORDS[drift.kind]
    return f"- {code(drift.address or drift.identity)} {prose(what)}: {prose(waiver_words(finding.waiver))}\n"


def _unused(report: DriftReport, room: int) -> str:
    lines = (
        f"- The waiver of {code(waiver.address)} matches nothing any more: {prose(waiver_words(waiver))}\n"
        for waiver in report.unused
    )
    told = some_of(lines, len(report.unused), room, lambda more: f"- {more} more\n")
    return told + ("\n" if told else "")


def _facts(report: DriftReport) -> Iterator[str]:
    yield f"{number(report.checked, 'recorded object', 'recorded objects')} compared"
    if report.coverage is not None:
        keys = report.managed_keys + report.unmanaged_keys
        yield f"{report.managed_keys} of {keys} keys managed"


def _next(report: DriftReport) -> Iterator[str]:
    for kind in dict.fromkeys(
        finding.drift.kind for finding in sorted(report.findings, key=lambda one: one.drift.kind)
    ):
        yield f"{prose(RULES[kind].title)}: {prose(RULES[kind].help)}"
