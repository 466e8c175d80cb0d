"""`kmsplan inventory`: every key with its facts."""

from __future__ import annotations

import click

from kmsplan.cli.options import Variables, variable_options
from kmsplan.cli.planning import due_of, observe, reading
from kmsplan.cli.reporting import Reports, report_options, scene_of
from kmsplan.cli.session import Session, pass_session
from kmsplan.report.form import Subject


@click.command()
@click.option("--all", "every", is_flag=True, help="List the keys that this configuration does not manage, too.")
@report_options(Subject.INVENTORY)
@variable_options
@pass_session
def inventory(session: Session, variables: Variables, reports: Reports, *, every: bool) -> None:
    """List every key with its facts; cannot change anything.

    What the KMS does not tell is said to be unknown. The form cyclonedx is a cryptography bill of materials (CBOM).
    """
    from kmsplan.inventory.taking import take  # noqa: PLC0415 - --help needs none of it

    configuration = session.configuration(variables)
    recorded = session.store(configuration).load()
    with reading(session, configuration) as reader:
        read = observe(reader, configuration, recorded)
    due = due_of(configuration, read) if reports.dated else ()
    scene = scene_of(session, configuration, read.observed.environment, due)
    reports.deliver(session, take(configuration, read.recorded, read.observed, scene.now, every=every), scene)
