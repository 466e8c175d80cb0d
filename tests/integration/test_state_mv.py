"""Records that get another address, or another configuration; their objects stay where they are."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.project import BASIC, Project

if TYPE_CHECKING:
    from pathlib import Path

ENGINE = "engine: {embedded: {path: ../state/engine}}\n"
EMPTY = "kmsplan: 1\n"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two configurations of one engine: the first has everything applied, the state of the other is empty."""
    first = Project(tmp_path_factory.mktemp("prepared"))
    first.write(BASIC)
    first.apply()
    (first.root / "other").mkdir()
    other = Project(first.root / "other")
    other.write(ENGINE + EMPTY)
    other.run("state", "init")
    return first.root


@pytest.fixture
def applied(prepared: Path, tmp_path: Path) -> Project:
    """The first configuration, in a copy of its own."""
    return Project(shutil.copytree(prepared, tmp_path / "first"))


@pytest.fixture
def other(applied: Project) -> Project:
    """The other configuration, once the YAML of everything has moved to it."""
    found = Project(applied.root / "other")
    found.write(ENGINE + BASIC)
    applied.write(EMPTY)
    return found


def everything(project: Project) -> dict[str, str]:
    return {address: record["identity"] for address, record in project.state()["records"].items()}


def recorded(project: Project) -> list[str]:
    """The addresses that a reader of the state finds, with what is in the journal alone."""
    return project.run("state", "list").out.split()


def test_a_record_gets_another_address_and_references_follow(applied: Project) -> None:
    key, serial = applied.identity("key.orders"), applied.state()["serial"]
    renamed = BASIC.replace("orders: {", "purchases: {")
    applied.write(renamed)
    moved = applied.run("state", "mv", "key.orders", "key.purchases").out
    assert moved == "Moved key.orders to key.purchases. Changed: 2 records.\n"
    assert applied.identity("key.purchases") == key
    assert applied.state()["records"]["alias.orders"]["attributes"]["key"] == "key.purchases"
    assert applied.state()["serial"] == serial + 1
    planned = applied.run("plan", "--detailed-exitcode", code=2).out
    assert "# key.purchases has moved, and its owner tag follows\n  # operations: TagResources\n" in planned
    assert "Plan: 0 to add, 1 to change, 0 to destroy." in planned

    applied.write(renamed.replace("core", "base"))
    applied.run("state", "mv", "instance.core", "instance.base")
    assert {record["attributes"].get("instance") for record in applied.state()["records"].values()} == {
        None,
        "instance.base",
    }
    applied.apply()
    assert "No changes" in applied.run("plan", "--detailed-exitcode").out


def rebuilt(project: Project, *arguments: str) -> dict[str, str]:
    """Lose the state and get it back from the owner tags; return what is recorded then."""
    for path in (project.root / "state").iterdir():
        if path.name != "engine":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    project.run("state", "rebuild", *arguments)
    return everything(project)


@pytest.mark.parametrize("block", [False, True], ids=["by state mv", "by a moved block"])
def test_after_the_next_apply_a_lost_state_comes_back_with_the_new_address(applied: Project, *, block: bool) -> None:
    identity = applied.identity("key.orders")
    applied.write(BASIC.replace("orders: {", "purchases: {"))
    if block:
        applied.write("moved: [{from: key.orders, to: key.purchases}]\n", "moved.yaml")
    else:
        applied.run("state", "mv", "key.orders", "key.purchases")
    applied.apply()
    assert "No changes" in applied.run("plan", "--detailed-exitcode").out
    found = rebuilt(applied)
    assert found["key.purchases"] == identity
    assert "key.orders" not in found
    assert "No changes" in applied.run("plan", "--detailed-exitcode").out


def test_before_that_apply_it_comes_back_with_the_old_one_and_nothing_is_made_twice(applied: Project) -> None:
    identity = applied.identity("key.orders")
    applied.write(BASIC.replace("orders: {", "purchases: {"))
    applied.run("state", "mv", "key.orders", "key.purchases")
    assert rebuilt(applied)["key.orders"] == identity
    refused = applied.run("plan", code=4).out  # key.orders is protected, and would have to go
    assert "P109" in refused
    applied.run("state", "mv", "key.orders", "key.purchases")
    applied.apply()
    assert applied.identity("key.purchases") == identity
    assert rebuilt(applied)["key.purchases"] == identity


def test_a_move_that_would_lose_or_break_something_is_refused(applied: Project) -> None:
    before = applied.state()
    for arguments, words in {
        ("key.orders", "key.purchases"): "key.purchases is not declared, and the next plan would delete it",
        ("key.ordrs", "key.signer"): "Did you mean key.orders?",
        ("key.orders", "instance.core"): "key and instance are different kinds",
        ("key.orders",): "state mv takes SOURCE and DEST",
    }.items():
        assert words in applied.run("state", "mv", *arguments, code=1).err
    assert applied.state() == before


