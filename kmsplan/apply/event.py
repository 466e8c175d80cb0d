"""Progress as values: what begins, ends, or is tried again."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.apply.outcome import Result
    from kmsplan.plan.plan import Change


class EventKind(StrEnum):
    """What happened to a change."""

    STARTED = "started"
    RETRYING = "retrying"
    FINISHED = "finished"
    """Done, failed, skipped, cancelled or in doubt: `result` says which. Every change finishes exactly once."""
    REVERTED = "reverted"
    """A change that had finished was undone, as far as `result` says, because another one failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One piece of progress."""

    kind: EventKind
    change: Change
    result: Result | None = None
    message: str = ""
    """RETRYING: what failed, and how long it waits."""


class Reporter:
    """Hands events to a listener, one at a time, whichever thread they come from.

    A listener that fails (whoever read the output has gone) is not called again; the work goes on, and `failure` says
    what happened.
    """

    def __init__(self, listener: Callable[[Event], None]) -> None:
        self._listener = listener
        self._turn = threading.Lock()
        self.failure: Exception | None = None

    def report(self, event: Event) -> None:
        """Hand over one event."""
        with self._turn:
            if self.failure is None:
                try:
                    self._listener(event)
                except Exception as error:  # noqa: BLE001 - kept, and raised by whoever started the run
                    self.failure = error
