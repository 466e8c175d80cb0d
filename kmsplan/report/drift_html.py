"""Drift as an HTML file: what differs, who did it and when, what the next apply makes of it, and what falls due."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.report.drift_text import NO_DRIFT, drift_blocks
from kmsplan.report.escape import escape
from kmsplan.report.graph import Member
from kmsplan.report.html.calendar import calendar
from kmsplan.report.html.page import Column, Figure, Mark, Notice, Page, Row, Section, Table, Tone
from kmsplan.report.html.render import render
from kmsplan.report.html.words import belonging, cut, day_and_time, declared, kind_words, waiver_standing
from kmsplan.report.style import Style
from kmsplan.resource.address import Address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kmsplan.drift.report import DriftReport, Finding
    from kmsplan.report.scene import Scene

_PLAIN: Final = Style()
MARKS: Final[Mapping[str, Mark]] = MappingProxyType(
    {
        "vanished": Mark("-", "vanished", Tone.BAD),
        "pending_deletion": Mark("!", "pending deletion", Tone.BAD),
        "unreadable": Mark("?", "unreadable", Tone.BAD),
        "changed": Mark("~", "changed", Tone.CHANGE),
        "unmanaged": Mark("+", "unmanaged", Tone.INFO),
    }
)
"""By kind of drift, the worst first."""
_RANK: Final = {kind: rank for rank, kind in enumerate(MARKS)}
_URGENT: Final = ("vanished", "pending_deletion", "unreadable")
_COLUMNS: Final = (
    Column("Object"),
    Column("Drift", chips=True),
    Column("Kind", chips=True),
    Column("Attributes"),
    Column("Next apply", chips=True),
    Column("Who and when"),
    Column("First seen"),
    Column("Declared"),
)
_TRAIL: Final = (
    Column("When"),
    Column("What", chips=True),
    Column("Object"),
    Column("Who", chips=True),
    Column("From"),
    Column("Request"),
)
_WAIVED: Final = (Column("Object"), Column("Drift", chips=True), Column("Attributes"), Column("Accepted by"))


def drift_html(report: DriftReport, scene: Scene) -> str:
    """Return drift as one HTML file."""
    findings = sorted(report.findings, key=lambda one: (_RANK[one.drift.kind], _name(one)))
    return render(
        Page(
            title="kmsplan: drift",
            headline=_headline(report),
            tone=Tone.CHANGE if findings else Tone.GOOD,
            when=day_and_time(scene.now),
            environment=escape(scene.environment),
            figures=_figures(report),
            sections=(
                Section(
                    id="first", title="Look at this first", notices=cut(list(_notices(findings, scene)), "findings")
                ),
                Section(
                    id="findings",
                    title="Findings",
                    intro="What differs from what the last apply left. Each object unfolds to its attributes.",
                    table=Table(columns=_COLUMNS, rows=[_row(one, scene) for one in findings]),
                ),
                belonging(_members(findings, scene), "What has not drifted is counted."),
                _timeline((*report.findings, *report.waived)),
                calendar(scene.due, scene.now),
                _waived(report, scene),
                Section(id="about", title="This report", facts=_facts(report, scene)),
            ),
        )
    )


def _headline(report: DriftReport) -> str:
    if not report.findings:
        return NO_DRIFT
    number = len(report.findings)
    return f"{number:,} {'object differs' if number == 1 else 'objects differ'} from what the last apply left"


def _figures(report: DriftReport) -> tuple[Figure, ...]:
    found = Counter(finding.drift.kind for finding in report.findings)
    figures = [Figure(f"{found[kind]:,}", mark.word, mark.tone) for kind, mark in MARKS.items() if found[kind]]
    figures.append(Figure(f"{report.checked:,}", "objects compared"))
    if report.waived:
        figures.append(Figure(f"{len(report.waived):,}", "waived"))
    if report.coverage is not None:
        tone = Tone.GOOD if report.unmanaged_keys == 0 else Tone.INFO
        # Rounded down: what is not wholly covered must not read as if it were.
        figures.append(Figure(f"{int(report.coverage * 100)} %", "of the keys are managed", tone))
    return tuple(figures)


def _notices(findings: Sequence[Finding], scene: Scene) -> Iterator[Notice]:
    for finding in findings:
        expired = finding.waiver is not None
        if finding.drift.kind in _URGENT or expired:
            lines = [finding.drift.detail, _who(finding), _waiver(finding, scene)]
            yield Notice(
                mark=MARKS[finding.drift.kind],
                title=escape(_name(finding)),
                lines=tuple(escape(line) for line in lines if line),
            )


def _row(finding: Finding, scene: Scene) -> Row:
    drift, name = finding.drift, _name(finding)
    mark = MARKS[drift.kind]
    cells = (
        escape(name),
        mark.word,
        kind_words(name),
        escape(", ".join(attribute.name for attribute in drift.attributes)),
        ", ".join(sorted({verdict.value for verdict in finding.verdicts.values()})),
        escape(_who(finding)),
        escape(finding.first_seen or ""),
        declared(drift.address, scene),
    )
    return Row(mark, cells, tuple(_detail(finding, scene)))


def _detail(finding: Finding, scene: Scene) -> Iterator[str]:
    yield from (line for line in drift_blocks([finding.drift], _PLAIN) if line)
    for name, verdict in finding.verdicts.items():
        yield f"  # next apply: {escape(name)}: {verdict.value}"
    if finding.cause is not None:
        yield f"  # {escape(_who(finding))}"
        yield f"  # request {escape(finding.cause.request_id)} from {escape(finding.cause.source)}"
    if finding.waiver is not None:
        yield f"  # {escape(_waiver(finding, scene))}"


def _waiver(finding: Finding, scene: Scene) -> str:
    return waiver_standing(finding.waiver, scene.now.date()) if finding.waiver is not None else ""


def _name(finding: Finding) -> str:
    return finding.drift.address or finding.drift.identity


def _who(finding: Finding) -> str:
    cause = finding.cause
    return f"{cause.action} by {cause.actor} at {cause.time}" if cause is not None else ""


def _members(findings: Sequence[Finding], scene: Scene) -> Iterator[Member]:
    for finding in findings:
        name = _name(finding)
        yield Member(name, scene.parents.get(Address(name)), MARKS[finding.drift.kind])
    for address in scene.places:
        yield Member(address, scene.parents.get(address))


def _timeline(findings: Sequence[Finding]) -> Section:
    known = [(finding, finding.cause) for finding in findings if finding.cause is not None]
    known.sort(key=lambda one: one[1].time, reverse=True)
    rows = [
        Row(
            MARKS[finding.drift.kind],
            tuple(map(escape, (cause.time, cause.action, _name(finding), cause.actor, cause.source, cause.request_id))),
        )
        for finding, cause in known
    ]
    return Section(
        id="timeline",
        title="Timeline",
        intro="The calls that explain what differs, as the audit trail tells them, the newest first.",
        table=Table(columns=_TRAIL, rows=rows),
    )


def _waived(report: DriftReport, scene: Scene) -> Section:
    rows = [
        Row(
            MARKS[one.drift.kind],
            (
                escape(_name(one)),
                MARKS[one.drift.kind].word,
                escape(", ".join(attribute.name for attribute in one.drift.attributes)),
                escape(_waiver(one, scene)),
            ),
            tuple(_detail(one, scene)),
        )
        for one in report.waived
    ]
    return Section(id="waived", title="Waived", table=Table(columns=_WAIVED, rows=rows))


def _facts(report: DriftReport, scene: Scene) -> tuple[tuple[str, str], ...]:
    facts = [("Compared", f"{report.checked:,} recorded objects")]
    if report.coverage is not None:
        facts.append(("Managed keys", f"{report.managed_keys:,} of {report.managed_keys + report.unmanaged_keys:,}"))
    today = scene.now.date()
    facts += [("Unused waiver", escape(f"{one.address}: {waiver_standing(one, today)}")) for one in report.unused]
    return tuple(facts)
