"""`kmsplan validate`: every problem, with its place."""

from __future__ import annotations

import click

from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.options import Variables, variable_options
from kmsplan.cli.reporting import TEXT, Reports, report_options, scene_of
from kmsplan.cli.session import Session, pass_session
from kmsplan.kms.wording import counted
from kmsplan.report.form import Subject


@click.command()
@report_options(Subject.VALIDATION)
@variable_options
@pass_session
def validate(session: Session, variables: Variables, reports: Reports) -> ExitCode:
    """Check the configuration: syntax, values, and the KMS's own rules. Reaches nothing, changes nothing."""
    from kmsplan.config.diagnostic import ConfigurationError, Validation  # noqa: PLC0415

    people = reports.form == TEXT and reports.output is None
    try:
        configuration = session.configuration(variables, to_apply=True)
    except ConfigurationError as error:
        found, scene = Validation(diagnostics=error.diagnostics), scene_of(session, None)
        if people:
            reports.keep(session, found, scene)
            raise
        reports.deliver(session, found, scene)
        return ExitCode.ERROR
    found = Validation(diagnostics=configuration.warnings, objects=len(configuration.desired))
    if not people:
        reports.deliver(session, found, scene_of(session, configuration))
        return ExitCode.DONE
    if configuration.warnings:
        from kmsplan.report.diagnostics_text import diagnostics_text  # noqa: PLC0415
        from kmsplan.report.style import Style  # noqa: PLC0415

        session.note(diagnostics_text(configuration.warnings, Style(color=session.terminal.error_color)).rstrip())
    session.say(f"Success! The configuration is valid: {counted(len(configuration.desired), 'object')}.")
    reports.keep(session, found, scene_of(session, configuration))
    return ExitCode.DONE
