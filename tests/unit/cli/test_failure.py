from __future__ import annotations

import click
import pytest

from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.failure import UserError, report
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
        (ModuleNotFoundError("no", name="httptools"), ExitCode.ERROR, "pip install 'kmsplan[server]'"),
        (ModuleNotFoundError("no", name="psycopg.pq"), ExitCode.ERROR, "pip install 'kmsplan[postgres]'"),
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


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    report(UserError("no", "do this"), debug=True)
    assert "UserError" in capsys.readouterr().err
