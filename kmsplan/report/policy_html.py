"""A policy check as an HTML file: evidence for and against each rule, never a claim of compliance."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.policy.report import Severity
from kmsplan.report.escape import escape
from kmsplan.report.graph import Member
from kmsplan.report.html.calendar import calendar
from kmsplan.report.html.page import Column, Figure, Mark, Notice, Page, Row, Section, Table, Tone
from kmsplan.report.html.render import render
from kmsplan.report.html.words import belonging, cut, day_and_time, kind_words, place, waiver_standing
from kmsplan.report.value_text import json_text
from kmsplan.resource.address import Address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kmsplan.policy.report import Finding, Judged, PolicyReport
    from kmsplan.report.scene import Scene

MARKS: Final[Mapping[Severity, Mark]] = MappingProxyType(
    {
        Severity.ERROR: Mark("✗", "error", Tone.BAD),
        Severity.WARNING: Mark("!", "warning", Tone.CHANGE),
        Severity.NOTE: Mark("i", "note", Tone.INFO),
    }
)
"""The worst first."""
_WORDS: Final[Mapping[Severity, tuple[str, str]]] = MappingProxyType(
    {
        Severity.ERROR: ("error", "errors"),
        Severity.WARNING: ("warning", "warnings"),
        Severity.NOTE: ("note", "notes"),
    }
)
_HELD: Final = Mark("✓", "holds", Tone.GOOD)
_WAIVED: Final = Mark("~", "waived", Tone.CHANGE)
_UNKNOWN: Final = Mark("?", "not known", Tone.QUIET)
_FINDINGS: Final = (
    Column("Object"),
    Column("Severity", chips=True),
    Column("Rule", chips=True),
    Column("Kind", chips=True),
    Column("What is the case"),
    Column("Declared"),
)
_RULES: Final = (
    Column("Rule"),
    Column("Result", chips=True),
    Column("What must hold"),
    Column("Severity", chips=True),
    Column("Pack", chips=True),
    Column("Holds"),
    Column("Broken"),
    Column("Waived"),
    Column("Not known"),
)


def policy_html(report: PolicyReport, scene: Scene) -> str:
    """Return a policy check as one HTML file."""
    return render(
        Page(
            title="kmsplan: policy",
            headline=_headline(report),
            tone=Tone.BAD if report.refused else Tone.CHANGE if report.findings else Tone.GOOD,
            when=day_and_time(scene.now),
            environment=escape(scene.environment),
            figures=_figures(report),
            sections=(
                Section(id="first", title="Look at this first", notices=cut(list(_notices(report, scene)), "findings")),
                Section(
                    id="findings",
                    title="Findings",
                    intro="Objects that break a rule. Each unfolds to the evidence and to what to do.",
                    table=Table(columns=_FINDINGS, rows=[_finding(one, scene) for one in report.findings]),
                ),
                Section(
                    id="rules",
                    title="Rules",
                    intro="Every rule that was judged, and what it is taken from: evidence, not a certificate.",
                    table=Table(columns=_RULES, rows=[_rule(one) for one in report.judged]),
                ),
                belonging(_members(report, scene), "What breaks no rule is counted."),
                Section(
                    id="waived",
                    title="Waived",
                    table=Table(columns=_FINDINGS, rows=[_finding(one, scene) for one in report.waived]),
                ),
                calendar(scene.due, scene.now),
                Section(id="about", title="This report", facts=_facts(report, scene)),
            ),
        )
    )


def _headline(report: PolicyReport) -> str:
    if not report.findings:
        return "Every rule that could be judged holds, or is waived."
    found = Counter(finding.rule.severity for finding in report.findings)
    counted = [f"{found[one]:,} {words[found[one] != 1]}" for one, words in _WORDS.items() if found[one]]
    return f"Rules are broken: {', '.join(counted)}"


def _figures(report: PolicyReport) -> tuple[Figure, ...]:
    found = Counter(finding.rule.severity for finding in report.findings)
    figures = [
        Figure(f"{found[one]:,}", words[found[one] != 1], MARKS[one].tone)
        for one, words in _WORDS.items()
        if found[one]
    ]
    if report.waived:
        figures.append(Figure(f"{len(report.waived):,}", "waived", Tone.CHANGE))
    figures.append(Figure(f"{len(report.judged):,}", "rules judged"))
    figures.append(Figure(f"{report.objects:,}", "objects"))
    return tuple(figures)


def _notices(report: PolicyReport, scene: Scene) -> Iterator[Notice]:
    for finding in report.findings:
        if finding.rule.severity is Severity.ERROR or finding.waiver is not None:
            lines = [finding.message, finding.rule.remedy, _waiver(finding, scene)]
            yield Notice(
                mark=MARKS[finding.rule.severity],
                title=escape(f"{finding.address or finding.identity}: {finding.rule.title} ({finding.rule.id})"),
                lines=tuple(escape(line) for line in lines if line),
            )


def _finding(finding: Finding, scene: Scene) -> Row:
    mark, name = MARKS[finding.rule.severity], finding.address or finding.identity
    cells = (
        escape(name),
        mark.word,
        escape(finding.rule.id),
        kind_words(name),
        escape(finding.message),
        place(finding.span, scene),
    )
    return Row(mark, cells, tuple(_evidence(finding, scene)))


def _evidence(finding: Finding, scene: Scene) -> Iterator[str]:
    rule = finding.rule
    yield escape(f"# {rule.id}: {rule.title}")
    yield from (f"  {escape(name)} = {json_text(value)}" for name, value in finding.evidence.items())
    yield escape(f"# to do: {rule.remedy}")
    yield from (escape(f"# {clause}") for clause in rule.clauses)
    if finding.waiver is not None:
        yield escape(f"# {_waiver(finding, scene)}")


def _waiver(finding: Finding, scene: Scene) -> str:
    return waiver_standing(finding.waiver, scene.now.date()) if finding.waiver is not None else ""


def _rule(judged: Judged) -> Row:
    rule, severity = judged.rule, MARKS[judged.rule.severity]
    mark = severity if judged.broken else _WAIVED if judged.waived else _HELD if judged.held else _UNKNOWN
    word = "broken" if judged.broken else mark.word
    numbers = (judged.held, judged.broken, judged.waived, judged.skipped)
    cells = (
        escape(rule.id),
        word,
        escape(rule.title),
        severity.word,
        escape(rule.pack),
        *(f"{number:,}" for number in numbers),
    )
    return Row(mark, cells, tuple(map(escape, (f"# to do: {rule.remedy}", *(f"# {one}" for one in rule.clauses)))))


def _members(report: PolicyReport, scene: Scene) -> Iterator[Member]:
    for finding in report.findings:
        name = finding.address or finding.identity
        yield Member(name, scene.parents.get(Address(name)), MARKS[finding.rule.severity])
    for address in scene.places:
        yield Member(address, scene.parents.get(address))


def _facts(report: PolicyReport, scene: Scene) -> tuple[tuple[str, str], ...]:
    today = scene.now.date()
    return tuple(("Unused waiver", escape(f"{one.address}: {waiver_standing(one, today)}")) for one in report.unused)
