"""A state that is older than what the KMS has seen is refused, whatever put it there."""

from __future__ import annotations

import json
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


@pytest.mark.parametrize(
    "command",
    [
        ("rm", "key.late"),
        ("mv", "key.late", "key.later"),
        ("restore", "2", "--auto-approve"),
    ],
    ids=lambda command: command[0],
)
def test_the_kms_is_told_of_what_commands_record_as_well(applied: Project, command: tuple[str, ...]) -> None:
    applied.call("UpdateKeyDescription", "KeyId=alias/orders", "Description=x")
    applied.write(BASIC.replace("orders: {", "orders: {description: x, ") + LATE.replace("late", "later"))
    if command[0] == "restore":
        applied.run("state", "rm", "key.late")
    before = applied.root / "before"
    shutil.copytree(applied.root / "state", before, ignore=shutil.ignore_patterns("engine"))
    assert applied.run("state", *command).err.count("could not be told") == 0
    assert applied.state()["serial"] == json.loads((before / "kmsplan.state.json").read_text())["serial"] + 1
    lose_state(applied)
    shutil.copytree(before, applied.root / "state", dirs_exist_ok=True)
    assert "P120" in applied.run("plan", code=4).text


def test_a_command_that_cannot_tell_it_says_so_and_stands_and_the_next_apply_tells_it(project: Project) -> None:
    """Reading the engine needs no passphrase, and writing there does."""
    sealed = "engine: {embedded: {path: state/engine, seal: {passphrase: {env: PASSPHRASE}}}}\n"
    project.write(BASIC + sealed)
    project.environ["PASSPHRASE"] = "correct horse battery staple"
    project.apply()
    before = project.root / "before"
    shutil.copytree(project.root / "state", before, ignore=shutil.ignore_patterns("engine"))
    passphrase = project.environ.pop("PASSPHRASE")
    said = project.run("state", "rm", "key.signer").err
    assert "The KMS could not be told of serial 2: " in said
    assert "PASSPHRASE" in said
    assert passphrase not in said
    project.environ["PASSPHRASE"] = passphrase
    project.write((BASIC + sealed).replace("  signer", "  # signer"))
    assert "No changes" in project.apply().out
    lose_state(project)
    shutil.copytree(before, project.root / "state", dirs_exist_ok=True)
    assert "has seen serial 2" in project.run("plan", code=4).text


def test_the_next_apply_tells_what_a_killed_one_could_not(applied: Project) -> None:
    """Killed when the snapshot is in place, and little is left to do but to tell the KMS."""
    old = applied.root / "old"
    shutil.copytree(applied.root / "state", old, ignore=shutil.ignore_patterns("engine"))
    applied.write((BASIC + LATE).replace("90d", "30d"))
    # The snapshot has its name, and the journal is about to get another.
    applied.killed_at_rename(2, "apply", "--auto-approve")
    assert applied.state()["serial"] == 3
    assert "No changes" in applied.apply().out
    lose_state(applied)
    shutil.copytree(old, applied.root / "state", dirs_exist_ok=True)
    assert "has seen serial 3" in applied.run("plan", code=4).text


def test_records_of_another_kms_are_not_mended(applied: Project) -> None:
    before = applied.state()
    (applied.root / "state" / "engine").rename(applied.root / "elsewhere")
    assert "(P101)" in applied.run("state", "rm", "key.late", code=1).err
    assert applied.state() == before


def test_the_newest_state_put_back_is_fine(applied: Project) -> None:
    newest = applied.root / "newest"
    shutil.copytree(applied.root / "state", newest, ignore=shutil.ignore_patterns("engine"))
    lose_state(applied)
    shutil.copytree(newest, applied.root / "state", dirs_exist_ok=True)
    applied.run("plan", "--detailed-exitcode", code=0)
