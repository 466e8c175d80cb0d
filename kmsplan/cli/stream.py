"""The event stream of `kmsplan apply --json`: numbered lines on standard output, to the end whatever the end is."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

import click

from kmsplan.apply.event import EventKind
from kmsplan.apply.outcome import Outcome
from kmsplan.report.event_json import (
    ended_events,
    error_event,
    event_line,
    planned_events,
    problem_event,
    progress_event,
    summary_event,
    version_event,
    warning_event,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from kmsplan.apply.event import Event
    from kmsplan.apply.outcome import Result
    from kmsplan.plan.plan import Plan
    from kmsplan.resource.address import Address


_AT_ONCE: Final = 500
"""Lines that are written together where there are many, of the plan."""
_LAST_LINE: Final = 1.0
"""Seconds that a line may take that is being written when everything has to end."""


class Stream:
    """Hears an apply and tells it as Terraform's events; the last line is a change_summary."""

    def __init__(self, clock: Callable[[], datetime], operation: str) -> None:
        self._clock = clock
        self._operation = operation
        self._sequence = 0
        """Of the last line."""
        self._turn = threading.RLock()  # a signal's handler may come while its own thread writes
        self._results: dict[Address, Result] = {}
        self._ended = False

    def begin(self) -> None:
        """Tell the version."""
        self._send([version_event()])

    def planned(self, plan: Plan) -> None:
        """Tell every change, and what holds them back."""
        self._send(planned_events(plan))

    def expect(self, changes: int) -> None:
        """The planned changes say how many."""

    def event(self, event: Event) -> None:
        """Tell one piece of progress."""
        if event.result is not None and event.kind in (EventKind.FINISHED, EventKind.REVERTED):
            self._results[event.change.address] = event.result
        self._send([progress_event(event)])

    def warn(self, text: str) -> None:
        """Tell what does not stop it."""
        self._send([warning_event(text)])

    def ended(self, outcome: Outcome) -> None:
        """Tell what came of it."""
        self._ended = True
        self._send([*ended_events(outcome), summary_event(outcome, operation=self._operation)])

    def failed(self, error: BaseException) -> None:
        """Tell what went wrong, unless the end was told; whoever reads may have gone, and that is not the error."""
        if not self._ended:
            self._ended = True
            with contextlib.suppress(OSError):
                self._send([*_events_of(error), self._summary_so_far()])

    def cut_off(self) -> None:
        """Tell the end from the handler of a signal, past the buffers, because the process ends at once."""
        stopped = error_event("stopped at once", "The journal keeps what was in flight.")
        self._turn.acquire(timeout=_LAST_LINE)  # another thread may have a line on its way
        with contextlib.suppress(OSError):
            os.write(sys.stdout.fileno(), self._text((stopped, self._summary_so_far())).encode())

    def _summary_so_far(self) -> dict[str, Any]:
        outcome = Outcome(results=tuple(self._results.values())) if self._results else None
        return summary_event(outcome, operation=self._operation)

    def _send(self, events: Iterable[Mapping[str, Any]]) -> None:
        rest = iter(events)
        with self._turn:
            while some := tuple(itertools.islice(rest, _AT_ONCE)):
                text = self._text(some)
                self._sequence += len(some)  # before: an interrupt comes when the line is out
                click.echo(text, nl=False)

    def _text(self, events: Iterable[Mapping[str, Any]]) -> str:
        numbered = enumerate(events, self._sequence + 1)
        return "".join(event_line(event, number, self._clock()) for number, event in numbered)


@contextlib.contextmanager
def terminating() -> Iterator[None]:
    """Take SIGTERM for Ctrl-C, so that a stream that it ends is told its end."""

    def handle(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _events_of(error: BaseException) -> Iterator[dict[str, Any]]:
    """Yield what an error says: every problem of a configuration, else its summary, and what to do."""
    problems = getattr(error, "diagnostics", ())
    if problems:
        yield from map(problem_event, problems)
        return
    if isinstance(error, KeyboardInterrupt):
        yield error_event("cancelled")
        return
    said = error.format_message() if isinstance(error, click.ClickException) else str(error)
    summary, _, detail = said.partition("\n")
    remedy = str(getattr(error, "remedy", ""))
    code = getattr(error, "code", None)
    yield error_event(summary or type(error).__name__, detail or remedy, code=code if isinstance(code, str) else None)
