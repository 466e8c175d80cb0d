"""`kmsplan due`: the dates that somebody has to know."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import click

from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.options import Variables, variable_options
from kmsplan.cli.planning import observe, reading
from kmsplan.cli.reporting import Reports, report_options, scene_of
from kmsplan.cli.session import Session, pass_session
from kmsplan.report.form import Subject

_LONGEST: Final = timedelta(days=36_500)


class _Duration(click.ParamType):  # type: ignore[type-arg, unused-ignore]  # generic since click 8.2
    """A duration as the configuration writes it."""

    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a timedelta."""
        from kmsplan.kms.naming import parse_duration  # noqa: PLC0415 - only where the command runs

        if isinstance(value, timedelta):
            return value
        seconds = parse_duration(str(value))
        if seconds is None:
            self.fail(f"{value!r} is no duration, such as 30d or 12h", param, ctx)
        if seconds > _LONGEST.total_seconds():
            self.fail(f"{value!r} is more than {_LONGEST.days}d", param, ctx)
        return timedelta(seconds=seconds)


@click.command()
@click.option(
    "--within", type=_Duration(), default="30d", metavar="DURATION", help="How far to look ahead.  [default: 30d]"
)
@click.option("--all", "every", is_flag=True, help="Look at the keys that this configuration does not manage, too.")
@report_options(Subject.DUE)
@variable_options
@pass_session
def due(session: Session, variables: Variables, reports: Reports, within: timedelta, *, every: bool) -> ExitCode:
    """Tell what falls due soon. Exits with 2 where anything does; cannot change anything.

    Rotations, expiries of imported material, deletions, steps of a staged destruction, ends of graces and of waivers.
    The form icalendar is for a calendar that others subscribe to.
    """
    from kmsplan.inventory.dates import find_due  # noqa: PLC0415 - --help needs none of it

    configuration = session.configuration(variables)
    recorded = session.store(configuration).load()
    with reading(session, configuration) as reader:
        read = observe(reader, configuration, recorded)
    scene = scene_of(session, configuration, read.observed.environment)
    report = find_due(configuration, read.recorded, read.observed, scene.now, within, every=every)
    reports.deliver(session, report, scene)
    return ExitCode.CHANGES if report.due else ExitCode.DONE
