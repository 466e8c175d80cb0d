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
    done = subprocess.run(
        ["examples/quickstart/run"],
        cwd=clone,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No changes." in done.stdout
