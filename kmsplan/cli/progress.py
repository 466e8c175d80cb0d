"""Showing an apply as it goes: a bar on a terminal, plain lines elsewhere, events for machines."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import click

from kmsplan.apply.event import EventKind
from kmsplan.apply.outcome import ResultStatus
from kmsplan.report.escape import escape
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


_ROOM: Final = 60
"""Columns that a bar needs beside its counts."""


class Listener(Protocol):
    """Hears of everything that happens in an apply."""

    def begin(self) -> None:
        """It begins, and nothing was looked at yet."""

    def planned(self, plan: Plan) -> None:
        """What will be done is decided."""

    def expect(self, changes: int) -> None:
        """So many changes will finish."""

    def event(self, event: Event) -> None:
        """One piece of progress."""

    def warn(self, text: str) -> None:
        """Something stops nothing, and somebody should know it."""

    def ended(self, outcome: Outcome) -> None:
        """All is done that could be."""

    def failed(self, error: BaseException) -> None:
        """It was refused, or could not be begun."""

    def cut_off(self) -> None:
        """The process ends now, with things in flight; called by the handler of a signal."""


@contextlib.contextmanager
def listener(terminal: Terminal, *, as_json: bool, clock: Callable[[], datetime], operation: str) -> Iterator[Listener]:
    """Choose how to show an apply, from before its configuration is read: what stops it is told, too."""
    with contextlib.ExitStack() as stack:
        heard: Listener
        if as_json:
            from kmsplan.cli.stream import Stream, terminating  # noqa: PLC0415 - only for machines

            stack.enter_context(terminating())
            heard = Stream(clock, operation)
        else:
            heard = stack.enter_context(_Bar(terminal)) if terminal.progress else _Lines(terminal)
        try:
            heard.begin()
            yield heard
        except BaseException as error:
            heard.failed(error)
            raise


class _Lines:
    """One line per finished change."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._total = 0
        self._finished = 0

    def begin(self) -> None:
        """There is nothing to show."""

    def planned(self, plan: Plan) -> None:
        """The plan has been shown."""

    def expect(self, changes: int) -> None:
        self._total = changes

    def event(self, event: Event) -> None:
        line = _words(event)
        if event.kind is EventKind.FINISHED:
            self._finished += 1
        if line and not self._terminal.quiet:
            click.echo(f"{line} [{self._finished}/{self._total}]")

    def warn(self, text: str) -> None:
        click.echo(text, err=True)

    def ended(self, outcome: Outcome) -> None:
        _say_outcome(outcome, self._terminal)

    def failed(self, error: BaseException) -> None:
        """Whoever raised it says it."""

    def cut_off(self) -> None:
        """The handler says it."""


class _Bar:
    """A progress bar on standard error, problems as lines above it."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._progress: Any = None
        self._task: Any = None
        self._finished = 0
        self._began = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def begin(self) -> None:
        """There is nothing to show."""

    def planned(self, plan: Plan) -> None:
        """The plan has been shown."""

    def expect(self, changes: int) -> None:
        if changes:
            self._progress = self._bar()
            self._progress.start()
            self._task = self._progress.add_task("applying", total=changes, rate="")
            self._began = time.monotonic()

    def event(self, event: Event) -> None:
        if self._progress is None:
            return
        if event.kind is EventKind.FINISHED:
            self._finished += 1
            rate = self._finished / max(time.monotonic() - self._began, 0.001)
            self._progress.update(self._task, advance=1, rate=f"{rate:,.0f}/s")
        if event.kind is EventKind.RETRYING:
            self._progress.console.print(_words(event), markup=False, highlight=False)

    def warn(self, text: str) -> None:
        self._stop()
        click.echo(text, err=True)

    def ended(self, outcome: Outcome) -> None:
        self._stop()
        _say_outcome(outcome, self._terminal)

    def failed(self, error: BaseException) -> None:
        """Whoever raised it says it."""
        del error
        self._stop()

    def cut_off(self) -> None:
        """The handler says it."""

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _bar(self) -> Any:
        from rich import progress  # noqa: PLC0415 - only on a terminal
        from rich.console import Console  # noqa: PLC0415

        console = Console(stderr=True, no_color=not self._terminal.error_color)
        counts = (progress.MofNCompleteColumn(), progress.TextColumn("{task.fields[rate]}"))
        if (self._terminal.error_columns or _ROOM) < _ROOM:
            return progress.Progress(*counts, console=console, transient=True)
        return progress.Progress(
            progress.TextColumn("applying"),
            progress.BarColumn(),
            *counts,
            progress.TimeRemainingColumn(),
            console=console,
            transient=True,
        )


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
