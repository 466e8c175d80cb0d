"""Changing records where plans have to be signed: not without one, or by name, for a reason that the history keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.failure import UserError

if TYPE_CHECKING:
    from kmsplan.config.configuration import Configuration

_LONGEST: Final = 200


def _said(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return the reason. Terminals and reports show it, so that it is one line of ordinary characters."""
    del ctx, parameter
    if value is None:
        return None
    if not value.strip() or len(value) > _LONGEST or not value.isprintable():
        raise click.BadParameter(f"a reason is one line of up to {_LONGEST} printable characters")
    return value.strip()


override_option = click.option(
    "--without-approval",
    "reason",
    callback=_said,
    metavar="REASON",
    help="Go on although the configuration lets nothing run but signed plans; the history keeps REASON.",
)


def command_name(command: str, configurations: tuple[Configuration, ...], reason: str | None, instead: str) -> str:
    """Return what lock, journal and history call a command, once it is clear that it may run.

    Args:
        command: it.
        configurations: whose records change.
        reason: why it is to run without an approval, where somebody said so.
        instead: the way that can be approved, in a sentence.

    Raises:
        UserError: one of the configurations lets nothing run but plans that were signed; exit code 5.
    """
    if reason is not None:
        return f"{command} (without approval: {reason})"
    if any(configuration.approval is not None for configuration in configurations):
        whose = "this configuration" if len(configurations) == 1 else "one of the two configurations"
        raise UserError(
            f"{whose} lets nothing run but plans that were signed",
            f"Nothing was changed. {instead} Where that cannot be waited for: --without-approval REASON, which the "
            "state's history keeps.",
            ExitCode.APPROVAL_MISSING,
        )
    return command
