from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kmsplan.config import secret
from kmsplan.config.configuration import SecretReference
from kmsplan.config.diagnostic import ConfigurationError, Span
from kmsplan.config.secret import reference, resolve

SPAN = Span("kmsplan.yaml", 3, 5, 3, 9)


def refused(found: SecretReference, environ: dict[str, str] | None = None) -> tuple[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        resolve(found, environ or {})
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.span == SPAN
    assert "hunter2" not in repr(diagnostic)
    return diagnostic.code, diagnostic.detail


def test_a_secret_comes_from_the_environment() -> None:
    found = resolve(SecretReference("env", "HSM_PIN", SPAN), {"HSM_PIN": "hunter2 \n"})
    assert found.reveal() == b"hunter2 \n"
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    ("content", "inside"),
    [
        (b"hunter2", b"hunter2"),
        (b"hunter2\n", b"hunter2"),
        (b"hunter2\r\n", b"hunter2"),
        (b"a\n\n", b"a\n"),
        (b"\xff\x00", b"\xff\x00"),
    ],
)
def test_a_secret_comes_from_a_file_without_the_line_end_behind_it(
    tmp_path: Path, content: bytes, inside: bytes
) -> None:
    (tmp_path / "pin").write_bytes(content)
    assert resolve(reference({"file": "pin"}, tmp_path, SPAN), {}).reveal() == inside


def test_bytes_in_the_environment_stay_as_they_are() -> None:
    assert resolve(SecretReference("env", "PIN", SPAN), {"PIN": "\udcff"}).reveal() == b"\xff"


def test_a_variable_that_is_not_set_is_named() -> None:
    code, detail = refused(SecretReference("env", "HSM_PIN", SPAN), {"OTHER": "hunter2"})
    assert code == "K603"
    assert "HSM_PIN is not set" in detail


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    code, detail = refused(reference({"file": "gone"}, tmp_path, SPAN))
    assert code == "K604"
    assert str(tmp_path / "gone") in detail
    assert "no such file or directory" in detail
    assert refused(SecretReference("file", str(tmp_path), SPAN))[0] == "K604"


@pytest.mark.parametrize("content", [b"", b"\n"])
def test_an_empty_file_is_no_secret(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pin").write_bytes(content)
    assert refused(reference({"file": "pin"}, tmp_path, SPAN))[0] == "K605"


def test_an_empty_variable_is_no_secret() -> None:
    assert refused(SecretReference("env", "PIN", SPAN), {"PIN": ""})[0] == "K605"


def test_a_path_with_a_dot_dot_is_found_from_the_folder(tmp_path: Path) -> None:
    assert reference({"file": "../pin"}, tmp_path, SPAN).name == str(tmp_path.parent / "pin")
    assert reference({"file": "/etc/pin"}, tmp_path, SPAN).name == "/etc/pin"
    assert reference({"env": "PIN"}, tmp_path, SPAN) == SecretReference("env", "PIN", SPAN)


def command(tmp_path: Path, script: str, *words: str) -> SecretReference:
    return reference({"exec": [sys.executable, "-c", script, *words]}, tmp_path, SPAN)


def test_a_secret_is_what_a_command_says_without_the_line_end_behind_it(tmp_path: Path) -> None:
    found = command(tmp_path, "print('hunter2')")
    assert resolve(found, {}).reveal() == b"hunter2"
    assert resolve(found, {}, exact=True).reveal() == b"hunter2\n"


def test_a_command_runs_in_the_configuration_folder_with_our_environment_and_no_shell(tmp_path: Path) -> None:
    script = "import os, sys; print(os.getcwd(), os.environ['PLACE'], sys.argv[1])"
    found = command(tmp_path, script, "$PLACE; echo gone")
    assert resolve(found, {"PLACE": "here"}).reveal().decode() == f"{tmp_path} here $PLACE; echo gone"


def test_a_command_that_reads_gets_nothing(tmp_path: Path) -> None:
    assert resolve(command(tmp_path, "import sys; print(len(sys.stdin.read()))"), {}).reveal() == b"0"


@pytest.mark.parametrize("script", ["print('hunter2'); raise SystemExit(3)", "import os; os.kill(os.getpid(), 9)"])
def test_a_command_that_fails_tells_no_secret(tmp_path: Path, script: str) -> None:
    code, detail = refused(command(tmp_path, script))
    assert code == "K606"
    assert f"{sys.executable!r}, which tells a secret, ended with exit code" in detail


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    code, detail = refused(reference({"exec": ["no-such-command", "hunter2"]}, tmp_path, SPAN))
    assert (code, "'no-such-command', which tells a secret, cannot be run: no such file" in detail) == ("K606", True)


def test_a_command_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret, "COMMAND_TIMEOUT", 0.2)
    code, detail = refused(command(tmp_path, "import time; time.sleep(60)"))
    assert (code, "did not end within 0 seconds" in detail) == ("K606", True)


def test_a_command_that_says_nothing_is_no_secret(tmp_path: Path) -> None:
    assert refused(command(tmp_path, ""))[0] == "K605"
