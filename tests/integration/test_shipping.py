"""What ships beside the package: the hook for pre-commit, and the recipe of the image."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.project import BASIC

if TYPE_CHECKING:
    from tests.project import Project

ROOT = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent
HOOKS = ROOT / ".pre-commit-hooks.yaml"
RECIPE = ROOT / "Containerfile"


def run(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a tool, which keeps what it wants to keep in the folder."""
    environment = {**os.environ, "PATH": f"{TOOLS}:{os.environ['PATH']}", "HOME": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_hooks_are_what_pre_commit_takes(tmp_path: Path) -> None:
    assert run("pre-commit", "validate-manifest", str(HOOKS), folder=tmp_path).returncode == 0


@pytest.fixture
def repository(project: Project) -> Project:
    """A repository whose configuration is checked before each commit, by the hooks that ship, installed already."""
    shipped = yaml.safe_load(HOOKS.read_text())
    hooks = [{**hook, "language": "system", "args": ["-C", "keys", *hook["args"]]} for hook in shipped]
    project.write(yaml.safe_dump({"repos": [{"repo": "local", "hooks": hooks}]}), ".pre-commit-config.yaml")
    (project.root / "keys").mkdir()
    project.write(BASIC, "keys/kmsplan.yaml")
    for command in (("init", "--quiet"), ("add", ".")):
        assert run("git", *command, folder=project.root).returncode == 0
    return project


def test_the_hooks_let_a_valid_configuration_pass(repository: Project) -> None:
    done = run("pre-commit", "run", folder=repository.root)
    assert done.returncode == 0, done.stdout
    assert ("kmsplan validate" in done.stdout, "kmsplan fmt" in done.stdout) == (True, True)


def test_the_hook_formats_and_has_the_commit_begun_again(repository: Project) -> None:
    repository.write(BASIC.replace("  core:", "    core:"), "keys/kmsplan.yaml")
    run("git", "add", ".", folder=repository.root)
    done = run("pre-commit", "run", "kmsplan-fmt", folder=repository.root)
    assert done.returncode == 1
    assert "files were modified by this hook" in done.stdout
    assert (repository.root / "keys" / "kmsplan.yaml").read_text() == BASIC


def test_the_hook_refuses_a_broken_configuration_and_says_where(repository: Project) -> None:
    repository.write(BASIC + "  broken: {instance: nowhere}\n", "keys/kmsplan.yaml")
    run("git", "add", ".", folder=repository.root)
    done = run("pre-commit", "run", folder=repository.root)
    assert done.returncode == 1
    assert "on kmsplan.yaml line 7, column 22" in done.stdout


def test_without_arguments_of_their_own_the_hooks_are_about_the_top(basic: Project) -> None:
    hooks = yaml.safe_load(HOOKS.read_text())
    assert [run(hook["entry"], *hook["args"], folder=basic.root).returncode for hook in hooks] == [0, 0]


def test_the_recipe_of_the_image_is_what_its_linter_wants(tmp_path: Path) -> None:
    done = run("hadolint", str(RECIPE), folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")


def test_what_the_recipe_names_is_there() -> None:
    text = RECIPE.read_text()
    copied = [name for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE) for name in line.split()]
    assert "kmsplan" in copied
    assert [name for name in copied if not (ROOT / name).exists()] == []
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (asked,) = re.findall(r"^ARG EXTRAS=(.*)$", text, re.MULTILINE)
    assert set(asked.split(",")) <= set(extras)


def test_the_image_runs_as_nobody_in_particular_and_starts_kmsplan() -> None:
    last = RECIPE.read_text().rpartition("\nFROM ")[2]
    assert re.search(r"^USER (\d+):\d+$", last, re.MULTILINE)
    assert '\nENTRYPOINT ["kmsplan"]\n' in last
