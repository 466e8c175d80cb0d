from __future__ import annotations

import click
import pytest

from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.failure import UserError, report
from kmsplan.cli.main import run
from kmsplan.config.diagnostic import ConfigurationError, Diagnostic
from kmsplan.engine.protection.protocol import InvalidCiphertextError
from kmsplan.kms.error import KmsError
from kmsplan.plan.planfile import PlanFileError
from kmsplan.state.error import LockHeldError, StateCorruptError

DIAGNOSTIC = Diagnostic(code="K999", summary="Odd thing", detail="It is odd.")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ConfigurationError((DIAGNOSTIC,)), ExitCode.ERROR, "K999"),
        (UserError("no", "do this", ExitCode.STALE), ExitCode.STALE, "do this"),
        (PlanFileError("edited"), ExitCode.STALE, "edited"),
        (LockHeldError("held", "wait", None), ExitCode.LOCK_HELD, "wait"),
        (StateCorruptError("bad", "mend"), ExitCode.ERROR, "bad (S102)\nmend"),
        (KmsError("Rejected.Disabled"), ExitCode.ERROR, "Rejected.Disabled"),
        (InvalidCiphertextError(), ExitCode.ERROR, "does not open"),
        (click.UsageError("wrong flag"), ExitCode.ERROR, "wrong flag"),
        (KeyboardInterrupt(), ExitCode.CANCELLED, "cancelled"),
        (FileNotFoundError(2, "No such file", "x.plan"), ExitCode.ERROR, "x.plan"),
        (ZeroDivisionError("division by zero"), ExitCode.ERROR, "bug in kmsplan"),
        (MemoryError(), ExitCode.ERROR, "not enough memory\nRaise the limit"),
        (
            RuntimeError("can't start new thread"),
            ExitCode.ERROR,
            "processes or threads can be started\nRaise the limit",
        ),
        (BlockingIOError(11, "Resource temporarily unavailable"), ExitCode.ERROR, "ulimit -u"),
        (OSError(24, "Too many open files"), ExitCode.ERROR, "ulimit -n"),
        (RuntimeError("Set changed size during iteration"), ExitCode.ERROR, "bug in kmsplan"),
        (ModuleNotFoundError("no", name="httptools"), ExitCode.ERROR, "pip install 'kmsplan[server]'"),
        (ModuleNotFoundError("no", name="psycopg.pq"), ExitCode.ERROR, "pip install 'kmsplan[postgres]'"),
        (ModuleNotFoundError("no", name="icalendar"), ExitCode.ERROR, "pip install 'kmsplan[calendar]'"),
        (ModuleNotFoundError("no", name="orjson"), ExitCode.ERROR, "bug in kmsplan"),
    ],
)
def test_every_failure_has_its_exit_code_and_its_words(
    error: BaseException, code: ExitCode, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(error, debug=False) == code
    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.out == ""
    assert "Traceback" not in printed.err


def test_what_an_error_quotes_does_not_act_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    report(UserError("key.\x1b]0;x\x07 is not recorded:\n  - one", "\u202edo this"), debug=False)
    assert capsys.readouterr().err == ("Error: key.\\x1b]0;x\\x07 is not recorded:\n  - one\n\\u202edo this\n")


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("plan", "--quiet"), "It stands before the command: kmsplan --quiet plan"),
        (("engine", "status", "-C", "x"), "It stands before the command: kmsplan -C DIR engine status"),
        (("plan", "--nope"), "See: kmsplan plan --help"),
        (("--nope",), "See: kmsplan --help"),
    ],
)
def test_wrong_usage_says_what_is_right(
    arguments: tuple[str, ...], remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == ExitCode.ERROR
    assert capsys.readouterr().err.splitlines()[-1] == remedy


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    report(UserError("no", "do this"), debug=True)
    assert "UserError" in capsys.readouterr().err
