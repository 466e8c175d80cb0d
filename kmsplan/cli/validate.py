"""`kmsplan validate`: every problem, with its place."""

from __future__ import annotations

import click

from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.options import Variables, json_option, variable_options
from kmsplan.cli.session import Session, pass_session


@click.command()
@json_option
@variable_options
@pass_session
def validate(session: Session, variables: Variables, *, as_json: bool) -> ExitCode:
    """Check the configuration: syntax, values, and the KMS's own rules. Reaches nothing, changes nothing.

    For example: kmsplan -C keys validate --var-file keys/prod.vars.yaml
    """
    from kmsplan.config.diagnostic import ConfigurationError  # noqa: PLC0415

    try:
        configuration = session.configuration(variables, to_apply=True)
    except ConfigurationError as error:
        if not as_json:
            raise
        from kmsplan.report.diagnostics_json import diagnostics_json  # noqa: PLC0415

        session.print(diagnostics_json(error.diagnostics))
        return ExitCode.ERROR
    if as_json:
        from kmsplan.report.diagnostics_json import diagnostics_json  # noqa: PLC0415

        session.print(diagnostics_json(configuration.warnings))
    else:
        if configuration.warnings:
            from kmsplan.report.diagnostics_text import diagnostics_text  # noqa: PLC0415
            from kmsplan.report.style import Style  # noqa: PLC0415

            session.note(diagnostics_text(configuration.warnings, Style(color=session.terminal.error_color)).rstrip())
        session.say(f"Success! The configuration is valid: {len(configuration.desired)} objects.")
    return ExitCode.DONE
