"""What an apply has done, as an HTML file: what is not done and why first, then every change."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.apply.outcome import ResultStatus
from kmsplan.report.escape import escape
from kmsplan.report.graph import Member
from kmsplan.report.html.calendar import calendar
from kmsplan.report.html.page import Column, Figure, Mark, Notice, Page, Row, Section, Table, Tone
from kmsplan.report.html.render import render
from kmsplan.report.html.words import belonging, cut, day_and_time, kind_words
from kmsplan.report.outcome_text import complete, done_counts, next_steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kmsplan.apply.outcome import Outcome, Result
    from kmsplan.report.scene import Scene

MARKS: Final[Mapping[ResultStatus, Mark]] = MappingProxyType(
    {
        ResultStatus.IN_DOUBT: Mark("?", "in doubt", Tone.BAD),
        ResultStatus.FAILED: Mark("✗", "failed", Tone.BAD),
        ResultStatus.CANCELLED: Mark("■", "cancelled", Tone.CHANGE),
        ResultStatus.SKIPPED: Mark("»", "skipped", Tone.CHANGE),
        ResultStatus.REVERTED: Mark("←", "reverted", Tone.CHANGE),
        ResultStatus.DONE: Mark("✓", "done", Tone.GOOD),
    }
)
"""The worst first."""
_RANK: Final = {status: rank for rank, status in enumerate(MARKS)}
_URGENT: Final = (ResultStatus.IN_DOUBT, ResultStatus.FAILED)
_EARLIER: Final = Mark("?", "in doubt from an earlier run", Tone.BAD)
_STATE: Final = Mark("✗", "the state is not written", Tone.BAD)
_UNREVERTED: Final = Mark("!", "nothing was reverted", Tone.BAD)
_COLUMNS: Final = (
    Column("Object"),
    Column("Outcome", chips=True),
    Column("Action", chips=True),
    Column("Kind", chips=True),
    Column("Operations"),
    Column("Seconds"),
    Column("Identity"),
    Column("Why"),
)


def outcome_html(outcome: Outcome, scene: Scene) -> str:
    """Return an outcome as one HTML file."""
    results = sorted(outcome.results, key=lambda one: (_RANK[one.status], one.address))
    return render(
        Page(
            title="kmsplan: apply",
            headline=_headline(outcome),
            tone=Tone.GOOD if complete(outcome) else Tone.BAD,
            when=day_and_time(scene.now),
            environment=escape(scene.environment),
            figures=_figures(outcome),
            sections=(
                Section(
                    id="first",
                    title="Look at this first",
                    intro=" ".join(next_steps(outcome)),
                    notices=cut(list(_notices(outcome, results)), "results"),
                ),
                Section(
                    id="results",
                    title="Results",
                    intro="What is not done stands first.",
                    table=Table(columns=_COLUMNS, rows=[_row(one) for one in results]),
                ),
                belonging(_members(results, scene), "What was left alone is counted."),
                calendar(scene.due, scene.now),
            ),
        )
    )


def _headline(outcome: Outcome) -> str:
    resources = ", ".join(f"{number:,} {word}" for word, number in done_counts(outcome).items())
    return f"Apply {'complete' if complete(outcome) else 'incomplete'}: {resources}"


def _figures(outcome: Outcome) -> tuple[Figure, ...]:
    numbers = ((mark, len(outcome.of(status))) for status, mark in MARKS.items())
    figures = [Figure(f"{number:,}", mark.word, mark.tone) for mark, number in numbers if number]
    figures.append(Figure(f"{outcome.operations:,}", "operations carried out"))
    figures.append(Figure(f"{outcome.elapsed:,.1f} s", "from begin to end"))
    return tuple(figures)


def _notices(outcome: Outcome, results: Sequence[Result]) -> Iterator[Notice]:
    if outcome.error is not None:
        lines = (f"{outcome.error.summary} ({outcome.error.code})", outcome.error.remedy)
        yield Notice(mark=_STATE, title="What was done is in the journal", lines=tuple(map(escape, lines)))
    for settled in outcome.unsettled:
        title = f"{escape(settled.pending.operation)} of {escape(settled.pending.address)}"
        yield Notice(mark=_EARLIER, title=title, lines=(escape(settled.note),))
    if outcome.unreverted:
        yield Notice(mark=_UNREVERTED, title=escape(outcome.unreverted))
    for result in results:
        if result.status in _URGENT:
            yield Notice(
                mark=MARKS[result.status],
                title=f"{result.action.value} {escape(result.address)}",
                lines=tuple(map(escape, _why(result))),
            )


def _why(result: Result) -> Iterator[str]:
    if result.error:
        yield result.error
    if result.undone:
        yield f"{result.undone} of {result.done} operations undone"
    if result.left:
        yield result.left


def _row(result: Result) -> Row:
    mark, why = MARKS[result.status], tuple(map(escape, _why(result)))
    cells = (
        escape(result.address),
        mark.word,
        result.action.value,
        kind_words(result.address),
        f"{result.done} of {result.planned}",
        f"{result.elapsed:.2f}",
        escape(result.identity or ""),
        "; ".join(why),
    )
    return Row(mark, cells)


def _members(results: Sequence[Result], scene: Scene) -> Iterator[Member]:
    for result in results:
        yield Member(result.address, scene.parents.get(result.address), MARKS[result.status])
    for address in scene.places:
        yield Member(address, scene.parents.get(address))
