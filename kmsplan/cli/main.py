"""The entry point: finds the command, runs it, turns every failure into a message and an exit code."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kmsplan.cli import standard
from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.lazy import LazyGroup
from kmsplan.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_COMPLETING: Final = "_KMSPLAN_COMPLETE"
"""The variable by which a shell asks for completions."""
COMMANDS: Final = {
    "init": "kmsplan.cli.init",
    "validate": "kmsplan.cli.validate",
    "fmt": "kmsplan.cli.fmt",
    "plan": "kmsplan.cli.plan",
    "apply": "kmsplan.cli.apply",
    "destroy": "kmsplan.cli.apply",
    "drift": "kmsplan.cli.drift",
    "inventory": "kmsplan.cli.inventory",
    "due": "kmsplan.cli.due",
    "policy": "kmsplan.cli.policy",
    "import": "kmsplan.cli.importing",
    "show": "kmsplan.cli.show",
    "graph": "kmsplan.cli.graph",
    "state": "kmsplan.cli.state",
    "unlock": "kmsplan.cli.state",
    "engine": "kmsplan.cli.engine",
    "schema": "kmsplan.cli.schema",
    "completion": "kmsplan.cli.completion",
    "man": "kmsplan.cli.man",
    "version": "kmsplan.cli.version",
}
"""Command -> module; a module is imported when its command runs, so that the others cost nothing."""


@click.group(
    cls=LazyGroup, modules=COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option(
    "-C",
    "directory",
    type=click.Path(path_type=Path),
    default=Path(),
    metavar="DIR",
    help="The configuration folder: its *.yaml and *.yml files.  [default: .]",
)
@click.option("--no-color", is_flag=True, help="No colours (NO_COLOR and a pipe do the same).")
@click.option("--quiet", is_flag=True, help="Print the answer and errors only: no notes, hints or progress.")
@click.option("--verbose", is_flag=True, help="Say on standard error what is read and how long each step takes.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(ctx: click.Context, directory: Path, *, no_color: bool, quiet: bool, verbose: bool, debug: bool) -> None:
    """Declarative key management: YAML in; plan, apply and drift against a KMS and its HSMs.

    To begin: kmsplan init writes a first configuration; kmsplan plan shows what it means, kmsplan apply makes it so.
    """
    if quiet and verbose:
        raise click.UsageError("--quiet and --verbose exclude each other: give one of them.", ctx)
    terminal = Terminal.of(
        os.environ, no_color=no_color, stdout=sys.stdout, stderr=sys.stderr, quiet=quiet, verbose=verbose
    )
    ctx.obj = {"directory": directory, "terminal": terminal, "debug": debug}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line and exit with its code.

    The garbage collector stays off: a command ends soon, makes next to no cycles, and walking a growing configuration
    again and again takes a seventh of a large plan's time (peak memory is the same without it).
    """
    gc.disable()
    standard.prepare()
    code = run(arguments)
    standard.finish()
    sys.exit(code)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; no traceback leaves it unless `--debug` is given."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        result: Any = cli.main(args=list(arguments), prog_name="kmsplan", standalone_mode=False)
        if not result:  # the exit code of a failure says more than that it could not be printed
            sys.stdout.flush()
    except SystemExit as error:  # click's own end of a completion
        return int(error.code or 0)
    except BaseException as error:  # noqa: BLE001 - the last place before the user
        if _COMPLETING in os.environ:
            return ExitCode.ERROR  # a word about it would stand in the middle of what somebody types
        with _uninterrupted():
            from kmsplan.cli.failure import report  # noqa: PLC0415 - only on the error path

            return report(error, debug="--debug" in arguments)
    return int(result) if isinstance(result, int) else ExitCode.DONE


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let who presses Ctrl-C twice be told as well; what is told is short, and the end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
