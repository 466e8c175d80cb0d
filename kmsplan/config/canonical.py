"""A file's canonical form: the space between what it says is made new, and nothing else is touched."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from kmsplan.config.document import Document, parse
from kmsplan.config.layout import Layout, Line
from kmsplan.config.place import Source
from kmsplan.config.problems import Problems
from kmsplan.kms.wording import width

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_APART: Final = "  "
"""Between a line and a comment behind it."""


class NotFormattableError(Exception):
    """A file would say something else in canonical form."""


def formatted(document: Document) -> Document:
    """Return a document in canonical form, the same one where it is in it already.

    Args:
        document: one without problems.

    Raises:
        NotFormattableError: the new text does not say the same.
    """
    before = document.source
    text = canonical(before.text)
    return document if text == before.text else same(document, text)


def same(document: Document, text: str) -> Document:
    """Read another text of a document: it must hold the same values, and the same characters but for space.

    Raises:
        NotFormattableError: it does not.
    """
    problems = Problems()
    after = parse(Source(document.source.filename, text), problems)
    if after is None or problems or after.value != document.value or _ink(text) != _ink(document.source.text):
        raise NotFormattableError
    return after


def _ink(text: str) -> str:
    return "".join(text.split())


def canonical(text: str) -> str:
    """Return the canonical form of a text that can be read; its lines end as its first one does."""
    end = "\r\n" if text.partition("\n")[0].endswith("\r") else "\n"
    made = Layout(text.replace("\r\n", "\n"))
    lines = [*_written(made.lines)]
    return end.join([*lines, ""] if lines and made.whole else lines)


def _written(lines: Iterable[Line]) -> Iterator[str]:
    """Yield lines as they are written. Comments that stood below each other do so again."""
    for column, together in groupby(lines, key=lambda line: line.column if line.comment else None):
        found = [(line, f"{' ' * line.indent}{line.body}" if line.body else "") for line in together]
        if column is None:
            yield from (text for _, text in found)
            continue
        widest = max(width(text) for _, text in found)
        for line, text in found:
            yield f"{text}{' ' * (widest - width(text))}{_APART}{line.comment}"
