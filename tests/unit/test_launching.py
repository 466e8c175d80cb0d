"""Commands that tests launch are as those that somebody starts."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.launching import launch
from tests.project import BASIC, KMSPLAN

BASE = {"PATH": os.environ["PATH"], **{name: value for name, value in os.environ.items() if name.startswith("PYTHON")}}


def started(folder: Path, *arguments: str, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [KMSPLAN, *arguments], cwd=folder, env=BASE | environment, input=given, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "given", "code"),
    [
        (["version"], "", 0),
        (["fmt", "-"], BASIC * 4000, 1),
        (["plan", "--json"], "", 0),
        (["plan", "--detailed-exitcode"], "", 2),
        (["plan", "--no-such-option"], "", 1),
        (["engine", "decrypt"], "x" * 300_000, 1),
    ],
)
def test_a_launched_command_says_what_a_started_one_says(
    tmp_path: Path, arguments: list[str], given: str, code: int
) -> None:
    (tmp_path / "kmsplan.yaml").write_text(BASIC)
    by_hand = started(tmp_path, *arguments, given=given)
    launched = launch([KMSPLAN, *arguments], tmp_path, BASE, given, timeout=60)
    assert (launched.returncode, launched.stdout, launched.stderr) == (code, by_hand.stdout, by_hand.stderr)
    assert launched.stdout + launched.stderr


def test_it_has_the_environment_that_it_is_given_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kmsplan.yaml").write_text(
        "kmsplan: 1\nvariables: {who: {}}\ninstances: {core: {type: software}}\n"
        "keys: {orders: {instance: core, description: '${var.who}'}}\n"
    )
    monkeypatch.setenv("KMSPLAN_VAR_who", "wrong")
    assert launch([KMSPLAN, "plan"], tmp_path, BASE, "", timeout=60).returncode == 1
    given = BASE | {"KMSPLAN_VAR_who": "right"}
    assert "right" in launch([KMSPLAN, "plan", "--json"], tmp_path, given, "", timeout=60).stdout


def test_what_an_interpreter_reads_as_it_starts_is_read(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('read')\n")
    said = launch([KMSPLAN, "version"], tmp_path, BASE | {"PYTHONPATH": str(tmp_path)}, "", timeout=60).stdout
    assert said.startswith("read\n")


def test_a_command_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    (tmp_path / "kmsplan.yaml").write_text("kmsplan: 1\n")
    assert started(tmp_path, "engine", "init").returncode == 0
    with pytest.raises(subprocess.TimeoutExpired):
        launch([KMSPLAN, "engine", "serve", "--listen", "127.0.0.1:0"], tmp_path, BASE, "", timeout=1)
