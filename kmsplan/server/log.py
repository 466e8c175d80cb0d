"""The server's log: one line a request on standard error, as JSON or as text.

Lines are gathered and written by a thread, because whoever reads them may be slow, and requests do not wait for that.
When more than `KEPT` bytes wait, or the disk that they go to is full, lines are dropped and counted. A line says who
asked for which action and how that ended; parameters, keys and answers are not in it.
"""

from __future__ import annotations

import os
import select
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

KEPT: Final = 8 * 1024 * 1024
_END: Final = b"\n"
_STDERR: Final = 2
_PAUSE: Final = 0.05
"""Seconds for which lines are gathered."""


class Style(StrEnum):
    """How lines look."""

    JSON = "json"
    TEXT = "text"
    OFF = "off"
    """Errors alone, as JSON: those are always written."""


def tell(style: Style, level: str, event: str, **fields: Any) -> None:
    """Write one line on standard error at once, for a process without threads."""
    _write(_STDERR, _formats(style)({"time": datetime.now(UTC), "level": level, "event": event, **fields}))


class Log:
    """The log of one process.

    Args:
        style: how lines look.
        descriptor: where they go.
        clock: seconds since 1970.
    """

    def __init__(self, style: Style, descriptor: int, clock: Callable[[], float]) -> None:
        self.requests = style is not Style.OFF
        """Whether requests are logged that went as they should."""
        self._format = _formats(style)
        self._descriptor = descriptor
        self._clock = clock
        self._lines: deque[bytes] = deque()
        self._taken = 0
        """Bytes of lines taken in so far; `_gone` of those written. Each is counted by one thread alone."""
        self._gone = 0
        self._refused = 0
        self._lost = 0
        """Lines that found no room here, and none where they go to."""
        self._torn = b""
        """What ends the line that was written in part."""
        self._closed = False
        self._filled = Condition()
        self._thread = Thread(target=self._serve, name="kmsplan log", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """How many lines were not written."""
        return self._refused + self._lost

    def write(self, level: str, event: str, **fields: Any) -> None:
        """Write a line: what happened, and facts about it."""
        line = self._format(
            {"time": datetime.fromtimestamp(self._clock(), UTC), "level": level, "event": event, **fields}
        )
        if self._taken - self._gone + len(line) > KEPT:
            self._refused += 1
            return
        self._taken += len(line)
        self._lines.append(line)
        if len(self._lines) == 1:
            with self._filled:
                self._filled.notify()

    def close(self) -> None:
        """Write what waits, and end the thread."""
        with self._filled:
            self._closed = True
            self._filled.notify()
        self._thread.join(timeout=1.0)

    def _serve(self) -> None:
        while True:
            with self._filled:
                self._filled.wait_for(lambda: self._lines or self._closed)
                if not self._closed:
                    self._filled.wait_for(lambda: self._closed, timeout=_PAUSE)
                closed = self._closed
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            self._put(lines)
            self._gone += sum(map(len, lines))
            if closed and not self._lines:
                return

    def _put(self, lines: Sequence[bytes]) -> None:
        """Write lines; drop what cannot be written now: a full disk may have space again for the next."""
        data = self._torn + b"".join(lines)
        written = _write(self._descriptor, data)
        if written:
            self._torn = b"" if data[written - 1 : written] == _END else _END
        self._lost += min(data.count(_END, written), len(lines))


def _write(descriptor: int, data: bytes) -> int:
    """Write what can be written, however long whoever reads it takes; return how many bytes that were."""
    written = 0
    with suppress(OSError):
        while written < len(data):
            try:
                written += os.write(descriptor, memoryview(data)[written:])
            except BlockingIOError:  # another program that shares it does not want to wait
                select.select([], [descriptor], [])
    return written


def _formats(style: Style) -> Callable[[dict[str, Any]], bytes]:
    return _text if style is Style.TEXT else _json


def _json(fields: dict[str, Any]) -> bytes:
    return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z, default=str)


def _text(fields: dict[str, Any]) -> bytes:
    time, level, event = fields.pop("time"), fields.pop("level"), fields.pop("event")
    rest = " ".join(f"{name}={_quoted(value)}" for name, value in fields.items())
    return f"{time:%H:%M:%S}.{time.microsecond // 1000:03} {level:<5} {event} {rest}\n".encode()


def _quoted(value: Any) -> str:
    """Return a value without anything that a terminal would obey."""
    text = str(value)
    return text if text.isprintable() and " " not in text and text.isascii() else ascii(text)