def test_an_instance_goes_to_another_configuration_with_all_that_is_in_it(applied: Project, other: Project) -> None:
    held = everything(applied)
    moved = applied.run("state", "mv", "--to-dir", "other", "instance.core").out
    assert sorted(line.partition(":")[0] for line in moved.splitlines()) == sorted(held)
    assert everything(other) == held
    assert everything(applied) == {}
    assert "No changes" in other.run("plan", "--detailed-exitcode").out
    assert "No changes" in applied.run("plan", "--detailed-exitcode").out
    lineage, former = other.state()["lineage"], applied.state()["lineage"]
    assert rebuilt(other, "--lineage", lineage) == held
    assert "No changes" in other.run("plan", "--detailed-exitcode").out
    (applied.root / "spare").mkdir()
    spare = Project(applied.root / "spare")
    spare.write(ENGINE + EMPTY)
    assert "--lineage" in spare.run("state", "rebuild", "--lineage", former, code=1).err, "it owns nothing any more"
    assert "nothing left to move" in applied.run("state", "mv", "--to-dir", "other", "instance.core").out
    assert "key.none is not recorded" in applied.run("state", "mv", "--to-dir", "other", "key.none", code=1).err


def test_the_kms_is_told_what_both_states_have_come_to(applied: Project, other: Project) -> None:
    """Put back as they were, either would speak of objects that the other one has now."""
    before = {}
    for project in (applied, other):
        path = project.root / "state" / "kmsplan.state.json"
        before[path] = path.read_bytes()
    applied.run("state", "mv", "--to-dir", "other", "instance.core")
    for path, content in before.items():
        path.write_bytes(content)
    for project in (applied, other):
        assert "P120" in project.run("plan", code=4).text


def test_what_cannot_go_to_another_configuration_is_refused(applied: Project, other: Project) -> None:
    before = applied.state()
    refused = applied.run("state", "mv", "--to-dir", "other", "key.orders", code=1).err
    assert "key.orders points at instance.core, which stays here" in refused
    applied.write(BASIC)
    refused = applied.run("state", "mv", "--to-dir", "other", "instance.core", code=1).err
    assert "key.orders is still declared here; the next plan would make it anew" in refused
    applied.write(EMPTY)
    other.write(ENGINE + EMPTY)
    refused = applied.run("state", "mv", "--to-dir", "other", "instance.core", code=1).err
    assert "key.orders is not declared there; the next plan would delete it" in refused
    other.write(f"state: {{local: {{path: nowhere}}}}\n{ENGINE}{BASIC}")
    lacking = applied.run("state", "mv", "--to-dir", "other", "instance.core", code=1).err
    assert "there is no state in other" in lacking
    other.write(other.run("plan", "keygen", "ada.pem", "--name", "ada").out, "ops.trusted.yaml")
    other.write(f"approval: {{signatures: 1, trusted: ops.trusted.yaml}}\n{ENGINE}{BASIC}")
    assert "plans that were signed" in applied.run("state", "mv", "--to-dir", "other", "instance.core", code=5).err
    assert "plans that were signed" in other.run("import", "key.orders", "key-1", code=5).err
    assert applied.state() == before
    assert everything(other) == {}


@pytest.mark.parametrize(
    ("point", "here", "there"),
    [(1, True, False), (3, True, True), (4, False, True)],
    ids=["before it is recorded there", "before it is dropped here", "before that is saved"],
)
def test_killed_anywhere_it_leaves_no_object_in_neither_and_the_same_command_finishes(
    applied: Project, other: Project, point: int, *, here: bool, there: bool
) -> None:
    held = everything(applied)
    # The main thread saves, and none renames before.
    applied.killed_at_rename(point, "state", "mv", "--to-dir", "other", "instance.core")
    assert (recorded(applied) == sorted(held), recorded(other) == sorted(held)) == (here, there)
    applied.run("state", "mv", "--to-dir", "other", "instance.core")
    assert recorded(applied) == []
    assert everything(other) == held
    assert "No changes" in other.run("plan", "--detailed-exitcode").out


def test_two_moves_in_opposite_directions_never_wait_for_each_other(applied: Project, other: Project) -> None:
    """Both end, whichever is first: the locks are taken in one order."""
    there = applied.start("state", "mv", "--to-dir", "other", "--lock-timeout", "60", "instance.core")
    back = other.start("state", "mv", "--to-dir", "..", "--lock-timeout", "60", "instance.core")
    assert {process.wait(timeout=120) for process in (there, back)} <= {0, 1}
    for process in (there, back):
        process.communicate()
    held = {**everything(applied), **everything(other)}
    assert set(held) == {"instance.core", "key.orders", "key.signer", "alias.orders"}
