"""What falls due for people: the day, the key, what happens, and for each kind what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.plan.rules import some
from kmsplan.report.escape import escape
from kmsplan.report.table import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.inventory.due import Due, DueReport
    from kmsplan.report.scene import Scene

_SHOWN = 10
_HEAD = ("WHEN", "KEY", "WHAT", "")


def due_text(report: DueReport, scene: Scene) -> str:
    """Return what falls due as text; the last line counts it."""
    return "".join(f"{line}\n" for line in _lines(report, scene))


def _lines(report: DueReport, scene: Scene) -> Iterator[str]:
    style = scene.style
    if report.due:
        rows = [_row(due, scene) for due in report.due]
        yield from table(_HEAD, rows, scene.columns, style)
        yield ""
        remedies = dict.fromkeys((due.kind, due.remedy) for due in report.due)
        yield from (f"{kind.value.replace('_', ' ')}: {escape(remedy)}" for kind, remedy in remedies)
        yield ""
    if report.untold:
        yield style.yellow(f"Dates that could not be read, and may be sooner: {escape(some(report.untold, _SHOWN))}")
    overdue = sum(due.overdue(scene.now) for due in report.due)
    until = f"until {report.until:%Y-%m-%d}"
    if not report.due:
        yield style.bold(style.green(f"Nothing falls due {until}."))
    else:
        late = f", {overdue} of them overdue" if overdue else ""
        yield style.bold(f"Due {until}: {len(report.due)}{late}.")


def _row(due: Due, scene: Scene) -> tuple[str, ...]:
    late = "overdue" if due.overdue(scene.now) else ""
    return f"{due.at:%Y-%m-%d}", due.subject, due.summary, late
