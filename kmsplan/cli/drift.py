"""`kmsplan drift`: what changed behind its back, who did it, and what becomes of it."""

from __future__ import annotations

from pathlib import Path

import click

from kmsplan.cli import suggest
from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.options import Variables, variable_options
from kmsplan.cli.planning import due_of
from kmsplan.cli.reporting import JSON, TEXT, Reports, report_options, scene_of
from kmsplan.cli.session import Session, pass_session
from kmsplan.report.form import Subject


@click.command()
@click.argument("addresses", metavar="[ADDRESS]...", nargs=-1, shell_complete=suggest.addresses)
@click.option("--accept", is_flag=True, help="Write what the KMS holds into the configuration; of ADDRESSes, or all.")
@click.option("--auto-approve", is_flag=True, help="With --accept: do not ask.")
@click.option(
    "--events",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Audit events that tell who did it: ActionTrail's, or kmsplan engine audit export.",
)
@click.option(
    "--memory",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Remember in this file since when drift is known.",
)
@report_options(Subject.DRIFT)
@variable_options
@pass_session
def drift(
    session: Session,
    addresses: tuple[str, ...],
    variables: Variables,
    reports: Reports,
    events: Path | None,
    memory: Path | None,
    *,
    accept: bool,
    auto_approve: bool,
) -> ExitCode:
    """Report what differs from the state. Exits with 2 where anything does; cannot change the KMS or the state.

    For a nightly job: kmsplan drift --format json --output drift.json
    """
    from kmsplan.cli.drifting import explained  # noqa: PLC0415 - its help needs none of it

    _refuse_together(addresses, reports, accept=accept, auto_approve=auto_approve)
    found = explained(session, variables, events=events, memory=memory)
    due = due_of(found.configuration, found.read) if reports.dated else ()
    scene = scene_of(session, found.configuration, found.environment, due)
    if accept:
        from kmsplan.cli.accepting import accept as write  # noqa: PLC0415 - as above

        reports.keep(session, found.report, scene)
        write(session, variables, found, addresses, auto_approve=auto_approve)
        return ExitCode.DONE
    reports.deliver(session, found.report, scene)
    return ExitCode.CHANGES if found.report.findings else ExitCode.DONE


def _refuse_together(addresses: tuple[str, ...], reports: Reports, *, accept: bool, auto_approve: bool) -> None:
    """Refuse options that mean nothing together.

    Raises:
        UsageError: they do not.
    """
    if not accept and (addresses or auto_approve):
        raise click.UsageError("ADDRESS and --auto-approve go with --accept; a report shows all drift")
    if accept and (reports.form != TEXT or reports.output is not None):
        raise click.UsageError(f"--accept shows what it writes; for a report beside it there is --report {JSON}=FILE")
