"""A state that is older than what the KMS has seen is refused, whatever put it there."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.project import BASIC, Project

if TYPE_CHECKING:
    from pathlib import Path

LATE = "  late: {instance: core}\n"


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project at serial 2; `backup` holds its state of serial 1, and `saved.plan` led from one to the other."""
    project = Project(tmp_path_factory.mktemp("story"))
    project.write(BASIC)
    project.apply()
    backup = project.root / "backup"
    shutil.copytree(project.root / "state", backup, ignore=shutil.ignore_patterns("engine"))
    project.write(BASIC + LATE)
    project.run("plan", "-o", "saved.plan")
    project.apply()
    return project.root


@pytest.fixture
def applied(story: Path, tmp_path: Path) -> Project:
    shutil.copytree(story, tmp_path, dirs_exist_ok=True)
    return Project(tmp_path)


@pytest.fixture
def rolled_back(applied: Project) -> Project:
    """A state of serial 1, put back from a backup; the KMS has seen serial 2."""
    lose_state(applied)
    shutil.copytree(applied.root / "backup", applied.root / "state", dirs_exist_ok=True)
    return applied


def lose_state(project: Project) -> None:
    for path in (project.root / "state").iterdir():
        if path.name != "engine":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_no_plan_is_made_and_the_newer_serial_is_named(rolled_back: Project) -> None:
    said = rolled_back.run("plan", code=4).text
    assert "The KMS has seen a newer state (P120)" in said
    assert "The state is at serial 1, and the KMS has seen serial 2, by " in said
    for way_out in ("Put the newest state back", "kmsplan state rebuild", "--accept-old-state"):
        assert way_out in said
    rolled_back.run("destroy", "--auto-approve", "--allow-delete", "1", code=4)
    (violation,) = rolled_back.run("plan", "--json", code=4).json()["violations"]
    assert violation["code"] == "P120"


def test_a_drift_report_says_that_it_compares_with_an_old_state(rolled_back: Project) -> None:
    assert "The KMS has seen serial 2" in rolled_back.run("drift", code=2).err


def test_a_plan_that_was_saved_for_it_is_stale(rolled_back: Project) -> None:
    assert "the KMS has seen serial 2" in rolled_back.run("apply", "saved.plan", code=7).err


def test_records_are_not_mended_on_top_of_it(rolled_back: Project) -> None:
    for command in (("rm", "key.signer"), ("restore", "0", "--auto-approve")):
        assert "(P120)" in rolled_back.run("state", *command, code=1).err
    assert rolled_back.state()["serial"] == 1


def test_an_accepted_one_goes_on_behind_the_newest_and_the_newest_is_old_then(rolled_back: Project) -> None:
    rolled_back.write(BASIC)
    said = rolled_back.apply("--accept-old-state").out
    assert "0 added, 0 changed" in said
    assert rolled_back.state()["serial"] == 3
    rolled_back.run("plan", code=0)


def test_a_lost_state_is_rebuilt_behind_the_newest(rolled_back: Project) -> None:
    lose_state(rolled_back)
    assert "P102" in rolled_back.run("plan", code=4).text
    assert "Rebuilt 5 records" in rolled_back.run("state", "rebuild").out
    assert rolled_back.state()["serial"] == 3
    rolled_back.run("plan", "--detailed-exitcode", code=0)


def test_the_newest_state_put_back_is_fine(applied: Project) -> None:
    newest = applied.root / "newest"
    shutil.copytree(applied.root / "state", newest, ignore=shutil.ignore_patterns("engine"))
    lose_state(applied)
    shutil.copytree(newest, applied.root / "state", dirs_exist_ok=True)
    applied.run("plan", "--detailed-exitcode", code=0)
