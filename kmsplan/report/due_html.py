"""What falls due, as an HTML file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.report.escape import escape
from kmsplan.report.html.calendar import calendar
from kmsplan.report.html.page import Figure, Page, Section, Tone
from kmsplan.report.html.render import render
from kmsplan.report.html.words import day_and_time

if TYPE_CHECKING:
    from kmsplan.inventory.due import DueReport
    from kmsplan.report.scene import Scene


def due_html(report: DueReport, scene: Scene) -> str:
    """Return what falls due as one HTML file."""
    number, late = len(report.due), sum(one.overdue(scene.now) for one in report.due)
    untold = tuple(("Not told", escape(name)) for name in report.untold)
    return render(
        Page(
            title="kmsplan: due",
            headline=f"{number:,} due until {report.until:%Y-%m-%d}" if number else "Nothing falls due.",
            tone=Tone.BAD if late else Tone.CHANGE if number else Tone.GOOD,
            when=day_and_time(scene.now),
            environment=escape(report.environment or scene.environment),
            figures=(
                Figure(f"{number:,}", "due", Tone.CHANGE if number else Tone.GOOD),
                Figure(f"{late:,}", "overdue", Tone.BAD if late else Tone.QUIET),
                *((Figure(f"{len(untold):,}", "with dates that were not told", Tone.INFO),) if untold else ()),
            ),
            sections=(
                calendar(report.due, scene.now),
                Section(
                    id="untold",
                    title="Dates that nobody could tell",
                    intro="These keys have dates that could not be read; they may be due all the same.",
                    facts=untold,
                ),
            ),
        )
    )
