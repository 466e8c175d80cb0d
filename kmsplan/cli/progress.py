"""Showing an apply as it goes: a bar on a terminal, plain lines elsewhere, JSON lines for machines."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Protocol, Self

import click

from kmsplan.apply.event import EventKind
from kmsplan.apply.outcome import ResultStatus
from kmsplan.report.escape import escape
from kmsplan.report.event_json import diagnostic_line, event_line, planned_lines, summary_line, version_line
from kmsplan.report.outcome_text import outcome_text
from kmsplan.report.scene import Scene
from kmsplan.report.style import Style

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from kmsplan.apply.event import Event
    from kmsplan.apply.outcome import Outcome
    from kmsplan.cli.terminal import Terminal
    from kmsplan.plan.plan import Plan


class Listener(Protocol):
    """Hears of everything that happens in an apply."""

    def planned(self, plan: Plan) -> None:
        """What will be done is decided."""

    def expect(self, changes: int) -> None:
        """So many changes will finish."""

    def event(self, event: Event) -> None:
        """One piece of progress."""

    def ended(self, outcome: Outcome) -> None:
        """All is done that could be."""

    def failed(self, error: BaseException) -> None:
        """It was refused, or could not be begun."""


@contextlib.contextmanager
def listener(terminal: Terminal, *, as_json: bool, clock: Callable[[], datetime]) -> Iterator[Listener]:
    """Choose how to show an apply."""
    if as_json:
        yield _JsonLines(clock)
    elif terminal.progress:
        with _Bar(terminal) as bar:
            yield bar
    else:
        yield _Lines(terminal)


class _Lines:
    """One line per finished change."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._total = 0
        self._finished = 0

    def planned(self, plan: Plan) -> None:
        """The plan has been shown."""

    def expect(self, changes: int) -> None:
        self._total = changes

    def event(self, event: Event) -> None:
        line = _words(event)
        if event.kind is EventKind.FINISHED:
            self._finished += 1
        if line:
            click.echo(f"{line} [{self._finished}/{self._total}]")

    def ended(self, outcome: Outcome) -> None:
        _say_outcome(outcome, self._terminal)

    def failed(self, error: BaseException) -> None:
        """Whoever raised it says it."""


class _Bar:
    """A progress bar on standard error, problems as lines above it."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def __enter__(self) -> Self:
        from rich.console import Console  # noqa: PLC0415 - only on a terminal
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

        console = Console(stderr=True, no_color=not self._terminal.error_color)
        columns = (TextColumn("applying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress: Any = Progress(*columns, console=console, transient=True)
        self._task: Any = None
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def planned(self, plan: Plan) -> None:
        """The plan has been shown."""

    def expect(self, changes: int) -> None:
        if changes:
            self._progress.start()
            self._task = self._progress.add_task("applying", total=changes)

    def event(self, event: Event) -> None:
        if event.kind is EventKind.FINISHED:
            self._progress.advance(self._task)
        if event.kind is EventKind.RETRYING:
            self._progress.console.print(_words(event), markup=False, highlight=False)

    def ended(self, outcome: Outcome) -> None:
        self._progress.stop()
        _say_outcome(outcome, self._terminal)

    def failed(self, error: BaseException) -> None:
        """Whoever raised it says it."""
        del error
        self._progress.stop()


class _JsonLines:
    """Terraform's event stream; the last line is a change_summary, whatever happens."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        click.echo(version_line(clock()), nl=False)

    def planned(self, plan: Plan) -> None:
        click.echo(planned_lines(plan, self._clock()), nl=False)

    def expect(self, changes: int) -> None:
        """The planned lines say how many."""

    def event(self, event: Event) -> None:
        click.echo(event_line(event, self._clock()), nl=False)

    def ended(self, outcome: Outcome) -> None:
        click.echo(summary_line(outcome, self._clock()), nl=False)

    def failed(self, error: BaseException) -> None:
        summary, _, detail = str(error).partition("\n")
        detail = detail or str(getattr(error, "remedy", ""))
        click.echo(diagnostic_line(self._clock(), summary, detail), nl=False)
        click.echo(summary_line(None, self._clock()), nl=False)


def _say_outcome(outcome: Outcome, terminal: Terminal) -> None:
    complete = all(result.status is ResultStatus.DONE for result in outcome.results) and outcome.error is None
    color = terminal.color if complete else terminal.error_color
    click.echo(outcome_text(outcome, Scene(style=Style(color=color))), nl=False, err=not complete, color=True)


_DONE = {
    "create": "created",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
    "restore": "restored",
    "adopt": "adopted",
    "forget": "forgotten",
    "no-op": "recorded",
}


def _words(event: Event) -> str:
    change, result = event.change, event.result
    if event.kind is EventKind.RETRYING:
        return f"{escape(change.address)}: {escape(event.message)}"
    if event.kind is EventKind.REVERTED and result is not None and not result.left:
        return f"{escape(change.address)}: reverted"
    if event.kind is not EventKind.FINISHED or result is None or result.status is not ResultStatus.DONE:
        return ""
    done = (
        "scheduled for deletion"
        if change.action == "delete" and change.address.startswith("key.")
        else _DONE[change.action]
    )
    identity = f" ({escape(result.identity)})" if result.identity else ""
    return f"{escape(change.address)}: {done}{identity}"
