"""`kmsplan drift`: what changed behind its back."""

from __future__ import annotations

import click

from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.options import Variables, variable_options
from kmsplan.cli.planning import drift_of, observe, reading
from kmsplan.cli.reporting import Reports, report_options, scene_of
from kmsplan.cli.session import Session, pass_session
from kmsplan.drift.report import DriftReport, Finding
from kmsplan.report.form import Subject


@click.command()
@report_options(Subject.DRIFT)
@variable_options
@pass_session
def drift(session: Session, variables: Variables, reports: Reports) -> ExitCode:
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
    report = DriftReport(
        findings=tuple(Finding(drift=one, fingerprint="") for one in drift_of(configuration, read)),
        checked=len(read.recorded.records),
    )
    reports.deliver(session, report, scene_of(session, configuration, read.observed.environment))
    return ExitCode.CHANGES if report.findings else ExitCode.DONE
