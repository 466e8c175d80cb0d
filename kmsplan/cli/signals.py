"""Ctrl-C and SIGTERM during an apply: once, finish what is in flight; twice, stop now."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any, Final

from kmsplan.cli.exitcode import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kmsplan.apply.stop import StopSignal

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def stopping(note: Callable[[str], None], cut_off: Callable[[], None] = lambda: None) -> Iterator[StopSignal]:
    """Turn the first signal into a wish to stop, and the second into the end of the process.

    Ending at once is safe: the journal holds the begin of everything in flight, and the next run looks it up.

    Args:
        note: prints a line for people.
        cut_off: called right before the process ends at once.
    """
    from kmsplan.apply.stop import StopSignal  # noqa: PLC0415

    stop = StopSignal()

    def handle(number: int, frame: Any) -> None:
        del number, frame
        if stop.is_set:
            os.write(2, b"\nStopped at once. The journal keeps what was in flight; run kmsplan apply again.\n")
            cut_off()
            os._exit(ExitCode.CANCELLED)
        stop.set()
        note("\nStopping: nothing new is started, what is in flight is finished. Once more to stop at once.")

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
