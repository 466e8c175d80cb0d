"""Errors as users see them: what is wrong, what to do next, and an exit code. One table."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import click

from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable


_EXTRAS: Final[Mapping[str, str]] = {
    "httptools": "server",
    "uvloop": "server",
    "psycopg": "postgres",
    "boto3": "s3",
    "pkcs11": "hsm",
    "cel_expr_python": "policy",
    "icalendar": "calendar",
    "jinja2": "html",
    "graphviz": "graph",
}
"""By module that may be missing: the extra that brings it."""


_SHORT: Final[Mapping[int, tuple[str, str]]] = {
    errno.EAGAIN: ("no more processes or threads can be started", "for processes (ulimit -u; pids of a container)"),
    errno.ENOMEM: ("there is not enough memory", "for memory (ulimit -v)"),
    errno.EMFILE: ("too many files are open", "for open files (ulimit -n)"),
}
"""By error of the system: what it is that there is not enough of, and its limit."""
_NO_THREAD: Final = "can't start new thread"


class UserError(Exception):
    """A command cannot go on, and the user can do something about it."""

    def __init__(self, summary: str, remedy: str, code: ExitCode = ExitCode.ERROR) -> None:
        self.remedy = remedy
        self.code = code
        super().__init__(summary)


def report(error: BaseException, *, debug: bool) -> int:
    """Print one error on standard error and return its exit code."""
    if debug:
        import traceback  # noqa: PLC0415 - only on the error path

        traceback.print_exception(error)
    terminal = Terminal.of(os.environ, no_color="--no-color" in sys.argv, stdout=sys.stdout, stderr=sys.stderr)
    for types, handle in _table():
        if isinstance(error, types):
            return handle(error, terminal)
    return _bug(error, terminal)


def _table() -> tuple[tuple[tuple[type[BaseException], ...], Callable[[BaseException, Terminal], int]], ...]:
    """Return (types, handler) rows, the narrow before the wide. Imported here: errors are rare, start-up is not."""
    from kmsplan.approval.error import SignatureFileError, SigningKeyError  # noqa: PLC0415
    from kmsplan.config.diagnostic import ConfigurationError  # noqa: PLC0415
    from kmsplan.engine.error import EngineError  # noqa: PLC0415
    from kmsplan.engine.protection.protocol import (  # noqa: PLC0415
        InvalidCiphertextError,
        ProtectionUnavailableError,
    )
    from kmsplan.kms.error import KmsError  # noqa: PLC0415
    from kmsplan.plan.planfile import PlanFileError  # noqa: PLC0415
    from kmsplan.state.error import LockHeldError, StateError  # noqa: PLC0415

    return (
        ((ConfigurationError,), _diagnostics),
        ((UserError,), _user),
        ((PlanFileError, SignatureFileError), _plain(ExitCode.STALE)),
        ((SigningKeyError,), _plain(ExitCode.ERROR)),
        ((LockHeldError,), _state(ExitCode.LOCK_HELD)),
        ((StateError,), _state(ExitCode.ERROR)),
        ((EngineError, ProtectionUnavailableError, InvalidCiphertextError, KmsError), _plain(ExitCode.ERROR)),
        ((click.exceptions.Exit,), lambda error, _: int(getattr(error, "exit_code", 0))),
        ((click.exceptions.NoArgsIsHelpError,), _help),
        ((click.ClickException,), _usage),
        ((KeyboardInterrupt, click.Abort), _cancelled),
        ((BrokenPipeError,), _broken_pipe),
        ((OSError,), _system),
        ((MemoryError,), _exhausted(*_SHORT[errno.ENOMEM])),
        ((RuntimeError,), _runtime),
        ((ModuleNotFoundError,), _missing),
    )


def _line(terminal: Terminal, summary: str, remedy: str = "") -> None:
    from kmsplan.report.escape import escape  # noqa: PLC0415 - only on the error path

    mark = "\x1b[1;31mError:\x1b[0m" if terminal.error_color else "Error:"
    text = f"{summary}\n{remedy}" if remedy else summary
    with suppress(OSError):  # the exit code is what is left to tell
        click.echo(f"{mark} " + "\n".join(map(escape, text.split("\n"))), err=True, color=True)


def _diagnostics(error: BaseException, terminal: Terminal) -> int:
    from kmsplan.report.diagnostics_text import diagnostics_text  # noqa: PLC0415
    from kmsplan.report.style import Style  # noqa: PLC0415

    diagnostics = getattr(error, "diagnostics", ())
    click.echo(diagnostics_text(diagnostics, Style(color=terminal.error_color)), err=True, nl=False, color=True)
    return ExitCode.ERROR


def _user(error: BaseException, terminal: Terminal) -> int:
    assert isinstance(error, UserError)  # noqa: S101 - the table says so
    _line(terminal, str(error), error.remedy)
    return error.code


def _plain(code: ExitCode) -> Callable[[BaseException, Terminal], int]:
    def handle(error: BaseException, terminal: Terminal) -> int:
        _line(terminal, str(error))
        return code

    return handle


def _state(code: ExitCode) -> Callable[[BaseException, Terminal], int]:
    def handle(error: BaseException, terminal: Terminal) -> int:
        from kmsplan.state.error import StateError  # noqa: PLC0415

        assert isinstance(error, StateError)  # noqa: S101 - the table says so
        _line(terminal, f"{error.summary} ({error.code})", error.remedy)
        return code

    return handle


def _usage(error: BaseException, terminal: Terminal) -> int:
    assert isinstance(error, click.ClickException)  # noqa: S101 - the table says so
    context = getattr(error, "ctx", None)
    _line(terminal, error.format_message(), _misplaced(error, context) if context else "")
    return ExitCode.ERROR


def _help(error: BaseException, terminal: Terminal) -> int:
    """Whoever names no command wants to see them; to a script it is a mistake all the same."""
    del terminal
    assert isinstance(error, click.ClickException)  # noqa: S101 - the table says so
    click.echo(error.format_message(), err=True)
    return ExitCode.ERROR


def _misplaced(error: click.ClickException, context: click.Context) -> str:
    """Return what to do about wrong usage: an option of kmsplan itself stands before the command."""
    wrong = getattr(error, "option_name", None)
    for option in context.find_root().command.params:
        if wrong in option.opts and context.parent is not None:
            value = f" {option.metavar}" if option.metavar else ""
            return f"It stands before the command: kmsplan {wrong}{value} {context.command_path.partition(' ')[2]}"
    return f"See: {context.command_path} --help"


def _cancelled(error: BaseException, terminal: Terminal) -> int:
    del error
    _line(terminal, "cancelled")
    return ExitCode.CANCELLED


def _broken_pipe(error: BaseException, terminal: Terminal) -> int:
    """Whoever read our output has gone; what follows has no reader, and Python must not complain about it."""
    del error, terminal
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.ERROR


def _system(error: BaseException, terminal: Terminal) -> int:
    assert isinstance(error, OSError)  # noqa: S101 - the table says so
    short = None if error.filename or error.errno is None else _SHORT.get(error.errno)
    if short is not None:
        return _exhausted(*short)(error, terminal)
    if not _has_folder():
        _line(terminal, "the folder that this was started in is gone", "Change to another one, and run it there.")
    else:
        _line(terminal, f"{error.filename}: {error.strerror}" if error.filename else str(error))
    return ExitCode.ERROR


def _has_folder() -> bool:
    try:
        os.getcwd()  # noqa: PTH109 - pathlib needs it as well
    except FileNotFoundError:
        return False
    return True


def _runtime(error: BaseException, terminal: Terminal) -> int:
    """Python has no class of its own for a thread that the system refuses."""
    if str(error) == _NO_THREAD:
        return _exhausted(*_SHORT[errno.EAGAIN])(error, terminal)
    return _bug(error, terminal)


def _exhausted(summary: str, limit: str) -> Callable[[BaseException, Terminal], int]:
    def handle(error: BaseException, terminal: Terminal) -> int:
        del error
        _line(
            terminal,
            summary,
            f"Raise the limit {limit} of whatever starts this, or give the machine more. Run it again then: what was "
            "begun is recorded.",
        )
        return ExitCode.ERROR

    return handle


def _missing(error: BaseException, terminal: Terminal) -> int:
    """A part of kmsplan is used whose packages are optional; any other missing module is a bug."""
    extra = _EXTRAS.get(str(getattr(error, "name", "")).partition(".")[0])
    if extra is None:
        return _bug(error, terminal)
    _line(
        terminal,
        f"this needs the package {getattr(error, 'name', '')}, which is not installed",
        f"Install it with kmsplan's extra: pip install 'kmsplan[{extra}]'",
    )
    return ExitCode.ERROR


def _bug(error: BaseException, terminal: Terminal) -> int:
    _line(
        terminal,
        f"{type(error).__name__}: {error}",
        "This is a bug in kmsplan. Run the command again with --debug and report what it prints.",
    )
    return ExitCode.ERROR
