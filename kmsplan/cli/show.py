"""`kmsplan show`: the state, or a saved plan."""

from __future__ import annotations

from pathlib import Path

import click

from kmsplan.cli.options import Variables, variable_options
from kmsplan.cli.reporting import JSON, TEXT, Reports, report_options, scene_of
from kmsplan.cli.saved import saved_plan
from kmsplan.cli.session import Session, pass_session
from kmsplan.report.form import Subject


@click.command()
@click.argument("planfile", required=False, type=click.Path(path_type=Path))
@report_options(Subject.PLAN)
@variable_options
@pass_session
def show(session: Session, variables: Variables, planfile: Path | None, reports: Reports) -> None:
    """Show the state, or the plan saved in PLANFILE.

    A saved plan can be had in every form that kmsplan plan has; the state as text and JSON.
    """
    if planfile is not None:
        _plan(session, planfile, reports)
    elif reports.files or reports.output is not None or reports.form not in (TEXT, JSON):
        raise click.UsageError("--report, --output and other forms than text and json are for a saved plan: PLANFILE")
    else:
        _state(session, variables, as_json=reports.form == JSON)


def _plan(session: Session, planfile: Path, reports: Reports) -> None:
    from kmsplan.plan.planfile import digest  # noqa: PLC0415

    saved, configuration = saved_plan(planfile), None
    if reports.files or reports.form not in (TEXT, JSON):  # which say where an object is declared
        from kmsplan.cli.applying import saved_configuration  # noqa: PLC0415

        configuration = saved_configuration(session, saved)
    reports.deliver(session, saved, scene_of(session, configuration, saved.environment))
    if reports.form == TEXT and reports.output is None:
        from kmsplan.report.escape import escape  # noqa: PLC0415

        session.say(f"Author: {escape(saved.author)}\nDigest: sha256:{digest(saved)}")


def _state(session: Session, variables: Variables, *, as_json: bool) -> None:
    recorded = session.store(session.configuration(variables)).load()
    if as_json:
        from kmsplan.report.state_json import state_json  # noqa: PLC0415

        session.print(state_json(recorded))
    else:
        from kmsplan.report.state_text import state_text  # noqa: PLC0415
        from kmsplan.report.style import Style  # noqa: PLC0415

        session.print(state_text(recorded, Style(color=session.terminal.color)))
