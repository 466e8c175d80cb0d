"""An apply as a comment or a job's summary: what was not done first, what was done folded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.report.fitting import COMMENT, SUMMARY, size, some_of
from kmsplan.report.headline import number, outcome_headline
from kmsplan.report.markdown_page import closing, declared_at, environment_fact, one_line, opening
from kmsplan.report.markdown_text import code, details, head, prose, row
from kmsplan.report.outcome_remarks import outcome_remarks

if TYPE_CHECKING:
    from kmsplan.apply.outcome import Outcome, Result
    from kmsplan.report.fitting import Medium
    from kmsplan.report.remark import Remark
    from kmsplan.report.scene import Scene

_FRAME = 600


def outcome_markdown(outcome: Outcome, scene: Scene) -> str:
    """Return what an apply did as a comment of less than 60,000 characters."""
    return _page(outcome, scene, COMMENT)


def outcome_summary(outcome: Outcome, scene: Scene) -> str:
    """Return what an apply did as a job's summary of less than 1 MiB."""
    return _page(outcome, scene, SUMMARY)


def _page(outcome: Outcome, scene: Scene, medium: Medium) -> str:
    title, headline = "kmsplan apply", outcome_headline(outcome)
    remarks = outcome_remarks(outcome, scene)
    if not remarks.found and not outcome.results:
        return one_line("outcome", title, headline, scene.environment, medium)
    top = opening("outcome", title, headline, scene.environment, medium)
    top += _undone(remarks.found, scene, medium.limit * 2 // 5)
    if outcome.unreverted:
        top += f"**Nothing was reverted:** {prose(outcome.unreverted)}.\n\n"
    steps = (f"{rule.title}: {rule.help}" for rule in remarks.rules)
    facts = (*environment_fact(scene.environment), f"{number(outcome.operations, 'operation', 'operations')}")
    bottom = closing(steps, facts)
    return top + _done(outcome, medium.limit - size(top) - size(bottom) - _FRAME) + bottom


def _undone(found: tuple[Remark, ...], scene: Scene, room: int) -> str:
    if not found:
        return ""
    rows = (
        row(
            (
                f"**{remark.level.value}**",
                f"{code(remark.subject)}{declared_at(remark.subject, scene)}",
                prose(remark.message),
            )
        )
        for remark in found
    )
    table = some_of(rows, len(found), room, lambda more: row(["", f"{more} more", ""]))
    return f"{head(('level', 'object', 'what became of it'))}{table}\n"


def _done(outcome: Outcome, room: int) -> str:
    done = outcome.done
    if not done:
        return ""
    table = some_of(map(_row, done), len(done), room, lambda more: row(["", f"{more} more", "", ""]))
    columns = head(("action", "object", "identity", "seconds"))
    return details(f"Show {number(len(done), 'change', 'changes')} done", columns + table) + "\n"


def _row(result: Result) -> str:
    return row((result.action.value, code(result.address), code(result.identity or ""), f"{result.elapsed:.3f}"))
