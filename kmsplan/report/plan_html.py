"""A plan as an HTML file: what it takes away first, then every change, where it belongs, and what falls due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.kms.operation import name_of
from kmsplan.plan.planfile import digest
from kmsplan.report.blast_text import blast_lines
from kmsplan.report.counts import counts
from kmsplan.report.escape import escape
from kmsplan.report.html.calendar import calendar
from kmsplan.report.html.page import Column, Figure, Mark, Notice, Page, Row, Section, Table, Tone
from kmsplan.report.html.render import render
from kmsplan.report.html.words import belonging, cut, day_and_time, declared, kind_words
from kmsplan.report.plan_due import plan_due
from kmsplan.report.plan_mark import by_risk, members
from kmsplan.report.plan_text import NO_CHANGES, change_lines
from kmsplan.report.style import Style
from kmsplan.report.value_text import value_text
from kmsplan.resource.address import Address, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.plan.plan import Change, Drift, Plan, Violation
    from kmsplan.report.scene import Scene

_PLAIN: Final = Style()
_COLUMNS: Final = (
    Column("Object"),
    Column("Action", chips=True),
    Column("Kind", chips=True),
    Column("Changes"),
    Column("Identity"),
    Column("Declared"),
)
_REFUSED: Final = Mark("✗", "refused", Tone.BAD)
_BRAKE: Final = Mark("!", "held back", Tone.BAD)
_OUTSIDE: Final = Mark("!", "changed outside of kmsplan", Tone.CHANGE)


def plan_html(plan: Plan, scene: Scene) -> str:
    """Return a plan as one HTML file."""
    marked = by_risk(plan)
    due = sorted((*scene.due, *plan_due(plan, scene.now)), key=lambda one: (one.at, one.subject))
    return render(
        Page(
            title="kmsplan: plan",
            headline=_headline(plan),
            tone=_tone(plan),
            when=day_and_time(scene.now),
            environment=escape(plan.environment or scene.environment),
            figures=_figures(plan),
            sections=(
                Section(id="first", title="Look at this first", notices=cut(_notices(plan, marked), "changes")),
                _changes(marked, scene),
                belonging(members(plan), "What does not change is counted."),
                calendar(due, scene.now),
                _about(plan),
            ),
        )
    )


def _headline(plan: Plan) -> str:
    if plan.violations and not plan.complete and plan.empty:
        return "kmsplan made no plan."
    if plan.empty:
        return NO_CHANGES
    found, broken = counts(plan.changes), len(plan.violations)
    rules = f"; {broken:,} {'rule is' if broken == 1 else 'rules are'} broken" if broken else ""
    return f"{found.add:,} to add, {found.change:,} to change, {found.destroy:,} to destroy{rules}"


def _tone(plan: Plan) -> Tone:
    if plan.violations or counts(plan.changes).destroy:
        return Tone.BAD
    return Tone.GOOD if plan.empty else Tone.CHANGE


def _figures(plan: Plan) -> tuple[Figure, ...]:
    found = counts(plan.changes)
    three = ((found.add, "to add", Tone.GOOD), (found.change, "to change", Tone.CHANGE))
    figures = [Figure(f"{number:,}", words, tone if number else Tone.QUIET) for number, words, tone in three]
    figures.append(Figure(f"{found.destroy:,}", "to destroy", Tone.BAD if found.destroy else Tone.QUIET))
    figures += [Figure(f"{number:,}", words, Tone.CHANGE) for number, words in found.also]
    if plan.violations:
        words = "rule broken" if len(plan.violations) == 1 else "rules broken"
        figures.append(Figure(f"{len(plan.violations):,}", words, Tone.BAD))
    if plan.unchanged:
        figures.append(Figure(f"{len(plan.unchanged):,}", "unchanged", Tone.QUIET))
    return tuple(figures)


def _notices(plan: Plan, marked: list[tuple[Change, Mark]]) -> list[Notice]:
    """What forbids it, then what may become unreadable, then what else happened."""
    noticed = [_violation(violation) for violation in plan.violations]
    noticed += [
        Notice(
            mark=mark,
            title=escape(change.address),
            lines=tuple(map(escape, (*blast_lines(change.blast), *([change.note] if change.note else ())))),
        )
        for change, mark in marked
        if change.blast is not None
    ]
    noticed += [
        Notice(mark=_OUTSIDE, title=escape(drift.address), lines=tuple(_drifted(drift)))
        for drift in plan.drift
        if drift.kind != "unmanaged"
    ]
    return noticed


def _drifted(drift: Drift) -> Iterator[str]:
    """Say how it differs from its record."""
    if drift.kind != "changed":
        yield drift.kind.replace("_", " ")
    if drift.detail:
        yield escape(drift.detail)
    kind = kind_of(Address(drift.address))
    for one in drift.attributes:
        values = (value_text(kind, one.name, value) for value in (one.recorded, one.observed))
        yield f"{escape(one.name)} = {' -> '.join(values)}"


def _violation(violation: Violation) -> Notice:
    place = ", ".join(escape(part) for part in (violation.address, violation.where) if part)
    return Notice(
        mark=_BRAKE if violation.brake else _REFUSED,
        title=f"{escape(violation.summary)} ({violation.code})",
        lines=(*([place] if place else ()), escape(violation.detail)),
    )


def _changes(marked: list[tuple[Change, Mark]], scene: Scene) -> Section:
    return Section(
        id="changes",
        title="Changes",
        intro="What takes something away stands first. Each object unfolds to its attributes and operations.",
        table=Table(columns=_COLUMNS, rows=[_row(change, mark, scene) for change, mark in marked]),
    )


def _row(change: Change, mark: Mark, scene: Scene) -> Row:
    said = change.attributes or [name_of(step.operation) for step in change.steps]
    cells = (
        escape(change.address),
        mark.word,
        kind_words(change.address),
        escape(", ".join(said)),
        escape(change.identity or ""),
        declared(change.address, scene),
    )
    return Row(mark, cells, tuple(change_lines(change, _PLAIN))[:-1])


def _about(plan: Plan) -> Section:
    facts = (
        ("Digest", f"sha256:{digest(plan)}" if plan.lineage else ""),
        ("State", f"{plan.lineage}, serial {plan.serial}" if plan.lineage else "none yet"),
        ("Author", plan.author),
        ("Only", ", ".join(plan.targets)),
        ("Left out", ", ".join(plan.excludes)),
    )
    said = tuple((name, escape(value)) for name, value in facts if value)
    steps = ("kmsplan plan -o FILE", "kmsplan apply FILE") if plan.applyable else ()
    return Section(id="about", title="This plan", facts=said, commands=steps)
