"""An edit of a file for people: a unified diff, made from the places that were edited, however long the file is."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

from kmsplan.report.escape import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kmsplan.report.style import Style

CONTEXT: Final = 3
"""Unchanged lines before and behind what changed."""


class _Change(NamedTuple):
    """What comes in the place of the lines from `first` up to `last`, which count from 0."""

    first: int
    last: int
    text: str


def edit_text(name: str, before: str, edits: Iterable[tuple[int, int, str]], style: Style) -> str:
    """Return what edits change in a file; nothing where they change nothing.

    Args:
        name: of the file.
        before: its text.
        edits: where characters begin and end, and what comes in their place; in order, without overlap.
        style: how it may look.
    """
    lines = before.splitlines(keepends=True)
    changes = [one for one in _changes(before, lines, edits) if "".join(lines[one.first : one.last]) != one.text]
    shown = [style.bold(f"{mark} {escape(name)}") for mark in ("---", "+++") if changes]
    grown = 0
    for hunk in _hunks(changes):
        shown += _hunk(lines, hunk, grown, style)
        grown += sum(len(one.text.splitlines()) - (one.last - one.first) for one in hunk)
    return "".join(f"{line}\n" for line in shown)


def _changes(before: str, lines: Sequence[str], edits: Iterable[tuple[int, int, str]]) -> Iterator[_Change]:
    """Yield edits widened to whole lines, those that share a line as one."""
    starts = [0, *accumulate(map(len, lines))]
    change, done = _Change(0, 0, ""), 0
    for start, end, text in edits:
        joins = start > 0 and before[start - 1] != "\n"
        first = bisect_right(starts, start - joins) - 1
        if first < change.last or not f"\n{change.text}".endswith("\n"):
            change = change._replace(text=change.text[: len(change.text) - (starts[change.last] - done)])
        else:
            yield change
            change, done = _Change(first, first, ""), starts[first]
        new = f"{change.text}{before[done:start]}{text}"
        last = max(change.last, bisect_left(starts, end))
        if (
            last < len(lines)
            and not f"{new}{before[end : starts[last]]}".endswith("\n")
            and (new or end < starts[last])
        ):
            last += 1
        change, done = _Change(change.first, last, f"{new}{before[end : starts[last]]}"), end
    yield change


def _hunks(changes: Iterable[_Change]) -> Iterator[list[_Change]]:
    """Yield changes that are shown together: their context would touch."""
    hunk: list[_Change] = []
    for change in changes:
        if hunk and change.first - hunk[-1].last > 2 * CONTEXT:
            yield hunk
            hunk = []
        hunk.append(change)
    if hunk:
        yield hunk


def _hunk(lines: Sequence[str], hunk: Sequence[_Change], grown: int, style: Style) -> Iterator[str]:
    first, last = max(hunk[0].first - CONTEXT, 0), min(hunk[-1].last + CONTEXT, len(lines))
    size = last - first + sum(len(one.text.splitlines()) - (one.last - one.first) for one in hunk)
    yield style.cyan(f"@@ -{_range(first, last - first)} +{_range(first + grown, size)} @@")
    at = first
    for change in hunk:
        yield from (_line(" ", line) for line in lines[at : change.first])
        yield from (style.red(_line("-", line)) for line in lines[change.first : change.last])
        yield from (style.green(_line("+", line)) for line in change.text.splitlines())
        at = change.last
    yield from (_line(" ", line) for line in lines[at:last])


def _range(first: int, size: int) -> str:
    """Return lines as a hunk's head has them: a range without lines stands behind the line before it."""
    return f"{first + (size > 0)},{size}"


def _line(mark: str, text: str) -> str:
    return mark + escape(text.rstrip("\r\n"))
