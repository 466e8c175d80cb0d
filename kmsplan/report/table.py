"""Tables for people: as wide as what is in them, or a block for each row where the terminal is too narrow for that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.kms.wording import width
from kmsplan.report.escape import escape
from kmsplan.report.style import Style

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_GAP: Final = "  "
_PLAIN: Final = Style()


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], columns: int | None, style: Style = _PLAIN
) -> Iterator[str]:
    """Yield the lines of a table, without their newlines; nothing of a cell is ever cut off.

    Args:
        head: what each column is called; "" for one that explains itself.
        rows: as many cells each; text of anybody, escaped here.
        columns: how wide the terminal is; None where nothing limits the width.
        style: marks the heads.
    """
    safe = [[escape(cell) for cell in row] for row in rows]
    sizes = [max(map(width, column)) for column in zip(head, *safe, strict=True)]
    if columns is None or sum(sizes) + len(_GAP) * (len(sizes) - 1) <= columns:
        yield style.bold(_line(head, sizes))
        yield from (_line(row, sizes) for row in safe)
        return
    for row in safe:
        yield from _block(head, row, columns, style)


def _line(cells: Sequence[str], sizes: Sequence[int]) -> str:
    return _GAP.join(cell + " " * (size - width(cell)) for cell, size in zip(cells, sizes, strict=True)).rstrip()


def _block(head: Sequence[str], row: Sequence[str], columns: int, style: Style) -> Iterator[str]:
    """Yield one row: its first cell, and below it the others, each with its column's name; empty ones say nothing."""
    yield style.bold(f"{head[0]}: {row[0]}" if head[0] else row[0])
    for name, cell in zip(head[1:], row[1:], strict=True):
        if not cell:
            continue
        label = f"{name}: " if name else ""
        if len(_GAP) + width(label + cell) <= columns:
            yield f"{_GAP}{label}{cell}"
        else:
            yield from ([f"{_GAP}{name}:"] if name else [])
            yield f"{_GAP}{_GAP}{cell}" if name else f"{_GAP}{cell}"
