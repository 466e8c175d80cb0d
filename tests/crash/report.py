"""The table of a sweep."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.crash.sweep import Tried

_HEAD: Final = ("scenario", "crash point", "what went wrong", "tried", "recovered", "lost", "doubled", "stuck", "left")
_FIGURES: Final = _HEAD[3:]
Counts = dict[tuple[str, str, str], Counter[str]]
"""By scenario, kind of crash point, and fault."""


def count(counts: Counts, scenario: str, tried: Tried) -> None:
    """Count one trial, if the fault was reached."""
    if tried.point is None:
        return
    row = counts.setdefault((scenario, tried.point.label, tried.trial.fault.value), Counter())
    wrong = {what: len(getattr(tried, what)) > 0 for what in ("lost", "doubled", "stuck", "left")}
    row.update({"tried": 1, "recovered": int(tried.recovered), **{what: int(found) for what, found in wrong.items()}})


def table(counts: Counts) -> str:
    """Return the table as Markdown, with the sum of each scenario and of all."""
    return "\n".join(_line(cells) for cells in (_HEAD, ["-"] * len(_HEAD), *_rows(counts)))


def _rows(counts: Counts) -> Iterator[list[str]]:
    for scenario in dict.fromkeys(name for name, _, _ in counts):
        own = {place: row for place, row in counts.items() if place[0] == scenario}
        for (_, label, fault), row in sorted(own.items()):
            yield [scenario, label, fault, *_figures(row)]
        yield [f"**{scenario}**", "all", "", *_figures(sum(own.values(), Counter()))]
    yield ["**all**", "", "", *_figures(sum(counts.values(), Counter()))]


def _figures(row: Counter[str]) -> list[str]:
    return [f"{row[name]:,}" for name in _FIGURES]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def story(scenario: str, tried: Tried) -> str:
    """Return what a trial came to that did not end well, and how to see it again."""
    head = f"{scenario}, {tried.trial}: {tried.point} ended with {tried.status}"
    again = f"tests/crash/run --only '{scenario}' --trial {tried.trial}"
    return "\n  ".join([head, *tried.findings, f"once more: {again}"])
