"""A policy check as a comment or a job's summary: what is broken first, how each rule came out folded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.report.fitting import COMMENT, SUMMARY, some_of
from kmsplan.report.headline import number, policy_headline
from kmsplan.report.markdown_page import closing, declared_at, environment_fact, one_line, opening
from kmsplan.report.markdown_text import code, details, head, prose, row
from kmsplan.report.waiver_words import waiver_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.policy.report import Finding, Judged, PolicyReport
    from kmsplan.report.fitting import Medium
    from kmsplan.report.scene import Scene


def policy_markdown(report: PolicyReport, scene: Scene) -> str:
    """Return a policy check as a comment of less than 60,000 characters."""
    return _page(report, scene, COMMENT)


def policy_summary(report: PolicyReport, scene: Scene) -> str:
    """Return a policy check as a job's summary of less than 1 MiB."""
    return _page(report, scene, SUMMARY)


def _page(report: PolicyReport, scene: Scene, medium: Medium) -> str:
    title, headline = "kmsplan policy", policy_headline(report)
    if not (report.findings or report.waived or report.unused):
        return one_line("policy", title, headline, scene.environment, medium)
    tenth = medium.limit // 10
    parts = (
        opening("policy", title, headline, scene.environment, medium),
        _broken(report, scene, 5 * tenth),
        _unused(report, tenth // 2),
        _judged(report, 2 * tenth),
        _waived(report, tenth),
        closing(_next(report, tenth), environment_fact(scene.environment)),
    )
    return "".join(parts)


def _broken(report: PolicyReport, scene: Scene, room: int) -> str:
    if not report.findings:
        return ""
    rows = (_row(finding, scene) for finding in report.findings)
    table = some_of(rows, len(report.findings), room, lambda more: row(["", "", f"{more} more", ""]))
    return f"{head(('severity', 'rule', 'object', 'what is the case'))}{table}\n"


def _row(finding: Finding, scene: Scene) -> str:
    rule, span = finding.rule, finding.span
    where = f" ({code(f'{scene.path(span)}:{span.line}')})" if span is not None else declared_at(finding.address, scene)
    return row(
        (
            rule.severity.value,
            f"**{prose(rule.id)}** {prose(rule.title)}",
            f"{code(finding.address or finding.identity)}{where}",
            prose(finding.message),
        )
    )


def _judged(report: PolicyReport, room: int) -> str:
    if not report.judged:
        return ""
    rows = (_judged_row(judged) for judged in report.judged)
    table = some_of(rows, len(report.judged), room, lambda more: row(["", f"{more} more", "", "", "", ""]))
    columns = head(("rule", "what must hold", "holds", "broken", "waived", "not known"))
    return details(f"Show {number(len(report.judged), 'rule', 'rules')}", columns + table) + "\n"


def _judged_row(judged: Judged) -> str:
    rule = judged.rule
    counts = (judged.held, judged.broken, judged.waived, judged.skipped)
    return row((prose(rule.id), prose(rule.title), *map(str, counts)))


def _waived(report: PolicyReport, room: int) -> str:
    if not report.waived:
        return ""
    lines = (
        f"- **{prose(finding.rule.id)}** {code(finding.address or finding.identity)}: "
        f"{prose(waiver_words(finding.waiver))}\n"
        for finding in report.waived
    )
    told = some_of(lines, len(report.waived), room, lambda more: f"- {more} more\n")
    return details(f"{number(len(report.waived), 'finding', 'findings')} waived", told) + "\n"


def _unused(report: PolicyReport, room: int) -> str:
    lines = (
        f"- The waiver of {prose(waiver.rule or '')} for {code(waiver.address)} matches nothing any more: "
        f"{prose(waiver_words(waiver))}\n"
        for waiver in report.unused
    )
    told = some_of(lines, len(report.unused), room, lambda more: f"- {more} more\n")
    return told + ("\n" if told else "")


def _next(report: PolicyReport, room: int) -> Iterator[str]:
    """Yield the remedy of each broken rule, as many as have room."""
    rules = {finding.rule.id: finding.rule for finding in report.findings}
    lines = (f"**{prose(rule.id)}** {prose(rule.remedy)}\n" for rule in rules.values())
    told = some_of(lines, len(rules), room, lambda more: f"{more} more rules have remedies: kmsplan policy check\n")
    yield from told.splitlines()
