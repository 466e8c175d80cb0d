"""`kmsplan show`: the state, or a saved plan."""

from __future__ import annotations

from pathlib import Path

import click

from kmsplan.cli.options import Variables, json_option, variable_options
from kmsplan.cli.reporting import Reports, scene_of
from kmsplan.cli.session import Session, pass_session
from kmsplan.report.form import Subject


@click.command()
@click.argument("planfile", required=False, type=click.Path(path_type=Path))
@json_option
@variable_options
@pass_session
def show(session: Session, variables: Variables, planfile: Path | None, *, as_json: bool) -> None:
    """Show the state, or the plan saved in PLANFILE."""
    if planfile is not None:
        from kmsplan.plan.planfile import digest, load  # noqa: PLC0415

        saved = load(planfile.read_bytes())
        reports = Reports(subject=Subject.PLAN, form="json" if as_json else "text")
        reports.deliver(session, saved, scene_of(session, None, saved.environment))
        if not as_json:
            from kmsplan.report.escape import escape  # noqa: PLC0415

            session.say(f"Author: {escape(saved.author)}\nDigest: sha256:{digest(saved)}")
        return
    recorded = session.store(session.configuration(variables)).load()
    if as_json:
        from kmsplan.report.state_json import state_json  # noqa: PLC0415

        session.print(state_json(recorded))
    else:
        from kmsplan.report.state_text import state_text  # noqa: PLC0415
        from kmsplan.report.style import Style  # noqa: PLC0415

        session.print(state_text(recorded, Style(color=session.terminal.color)))
