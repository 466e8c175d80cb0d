"""A graph as Mermaid text, which merge requests and wikis draw.

Mermaid has no quoting: text goes into `["..."]`, and whatever could end it, or mean Markdown or HTML, is written as
`#NUMBER;`, which Mermaid takes as one character.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.report.html.page import Tone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kmsplan.report.graph import Graph, More, Node

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9 .:_,/-]|^[^A-Za-z0-9]")
"""At the beginning a `-` would be a list's."""
_QUIET: Final = Tone.QUIET
FILLS: Final[Mapping[Tone, tuple[str, str]]] = MappingProxyType(
    {
        Tone.GOOD: ("#eaf8ee", "#116329"),
        Tone.CHANGE: ("#fff6dd", "#7d4e00"),
        Tone.BAD: ("#ffefee", "#b4151f"),
        Tone.INFO: ("#e9f3fe", "#0b4f8a"),
        Tone.QUIET: ("#f6f8fa", "#57606a"),
    }
)
"""By tone: the colour behind the text, and the text's own, dark enough upon it (contrast above 4.5)."""


def graph_mermaid(graph: Graph) -> str:
    """Return a flowchart from left to right; what moves has a dotted line from where it was."""
    return "".join(f"{line}\n" for line in _lines(graph))


def label(node: Node) -> str:
    """Return what a node says: glyph, address and what becomes of it."""
    return f"{node.mark.glyph} {node.address}: {node.mark.word}" if node.mark else node.address


def more_label(more: More) -> str:
    """Return what stands for objects that are counted alone."""
    return f"{more.mark.glyph} {more}" if more.mark else str(more)


def _lines(graph: Graph) -> Iterator[str]:
    yield "flowchart LR"
    for tone, (fill, ink) in FILLS.items():
        yield f"  classDef {tone} fill:{fill},stroke:{ink},color:{ink}"
    names: dict[str, str] = {}
    for parent, node in graph.walk():
        names[node.address] = f"n{len(names)}"
        yield _box(names[node.address], label(node), node.mark.tone if node.mark else _QUIET)
        if parent is not None:
            yield f"  {names[parent.address]} --> {names[node.address]}"
        for number, more in enumerate(node.more):
            name = f"{names[node.address]}m{number}"
            yield _box(name, more_label(more), more.mark.tone if more.mark else _QUIET)
            yield f"  {names[node.address]} --> {name}"
    for number, more in enumerate(graph.more):
        yield _box(f"m{number}", more_label(more), more.mark.tone if more.mark else _QUIET)
    for _, node in graph.walk():
        if node.was in names:
            yield f"  {names[node.was]} -. was .-> {names[node.address]}"


def _box(name: str, text: str, tone: Tone) -> str:
    return f'  {name}["{_quoted(text)}"]:::{tone}'


def _quoted(text: str) -> str:
    return _UNSAFE.sub(lambda found: f"#{ord(found[0])};", text)
