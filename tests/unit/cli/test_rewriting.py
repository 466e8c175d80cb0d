"""Files of a configuration, written anew: never over what somebody else has written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.failure import UserError
from kmsplan.cli.main import run
from kmsplan.cli.rewriting import read_text, require_unchanged
from kmsplan.config import canonical

if TYPE_CHECKING:
    from pathlib import Path

UNTIDY = "kmsplan:  1\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kmsplan.yaml"
    path.write_text(UNTIDY)
    return path


def test_what_was_changed_meanwhile_is_not_written_over(file: Path) -> None:
    require_unchanged({file: UNTIDY})
    with pytest.raises(UserError, match="was changed meanwhile"):
        require_unchanged({file: "kmsplan: 1\n"})


def test_what_is_read_only_is_left_alone(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: (path, mode) != (file, os.W_OK))  # for root everything is
    with pytest.raises(UserError, match="read-only"):
        require_unchanged({file: UNTIDY})


def test_what_is_gone_meanwhile_is_named(file: Path) -> None:
    file.unlink()
    with pytest.raises(UserError, match=r"kmsplan\.yaml cannot be read"):
        read_text(file)


def test_a_form_that_would_say_something_else_is_never_written(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(canonical, "canonical", lambda text: text.replace("1", "2"))
    assert run(["-C", str(file.parent), "fmt"]) == ExitCode.ERROR
    printed = capsys.readouterr()
    assert f"{file} would say something else in canonical form" in printed.err
    assert "No file was changed" in printed.err
    assert file.read_text() == UNTIDY
