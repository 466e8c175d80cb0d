"""Showing that long work goes on: a line that comes and goes on a terminal, now and then a line elsewhere.

All of it is on standard error, and nothing of it comes before work has taken a second: what is quick says nothing.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, Self, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.cli.terminal import Terminal

PATIENCE: Final = 1.0
_BEAT: Final = 0.2
PERIOD: Final = 10.0
"""Seconds between two lines where there is no terminal."""
_ERASE: Final = "\r\x1b[K"


class Meter:
    """Shows one piece of work while it is under way; without a count, how long it takes."""

    def __init__(
        self,
        terminal: Terminal,
        doing: str,
        things: str,
        out: TextIO,
        *,
        total: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        patience: float = PATIENCE,
    ) -> None:
        """Prepare.

        Args:
            terminal: says whether and how.
            doing: the work, as in "Reading the KMS".
            things: what is counted, as in "objects".
            out: standard error.
            total: of them, where that is known beforehand.
            clock: seconds of a monotonic clock.
            patience: seconds of work before a terminal shows anything.
        """
        self._terminal = terminal
        self._doing = doing
        self._things = things
        self._out = out
        self._clock = clock
        self._patience = patience
        self._done = 0
        self._total = total
        self._began = self._next = 0.0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._began = self._clock()
        self._next = self._began + PERIOD
        if self._terminal.progress:
            self._thread = threading.Thread(target=self._live, name="kmsplan-meter", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def tell(self, done: int, total: int | None = None) -> None:
        """So much is done; cheap, and safe to call from several threads."""
        self._done, self._total = done, self._total if total is None else total
        if self._thread is None and not self._terminal.quiet and self._clock() >= self._next:
            self._next = self._clock() + PERIOD
            self._write(f"{self.line()}\n")

    def line(self) -> str:
        """Return what is known of the work."""
        elapsed = self._clock() - self._began
        if not self._done:
            return f"{self._doing}: {f'{self._total:,} {self._things}, ' if self._total else ''}{elapsed:.0f} s"
        rate = self._done / elapsed if elapsed else 0.0
        of = "" if self._total is None else f" of {self._total:,}"
        left = (self._total - self._done) / rate if self._total and rate else 0.0
        rest = f", {left:.0f} s left" if left >= 1 else ""
        return f"{self._doing}: {self._done:,}{of} {self._things}, {rate:,.0f}/s{rest}"

    def _live(self) -> None:
        """Draw until the work has ended, and leave nothing behind."""
        if self._ended.wait(self._patience):
            return
        room = (self._terminal.error_columns or 80) - 1
        while True:
            self._write(f"{_ERASE}{self.line()[:room]}")
            if self._ended.wait(_BEAT):
                break
        self._write(_ERASE)

    def _write(self, text: str) -> None:
        """Print; whoever looked may have gone, and the work goes on."""
        try:
            self._out.write(text)
            self._out.flush()
        except (OSError, ValueError):
            self._ended.set()
