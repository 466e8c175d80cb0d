"""A graph in Graphviz's language, and as the drawing that its program `dot` makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.report.graph_mermaid import FILLS, label, more_label
from kmsplan.report.html.page import Tone

if TYPE_CHECKING:
    import graphviz

    from kmsplan.report.graph import Graph


def graph_dot(graph: Graph) -> str:
    """Return DOT text; what moves has a dashed line from where it was."""
    return str(_digraph(graph).source)


def graph_svg(graph: Graph) -> str:
    """Return an SVG document.

    Raises:
        graphviz.ExecutableNotFound: the program `dot` is missing.
    """
    return str(_digraph(graph).pipe(format="svg", encoding="utf-8"))


def _digraph(graph: Graph) -> graphviz.Digraph:
    import graphviz  # noqa: PLC0415 - of the extra `graph`

    drawing = graphviz.Digraph(
        "kmsplan",
        graph_attr={"rankdir": "LR", "bgcolor": "white", "nodesep": "0.12"},
        node_attr={"shape": "box", "style": "filled,rounded", "fontname": "sans-serif", "fontsize": "11"},
        edge_attr={
            "color": "#57606a",
            "fontcolor": "#57606a",
            "fontname": "sans-serif",
            "fontsize": "9",
            "arrowsize": "0.6",
        },
    )

    def box(name: str, text: str, tone: Tone) -> None:
        fill, ink = FILLS[tone]
        # `&` would begin an entity, which `dot` puts into the drawing as the character that it stands for.
        safe = graphviz.escape(text.replace("&", "&amp;"))
        drawing.node(name, label=safe, fillcolor=fill, color=ink, fontcolor=ink)

    names: dict[str, str] = {}
    for parent, node in graph.walk():
        name = names.setdefault(node.address, f"n{len(names)}")
        box(name, label(node), node.mark.tone if node.mark else Tone.QUIET)
        if parent is not None:
            drawing.edge(names[parent.address], name)
        for number, more in enumerate(node.more):
            box(f"{name}m{number}", more_label(more), more.mark.tone if more.mark else Tone.QUIET)
            drawing.edge(name, f"{name}m{number}")
    for number, more in enumerate(graph.more):
        box(f"m{number}", more_label(more), more.mark.tone if more.mark else Tone.QUIET)
    for _, node in graph.walk():
        if node.was in names:
            drawing.edge(names[node.was], names[node.address], label="was", style="dashed", constraint="false")
    return drawing
