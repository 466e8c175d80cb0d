"""Every example runs as written; the quickstart's transcript in the README is what it prints."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.project import KMSPLAN, normalise

ROOT = Path(__file__).parents[2]
EXAMPLES = ["quickstart", "hsm", "environments", "tenants", "served"]


def run_example(name: str, state: Path, **environ: str) -> str:
    done = subprocess.run(
        [ROOT / "examples" / name / "run"],
        env={**os.environ, "KMSPLAN": KMSPLAN, "KMSPLAN_STATE": str(state), "CI": "1", **environ},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_runs(name: str, tmp_path: Path) -> None:
    printed = run_example(name, tmp_path)
    assert "No changes." in printed
    assert "$ kmsplan" in printed


def test_every_example_folder_is_run_by_the_test_above() -> None:
    folders = {path.parent.name for path in (ROOT / "examples").glob("*/run")}
    assert folders == set(EXAMPLES)


def test_the_readme_shows_what_the_quickstart_prints(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    shown = re.search(r"```console\n(\$ kmsplan validate\n.*?)```", readme, re.DOTALL)
    assert shown, "the README has no transcript of the quickstart"
    printed = run_example("quickstart", tmp_path)
    assert _comparable(shown[1]) == _comparable(printed)


def _comparable(transcript: str) -> list[str]:
    """Independent changes finish in any order, so that their lines are compared as a set with everything else."""
    return sorted(re.sub(r" \[\d+/\d+\]$", "", line) for line in normalise(transcript).strip().splitlines())


def test_a_fresh_clone_runs_the_quickstart_in_an_empty_environment(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, clone], check=True)

    def quickstart() -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["examples/quickstart/run"],
            cwd=clone,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "No changes." in done.stdout
        return done

    assert "setting up" in quickstart().stderr
    assert "setting up" not in quickstart().stderr


def test_the_second_command_is_what_ci_runs() -> None:
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("exec tests/run")
    assert all(os.access(ROOT / name, os.X_OK) for name in (".ci/run", "tests/run", "examples/quickstart/run"))


@pytest.mark.parametrize(
    ("user", "step", "words"),
    [
        ("1000", "debian_packages softhsm2:no-such-command", "Install them as root: apt-get install softhsm2"),
        ("0", "debian_packages softhsm2:no-such-command", "there is no apt-get here: softhsm2"),
        ("1000", 'virtual_environment ""', "Python 3.11 or newer is needed; 'no-such-python' is not."),
    ],
)
def test_what_cannot_be_set_up_says_what_to_do(tmp_path: Path, user: str, step: str, words: str) -> None:
    """On a machine that has nothing but a user: no root, no sudo, no apt-get, no Python."""
    identity = tmp_path / "id"
    identity.write_text(f"#!/bin/sh\necho {user}\n")
    identity.chmod(0o755)
    done = subprocess.run(
        ["/bin/bash", "-c", f". tests/setup.sh; {step}"],
        cwd=ROOT,
        env={"PATH": str(tmp_path), "PYTHON": "no-such-python"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert words in done.stderr


@pytest.mark.parametrize(
    ("marked", "made_by", "anew"),
    [
        pytest.param(True, "/usr 3 11", False, id="the same Python"),
        pytest.param(True, "/opt 3 12", True, id="another Python"),
        pytest.param(False, "/opt 3 12", False, id="somebody else's folder"),
    ],
)
def test_a_virtual_environment_of_another_python_is_made_anew_if_it_is_kmsplans(
    tmp_path: Path, *, marked: bool, made_by: str, anew: bool
) -> None:
    home = tmp_path / "venv"
    (home / "bin").mkdir(parents=True)
    if marked:
        (home / "kmsplan-0123456789abcdef").touch()
    told = tmp_path / "told"
    scripts = {
        home / "bin" / "python": f"echo '{made_by}'",
        home / "bin" / "pip": "exit 0",
        tmp_path / "python": f'case "$*" in *venv*) echo "$*" > {told};; *base_prefix*) echo "/usr 3 11";; esac',
    }
    for script, text in scripts.items():
        script.write_text(f"#!/bin/sh\n{text}\n")
        script.chmod(0o755)
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", '. tests/setup.sh; virtual_environment ""'],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHON": str(tmp_path / "python"), "KMSPLAN_VENV": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert ("--clear" in told.read_text()) is anew
