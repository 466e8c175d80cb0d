"""Every serial is kept: listed with its run, shown, compared, and brought back after a look at what that changes."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

from tests.project import KMSPLAN

if TYPE_CHECKING:
    from tests.project import Project


def serials(project: Project) -> list[tuple[int, str]]:
    listed = project.run("state", "history", "--json").json()["serials"]
    return [(serial["serial"], serial["command"]) for serial in listed]


def test_every_serial_says_who_made_it_when_and_with_which_plan(applied: Project) -> None:
    applied.call("UpdateKeyDescription", "KeyId=alias/orders", "Description=x")
    digest = applied.run("plan", "--json").json()["digest"]
    applied.apply()
    applied.run("state", "rm", "key.signer")
    assert serials(applied) == [(0, None), (1, "apply"), (2, "apply"), (3, "state rm")]
    second = applied.run("state", "history", "--json").json()["serials"][2]
    assert digest.endswith(second["plan"])
    assert "@" in second["by"]
    text = applied.run("state", "history").out
    assert second["by"] in text
    assert second["plan"][:12] in text
    assert text.splitlines()[-1].endswith("current")


def test_a_run_that_was_killed_before_its_snapshot_made_a_serial_that_can_be_read(applied: Project) -> None:
    text = (applied.root / "kmsplan.yaml").read_text()
    applied.write(text.replace("90d", "30d"))
    inject = "inject=link:signal=SIGKILL:when=1"  # the journal is whole, and the old snapshot about to be kept
    killed = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=link", "-e", inject, KMSPLAN, "apply"]
    done = subprocess.run(
        [*killed, "--auto-approve"], cwd=applied.root, env=applied.environment(), capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stdout
    assert serials(applied) == [(0, None), (1, "apply"), (2, "apply")]
    applied.write(text.replace("90d", "60d"))
    applied.apply()
    assert serials(applied) == [(0, None), (1, "apply"), (2, "apply"), (3, "apply")]
    assert "rotation = 90d -> 30d" in applied.run("state", "diff", "1", "2").out
    assert "rotation = 30d -> 60d" in applied.run("state", "diff", "2", "3").out
    assert not (applied.root / "state" / "history" / "2.state.json").exists()


def test_a_run_that_finds_nothing_left_to_do_writes_the_snapshot_that_a_killed_one_did_not(applied: Project) -> None:
    applied.write((applied.root / "kmsplan.yaml").read_text().replace("90d", "30d"))
    inject = "inject=link:signal=SIGKILL:when=1"
    killed = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=link", "-e", inject, KMSPLAN, "apply"]
    subprocess.run(
        [*killed, "--auto-approve"], cwd=applied.root, env=applied.environment(), capture_output=True, check=False
    )
    assert applied.state()["serial"] == 1
    assert "No changes" in applied.apply().out
    assert applied.state()["serial"] == 2
    assert not (applied.root / "state" / "journal.jsonl").exists()
    applied.run("plan", "--detailed-exitcode", code=0)


def test_an_earlier_serial_is_shown_and_compared(applied: Project) -> None:
    text = (applied.root / "kmsplan.yaml").read_text()
    applied.write(text.replace("90d", "30d"))
    applied.apply()
    assert "rotation            = 90d" in applied.run("state", "show", "--serial", "1").out
    rotation = applied.run("state", "show", "--serial", "1", "key.orders").json()["attributes"]["rotation"]
    assert rotation == 90 * 86_400
    assert applied.run("state", "show", "--serial", "1", "--json").json()["serial"] == 1
    assert applied.run("state", "diff", "1").out == (
        '  # key.orders\n  ~ key "orders" {\n      ~ rotation = 90d -> 30d\n    }\n\nRecords: 1 changed.\n'
    )
    assert applied.run("state", "diff", "1", "1").out == "No difference.\n"
    (change,) = applied.run("state", "diff", "1", "2", "--json").json()["changes"]
    assert change["attributes"] == ["rotation"]
    missing = applied.run("state", "diff", "7", code=1).err
    assert "there is no serial 7" in missing
    assert "0, 1, 2" in missing


def test_what_was_forgotten_by_mistake_is_restored_as_a_new_serial(applied: Project) -> None:
    before = applied.state()["records"]
    applied.run("state", "rm", "key.signer", "alias.orders")
    asked = applied.run("state", "restore", "1", stdin="yes\n").out
    assert '+ key "signer"' in asked
    assert "Records: 2 added." in asked
    assert "Serial 3 records what serial 1 did." in asked
    assert applied.state()["records"] == before
    assert serials(applied) == [(0, None), (1, "apply"), (2, "state rm"), (3, "state restore 1")]
    applied.run("plan", "--detailed-exitcode", code=0)
    assert applied.run("state", "restore", "1", "--auto-approve").out == "No difference.\n"


def test_nothing_is_restored_without_a_yes(applied: Project) -> None:
    applied.run("state", "rm", "key.signer")
    before = applied.state()
    assert "approval is missing" in applied.run("state", "restore", "1", code=5).err
    assert "cancelled" in applied.run("state", "restore", "1", code=9, stdin="no\n").err
    assert applied.state() == before


def test_what_was_made_since_stays_recorded_and_what_is_gone_is_not_invented(applied: Project) -> None:
    text = (applied.root / "kmsplan.yaml").read_text()
    applied.write(text + "  late: {instance: core}\n")
    applied.apply()
    applied.run("state", "rm", "key.signer")
    applied.run("state", "restore", "1", "--auto-approve")
    assert {"key.late", "key.signer"} <= applied.state()["records"].keys()
    applied.run("state", "rm", "alias.orders")
    applied.call("DeleteAlias", "AliasName=alias/orders")
    refused = applied.run("state", "restore", "1", "--auto-approve", code=4).err
    assert "alias.orders: alias/orders is gone at the KMS" in refused
    assert "--exclude ADDRESS" in refused
    excluded = applied.run("state", "restore", "1", "--auto-approve", "--exclude", "alias.orders").out
    assert excluded == "No difference.\n"


def test_no_object_is_orphaned(applied: Project) -> None:
    """A successor stands where the serial has its predecessor."""
    old = applied.identity("key.orders")
    text = (applied.root / "kmsplan.yaml").read_text()
    applied.write(
        text.replace(
            "orders: {instance: core, rotation: 90d", "orders: {instance: core, spec: Aliyun_SM4, on_replace: succeed"
        )
    )
    applied.apply()
    new = applied.identity("key.orders")
    assert applied.identity("key.orders~1") == old
    refused = applied.run("state", "restore", "1", "--auto-approve", code=4).err
    assert f"key.orders: {new} is recorded here now, and would be recorded nowhere" in refused
    assert applied.identity("key.orders") == new
