"""What a page consists of, as values: every report is made of the same few parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kmsplan.report.graph import Graph


class Tone(StrEnum):
    """How something is coloured; a glyph or a word always says the same."""

    GOOD = "good"
    CHANGE = "change"
    BAD = "bad"
    INFO = "info"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Mark:
    """What becomes of an object, or how it came out."""

    glyph: str
    word: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the summary."""

    number: str
    words: str
    tone: Tone = Tone.QUIET


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something to look at before everything else."""

    mark: Mark
    title: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    title: str
    chips: bool = False
    """Whether its few different values can be switched on and off."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: as many cells as there are columns; the mark stands before the second one's text."""

    mark: Mark
    cells: tuple[str, ...]
    detail: tuple[str, ...] = ()
    """Lines that the first cell unfolds to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows that can be filtered and sorted."""

    columns: tuple[Column, ...]
    rows: Sequence[Row]
    """In the order in which they are to be read."""


@dataclass(frozen=True, slots=True)
class Bar:
    """How much falls into one month."""

    label: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of a page, under a heading; it is left out where it holds nothing."""

    id: str
    title: str
    intro: str = ""
    """One paragraph."""
    notices: tuple[Notice, ...] = ()
    bars: tuple[Bar, ...] = ()
    table: Table | None = None
    graph: Graph | None = None
    facts: tuple[tuple[str, str], ...] = ()
    """Name and value."""
    commands: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing under the heading."""
        graph = self.graph is not None and bool(self.graph.roots)
        rows = self.table is not None and bool(self.table.rows)
        return not (self.notices or rows or graph or self.facts or self.commands)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A whole report."""

    title: str
    headline: str
    """The answer, in one sentence."""
    tone: Tone
    when: str
    environment: str
    figures: tuple[Figure, ...]
    sections: tuple[Section, ...]
