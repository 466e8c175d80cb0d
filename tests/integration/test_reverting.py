"""Undoing a failed run, and a successor that does not work: real engine, real process."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.project import BASIC, Project

if TYPE_CHECKING:
    from typing import Any

BROKEN = "  vault: {type: hardware, hsm: {module: /nowhere/lib.so, token: test, pin: {env: HSM_PIN}}}\n"


@pytest.fixture
def failing(applied: Project) -> Project:
    """A project whose next apply changes much and fails at an instance without its HSM."""
    applied.environ["HSM_PIN"] = "4711-0815"
    changed = BASIC.replace("team: payments", "team: billing").replace("rotation: 90d,", "description: new,")
    changed = changed.replace("keys:\n", f"{BROKEN}keys:\n").replace("aliases: [orders]", "aliases: [orders, more]")
    applied.write(f"{changed}  made: {{instance: core, aliases: [a-made]}}\n  late: {{instance: vault}}\n")
    return applied


def seen(project: Project) -> dict[str, Any]:
    """What is recorded, which the engine holds: drift has been asked."""
    project.run("drift", code=None)
    found: dict[str, Any] = project.state()["records"]
    return {address: record["attributes"] for address, record in found.items()}


def test_what_was_done_is_undone_and_what_was_made_is_named(failing: Project) -> None:
    before = seen(failing)
    answer = failing.apply("--parallelism", "1", "--on-error=revert", code=8)
    after = seen(failing)
    assert {address: after[address] for address in before} == before
    assert after.keys() - before.keys() == {"key.made"}
    assert "create stays: key.made (key-" in answer.text
    assert after["key.made"]["deletion_protection"] is True
    assert {"key.orders: reverted", "alias.a-made: reverted"} <= {
        line.partition(" [")[0] for line in answer.out.splitlines()
    }
    assert "create failed: instance.vault" in answer.text
    failing.run("drift", code=0)


def test_by_default_what_was_done_stays(failing: Project) -> None:
    before = seen(failing)
    answer = failing.apply(code=8)
    assert seen(failing)["key.orders"] != before["key.orders"]
    assert "reverted" not in answer.text


def test_the_stream_tells_of_it_and_counts_it(failing: Project) -> None:
    answer = failing.apply("--parallelism", "1", "--on-error=revert", "--json", code=8)
    lines = [json.loads(line) for line in answer.out.splitlines()]
    reverted = {line["hook"]["resource"]["addr"] for line in lines if line["type"] == "apply_reverted"}
    (changes,) = (line["changes"] for line in lines if line["type"] == "change_summary")
    assert reverted == {"alias.a-made", "alias.more", "key.orders"}
    assert changes["reverted"] == 3
    assert changes["failed"] == 1


SUCCESSION = BASIC.replace("rotation: 90d,", "spec: RSA_2048, usage: ENCRYPT/DECRYPT, on_replace: succeed, grace: 7d,")


def test_a_successor_that_does_not_work_gets_nothing_and_its_predecessor_goes_on(applied: Project) -> None:
    old = applied.identity("key.orders")
    applied.write(SUCCESSION)
    applied.apply()
    assert applied.state()["records"]["key.orders~1"]["attributes"]["enabled"] is True
    with closing(sqlite3.connect(applied.root / "state" / "engine" / "keystore.db")) as db, db:
        db.execute("UPDATE key_version SET generation = 2 WHERE key_id = ?", (applied.identity("key.orders"),))
    db.close()
    applied.call("UpdateAlias", "AliasName=alias/orders", f"KeyId={old}")
    applied.write(SUCCESSION.replace("grace: 7d,", ""))
    answer = applied.apply(code=8)
    assert "did not pass its self-test" in answer.text
    assert "A101" in answer.text
    assert applied.state()["records"]["key.orders~1"]["attributes"]["enabled"] is True
    assert json.loads(applied.run("plan", "--json").out)["summary"]["change"] == 2
