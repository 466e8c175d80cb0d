"""Places in files: offsets while reading, lines and columns when somebody has to be told."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from kmsplan.config.diagnostic import Span

EXCERPT_LENGTH: Final = 240
SECRET_NAMES: Final = ("pin", "access_key", "passphrase", "material", "password", "secret")
"""Attributes after which an excerpt shows nothing but a well-formed reference."""

_QUOTED: Final = r"""\"(?:[^"\\]|\\.)*\"|'(?:[^']|'')*'"""
_SECRET: Final = (
    rf"(?i)((?:{'|'.join(SECRET_NAMES)})[\"']?\s*:\s*)"
    r"(?!\s|\{\s*(?:env|file)\s*:\s*[A-Za-z0-9_./-]+\s*[,}])"
    rf"(?:{_QUOTED}|.+)"
)
"""What is not clearly quoted is hidden to the end of its line. Compiled with the first excerpt, not at import."""
_LOGIN: Final = r"(://)[^/@\s]+@"
"""User and password in a URL."""


def printable(text: str) -> str:
    """Return text that a terminal shows as it is: what would steer it, or be invisible, as an escape."""
    return text if text.isprintable() else "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    return repr(char)[1:-1]


def concealed(line: str) -> str:
    """Return a line without what looks like a literal secret."""
    return without_login(re.sub(_SECRET, r"\1(not shown)", line))


def without_login(text: str) -> str:
    """Return text without the user and the password of a URL."""
    return re.sub(_LOGIN, r"\1(not shown)@", text)


class Source:
    """The text of one file. Offsets count characters from 0."""

    __slots__ = ("_starts", "filename", "text")

    def __init__(self, filename: str, text: str) -> None:
        self.filename = printable(filename)
        self.text = text
        self._starts: list[int] | None = None

    @property
    def starts(self) -> list[int]:
        """Where each line begins. Lines end as editors see it: with a line feed, whatever stands before it."""
        if self._starts is None:
            self._starts = [0, *accumulate(len(line) + 1 for line in self.text.split("\n"))]
        return self._starts

    def span(self, start: int, end: int) -> Span:
        """Return lines and columns of the characters from `start` up to `end`."""
        starts, end = self.starts, min(end, len(self.text))
        line = bisect_right(starts, start)
        last = line if end < starts[line] else bisect_right(starts, end)
        return Span(self.filename, line, start - starts[line - 1] + 1, last, end - starts[last - 1] + 1)

    def excerpt(self, span: Span) -> str | None:
        """Return the line of `span` without any literal secret; None where `span` lies too far right to show."""
        start, end = self.starts[span.line - 1], self.starts[span.line] - 1
        if span.column > EXCERPT_LENGTH:
            return None
        line = concealed(self.text[start:end].rstrip("\r"))[:EXCERPT_LENGTH]
        # One character for one, so that a caret below still points at its column.
        return "".join(char if char.isprintable() else " " if char == "\t" else "\ufffd" for char in line)


@dataclass(frozen=True, slots=True)
class Place:
    """Characters of a file that a message is about."""

    source: Source
    start: int
    end: int

    @property
    def span(self) -> Span:
        """The same in lines and columns."""
        return self.source.span(self.start, self.end)

    def __str__(self) -> str:
        span = self.span
        return f"{span.filename}:{span.line}:{span.column}"
