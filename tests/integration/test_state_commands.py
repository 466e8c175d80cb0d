"""Looking at the state, mending it, and a lost one coming back from the owner tags."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from kmsplan.state.local import LocalStore

if TYPE_CHECKING:
    from tests.project import Project


def lose_state(project: Project) -> None:
    for path in (project.root / "state").iterdir():
        if path.name != "engine":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_a_lost_state_is_rebuilt_from_the_owner_tags(applied: Project) -> None:
    before = applied.state()["records"]
    lose_state(applied)
    assert "Rebuilt 4 records" in applied.run("state", "rebuild").out
    assert applied.state()["records"] == before
    applied.run("plan", "--detailed-exitcode", code=0)
    applied.run("drift", code=0)


def test_a_rebuilt_state_knows_predecessors_and_pending_deletions(applied: Project) -> None:
    text = (applied.root / "kmsplan.yaml").read_text()
    text = text.replace(
        "orders: {instance: core, rotation: 90d,", "orders: {instance: core, on_replace: succeed, spec: EC_P256,"
    )
    applied.write(text)
    applied.apply()
    applied.write("\n".join(line for line in text.splitlines() if "signer" not in line) + "\n")
    applied.apply("--allow-delete", "1")
    before = {address: (record["identity"], record["status"]) for address, record in applied.state()["records"].items()}
    lose_state(applied)
    applied.run("state", "rebuild")
    after = {address: (record["identity"], record["status"]) for address, record in applied.state()["records"].items()}
    assert after == before
    applied.run("plan", "--detailed-exitcode", code=2)  # on_replace is kmsplan's own rule and is recorded again
    applied.apply()
    applied.run("plan", "--detailed-exitcode", code=0)


def test_rebuild_never_replaces_a_state(applied: Project) -> None:
    assert "already" in applied.run("state", "rebuild", code=1).err


def test_a_rebuild_that_was_interrupted_before_its_first_record_is_run_again(applied: Project) -> None:
    before = applied.state()
    lose_state(applied)
    LocalStore(applied.root / "state").init(before["lineage"])
    assert "Rebuilt 4 records" in applied.run("state", "rebuild").out
    assert applied.state()["records"] == before["records"]
    applied.run("plan", "--detailed-exitcode", code=0)


def test_an_empty_state_of_another_lineage_is_not_taken_for_an_interrupted_rebuild(applied: Project) -> None:
    lose_state(applied)
    LocalStore(applied.root / "state").init("f" * 32)
    assert "already" in applied.run("state", "rebuild", code=1).err
    assert applied.state()["records"] == {}


def test_rebuild_of_nothing_says_so(basic: Project) -> None:
    assert "nothing to rebuild" in basic.run("state", "rebuild", code=1).err


def test_a_saved_plan_does_not_begin_a_state_where_one_was_lost(applied: Project) -> None:
    lose_state(applied)
    assert "P102" in applied.run("plan", "-o", "x.plan", code=4).text
    assert "P102" in applied.run("plan", code=4).text
    assert not (applied.root / "state" / "kmsplan.state.json").exists()


def test_a_second_configuration_begins_its_own_state_in_the_same_engine(applied: Project) -> None:
    second = "kmsplan: 1\nengine: {embedded: {path: state/engine}}\nstate: {local: {path: other}}\n"
    applied.write(second + "instances:\n  mine: {type: software}\n")
    applied.run("plan", code=4)
    applied.run("state", "init")
    applied.apply()
    applied.run("plan", "--detailed-exitcode", code=0)
    applied.write(second + "instances:\n  core: {type: software}\n")
    shutil.rmtree(applied.root / "other")
    assert "state rebuild" in applied.run("state", "init", code=1).err


def test_list_show_and_history(applied: Project) -> None:
    assert applied.run("state", "list").out.split() == ["alias.orders", "instance.core", "key.orders", "key.signer"]
    assert applied.run("state", "show", "key.orders").json()["identity"] == applied.identity("key.orders")
    assert "Did you mean key.orders?" in applied.run("state", "show", "key.order", code=1).err
    applied.call("UpdateKeyDescription", "KeyId=alias/orders", "Description=x")
    applied.apply()
    serials = [line.split()[0] for line in applied.run("state", "history").out.splitlines()]
    assert serials == ["serial", "0", "1", "2"]
    assert "key.orders" in applied.run("show").out


def test_rm_forgets_a_record_and_leaves_the_object(applied: Project) -> None:
    identity = applied.identity("key.signer")
    applied.run("state", "rm", "key.signer")
    assert "key.signer" not in applied.state()["records"]
    assert identity in applied.run("drift", code=2).out
    applied.apply()
    assert applied.identity("key.signer") == identity
