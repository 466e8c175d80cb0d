"""Asking somebody to approve what was shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.failure import UserError

if TYPE_CHECKING:
    from kmsplan.cli.session import Session


def approve(session: Session, command: str, question: str, *, otherwise: str) -> None:
    """Return once somebody has said yes.

    Args:
        session: the command's.
        command: what is cancelled, for the message.
        question: what it will do, as a sentence.
        otherwise: how to approve without being asked.

    Raises:
        UserError: nobody did.
    """
    if not session.terminal.interactive:
        raise UserError("in automation nobody is asked: approval is missing", otherwise, ExitCode.APPROVAL_MISSING)
    session.say(f"\nDo you want to perform these actions?\n  {question} Only 'yes' will be accepted.\n")
    try:
        answer = input("  Enter a value: ")
    except EOFError as error:
        raise UserError("nobody answered: approval is missing", otherwise, ExitCode.APPROVAL_MISSING) from error
    if answer.strip() != "yes":
        raise UserError(f"{command} cancelled", "Nothing was changed.", ExitCode.CANCELLED)
