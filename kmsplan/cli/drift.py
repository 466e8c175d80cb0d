"""`kmsplan drift`: what changed behind its back."""

from __future__ import annotations

from pathlib import Path

import click

from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.options import Variables, json_option, variable_options
from kmsplan.cli.planning import drift_of, observe, reading
from kmsplan.cli.session import Session, pass_session


@click.command()
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="Of the report.  [default: text]"
)
@click.option(
    "--output", "target", type=click.Path(path_type=Path, dir_okay=False), help="Write the report to this file."
)
@json_option
@variable_options
@pass_session
def drift(session: Session, variables: Variables, form: str, target: Path | None, *, as_json: bool) -> ExitCode:
    """Report what differs from the state. Exits with 2 where anything does; cannot change anything.

    For a nightly job: kmsplan drift --format json --output drift.json
    """
    configuration = session.configuration(variables)
    recorded = session.store(configuration).load()
    with reading(session, configuration) as reader:
        read = observe(reader, configuration, recorded)
    seen = read.observed.ahead_of(recorded.lineage, recorded.serial)
    if seen is not None:
        session.note(
            f"The KMS has seen {seen}, and this state is at serial {recorded.serial}: an old one was put back, so that "
            "what an apply has done since shows as drift (P120)."
        )
    found = drift_of(configuration, read)
    if as_json or form == "json":
        from kmsplan.report.drift_json import drift_json  # noqa: PLC0415

        report = drift_json(found, checked=len(read.recorded.records))
    else:
        from kmsplan.report.drift_text import drift_text  # noqa: PLC0415
        from kmsplan.report.style import Style  # noqa: PLC0415

        style = Style(color=session.terminal.color and target is None)
        report = drift_text(found, style)
    if target is None:
        session.print(report)
    else:
        session.write(target, report.encode())
    return ExitCode.CHANGES if found else ExitCode.DONE
