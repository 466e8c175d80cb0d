"""`kmsplan graph`: which key is in which instance, which alias points at it, and what a plan does to them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kmsplan.cli.failure import UserError
from kmsplan.cli.options import Planning, destroy_option, planning_options
from kmsplan.cli.saved import saved_plan
from kmsplan.cli.session import Session, pass_session
from kmsplan.report.graph import MOST

if TYPE_CHECKING:
    from kmsplan.plan.plan import Plan
    from kmsplan.report.graph import Graph


@click.command()
@click.argument("planfile", required=False, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["mermaid", "dot", "svg"]),
    default="mermaid",
    help="Of the graph.  [default: mermaid]",
)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file instead of printing it."
)
@click.option(
    "--most",
    type=click.IntRange(min=0),
    default=MOST,
    metavar="N",
    help=f"Draw N changes at most, the riskiest first, and count the others.  [default: {MOST}]",
)
@destroy_option
@planning_options
@pass_session
def graph(
    session: Session, planning: Planning, planfile: Path | None, *, form: str, output: Path | None, most: int
) -> None:
    """Draw instances, their keys and the keys' aliases, with what the plan does to them in colours and symbols.

    Of the plan saved in PLANFILE, or of the one that kmsplan plan would show. What does not change is counted, not
    drawn. For a merge request: kmsplan graph orders.plan
    """
    from kmsplan.report.graph import graph_of  # noqa: PLC0415 - its help needs none of it
    from kmsplan.report.plan_mark import members  # noqa: PLC0415 - as above

    made = saved_plan(planfile) if planfile is not None else _fresh(session, planning)
    text = _drawn(graph_of(members(made), most), form)
    if output is None:
        session.print(text)
    else:
        session.write(output, text.encode())


def _fresh(session: Session, planning: Planning) -> Plan:
    from kmsplan.cli.plan import make_plan  # noqa: PLC0415

    configuration = session.configuration(planning.variables, to_apply=not planning.destroy)
    made, _ = make_plan(session, configuration, planning, session.store(configuration).load())
    return made


def _drawn(drawing: Graph, form: str) -> str:
    if form == "mermaid":
        from kmsplan.report.graph_mermaid import graph_mermaid  # noqa: PLC0415

        return graph_mermaid(drawing)
    from kmsplan.report.graph_dot import graph_dot, graph_svg  # noqa: PLC0415

    if form == "dot":
        return graph_dot(drawing)
    import graphviz  # noqa: PLC0415 - graph_dot needs it, too

    try:
        return graph_svg(drawing)
    except graphviz.CalledProcessError as error:
        raise UserError(
            f"the program `dot` ended with exit code {error.returncode}",
            "Run kmsplan graph --format dot and give the text to `dot -Tsvg` to see what it says.",
        ) from error
    except graphviz.ExecutableNotFound as error:
        raise UserError(
            "the program `dot`, which draws the SVG, is not on PATH",
            "Install Graphviz (Debian: apt-get install graphviz), or ask for --format mermaid or dot, which need no "
            "program.",
        ) from error
