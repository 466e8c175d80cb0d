"""A policy check for people."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.kms.wording import counted
from kmsplan.policy.report import Severity
from kmsplan.report.escape import escape
from kmsplan.report.headline import policy_headline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kmsplan.config.configuration import Waiver
    from kmsplan.policy.report import Finding, PolicyReport
    from kmsplan.report.scene import Scene
    from kmsplan.report.style import Style

EVIDENCE: Final = "This is evidence of what was looked at, not a statement of compliance."
_MARKS: Final[Mapping[Severity, Callable[[Style], str]]] = MappingProxyType(
    {
        Severity.ERROR: lambda style: style.error("Error:"),
        Severity.WARNING: lambda style: style.warning("Warning:"),
        Severity.NOTE: lambda style: style.bold("Note:"),
    }
)


def policy_text(report: PolicyReport, scene: Scene) -> str:
    """Return every finding, what is waived, what nobody knows; the last lines count them."""
    style = scene.style
    lines = [line for finding in report.findings for line in _finding(finding, scene)]
    if report.waived:
        lines += [style.bold("Waived:"), *(f"  {line}" for one in report.waived for line in _waived(one)), ""]
    if report.unused:
        lines += [style.bold("Waivers that nothing matches any more:"), *map(_unused, report.unused), ""]
    skipped = list(_skipped(report))
    if skipped:
        lines += [style.bold("Not known, and so not judged:"), *skipped, ""]
    headline = policy_headline(report)
    lines += [style.bold(headline if report.findings else style.green(headline)), style.dim(EVIDENCE)]
    return "".join(f"{line}\n" for line in lines)


def _finding(finding: Finding, scene: Scene) -> Iterator[str]:
    rule, style, span = finding.rule, scene.style, finding.span
    yield f"{_MARKS[rule.severity](style)} {style.bold(escape(rule.title))} ({escape(f'{rule.id}, {rule.pack}')})"
    place = [f"{scene.path(span)}:{span.line}:{span.column}"] if span else []
    yield f"  on {escape(', '.join([*place, _name(finding)]))}"
    yield f"  {escape(finding.message)}"
    if rule.remedy:
        yield f"  {escape(rule.remedy)}"
    if rule.clauses:
        yield style.dim(f"  after {escape('; '.join(rule.clauses))}")
    if finding.waiver is not None:
        waiver = finding.waiver
        yield escape(f"  the waiver of {waiver.owner} ended on {waiver.expires}: {waiver.reason}")
    yield ""


def _name(finding: Finding) -> str:
    unmanaged = f"{finding.identity} (not managed)"
    return finding.address or unmanaged


def _waived(finding: Finding) -> Iterator[str]:
    waiver = finding.waiver
    if waiver is not None:
        yield escape(
            f"{finding.rule.id} {_name(finding)}, until {waiver.expires} by {waiver.owner}: {waiver.reason} "
            f"({finding.message})"
        )


def _unused(waiver: Waiver) -> str:
    place = f"{waiver.span.filename}:{waiver.span.line}"
    return escape(f"  {place}: {waiver.rule} {waiver.address}, by {waiver.owner} until {waiver.expires}")


def _skipped(report: PolicyReport) -> Iterator[str]:
    for judged in report.judged:
        if judged.skipped:
            facts = ", ".join(judged.unknown)
            yield escape(f"  {judged.rule.id} at {counted(judged.skipped, 'object')}: {facts}")
