"""Standard input, output and error as every command may take them for granted."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import TextIO

    from _typeshed import ReadableBuffer

_NAMES: Final = ("standard input", "standard output", "standard error")


def prepare() -> None:
    """Open those that whoever started this process has closed, and name them in errors.

    The next file that is opened would have a closed one's number, and what is meant for standard error, of a child
    process, too, would be written into it.
    """
    for number in range(len(_NAMES)):
        if not _is_open(number):
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - gets the lowest free number: this
    sys.stdin = sys.stdin or io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), encoding="utf-8")
    sys.stdout = _named(1, sys.stdout)
    sys.stderr = _named(2, sys.stderr)


def finish() -> None:
    """Drop what cannot be written: it was told as an error, and Python would tell it again and choose an exit code."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)


class _Output(io.FileIO):
    """Where output goes; its errors say so, like those of files that have names."""

    def __init__(self, number: int) -> None:
        super().__init__(number, "w", closefd=False)
        self._named = _NAMES[number]

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            error.filename = self._named
            raise


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _named(number: int, was: TextIO | None) -> TextIO:
    """Return another stream that is like one; None is one that was closed."""
    raw = _Output(number)
    if not isinstance(was, io.TextIOWrapper):
        return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors="replace")
    with suppress(OSError):
        was.flush()  # what was printed as the interpreter started comes first
    return io.TextIOWrapper(
        # As Python does it with PYTHONUNBUFFERED.
        raw if isinstance(was.buffer, io.RawIOBase) else io.BufferedWriter(raw),
        encoding=was.encoding,
        errors=was.errors,
        line_buffering=was.line_buffering,
        write_through=was.write_through,
    )
