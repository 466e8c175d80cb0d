"""Faults around the engine and the state: refused clearly, nothing half written."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kmsplan.cli.main import run
from tests.project import BASIC, KMSPLAN

if TYPE_CHECKING:
    from tests.project import Project

SEALED = """\
kmsplan: 1
engine: {embedded: {path: state/engine, seal: {passphrase: {env: PASSPHRASE}}}}
instances:
  core: {type: software}
keys:
  orders: {instance: core, aliases: [orders]}
"""


@pytest.fixture
def sealed(project: Project) -> Project:
    project.write(SEALED)
    project.environ["PASSPHRASE"] = "correct horse battery"
    project.apply()
    return project


def keystore(project: Project) -> Path:
    (found,) = (project.root / "state" / "engine").glob("*.db")
    return found


def test_a_passphrase_sealed_engine_works_with_its_passphrase(sealed: Project) -> None:
    blob = sealed.run("engine", "encrypt", "alias/orders", stdin="x").out
    assert sealed.run("engine", "decrypt", stdin=blob).out == "x"


def test_a_wrong_passphrase_is_refused_without_showing_either(sealed: Project) -> None:
    sealed.environ["PASSPHRASE"] = "wrong horse battery"
    answer = sealed.run("engine", "encrypt", "alias/orders", stdin="x", code=1)
    assert "passphrase" in answer.err
    assert "horse" not in answer.text


def test_a_missing_passphrase_variable_is_named(sealed: Project) -> None:
    del sealed.environ["PASSPHRASE"]
    assert "PASSPHRASE" in sealed.run("engine", "encrypt", "alias/orders", stdin="x", code=1).err


def test_a_sealed_engine_refuses_cryptography_until_it_is_unsealed(sealed: Project) -> None:
    sealed.run("engine", "seal")
    assert "sealed" in sealed.run("engine", "encrypt", "alias/orders", stdin="x", code=1).err
    sealed.run("plan", "--detailed-exitcode", code=0)
    sealed.run("engine", "unseal")
    sealed.run("engine", "encrypt", "alias/orders", stdin="x")


def test_a_corrupt_row_is_named_and_never_used(applied: Project) -> None:
    with closing(sqlite3.connect(keystore(applied))) as database, database:
        changed = database.execute("UPDATE material SET wrapped = zeroblob(length(wrapped))").rowcount
    database.close()
    assert changed > 0
    answer = applied.run("engine", "encrypt", "alias/orders", stdin="x", code=1)
    assert f"the material of {applied.identity('key.orders')}" in answer.err
    assert "backup" in answer.err
    assert answer.out == ""


def test_a_corrupt_database_is_refused_with_a_remedy(applied: Project) -> None:
    path = keystore(applied)
    with path.open("r+b") as file:
        file.seek(0)
        file.write(b"not a database at all" * 200)
    for extra in path.parent.glob(path.name + "-*"):
        extra.unlink()
    answer = applied.run("plan", code=1)
    assert str(path.name) in answer.err


def test_a_lost_key_file_is_named(applied: Project) -> None:
    (applied.root / "state" / "engine" / "root.key").unlink()
    assert "root.key" in applied.run("engine", "encrypt", "alias/orders", stdin="x", code=1).err


def test_a_key_file_that_others_can_read_is_refused(applied: Project) -> None:
    (applied.root / "state" / "engine" / "root.key").chmod(0o644)
    assert "chmod 600" in applied.run("engine", "encrypt", "alias/orders", stdin="x", code=1).err


def test_a_full_disk_loses_nothing_and_the_next_run_finishes(basic: Project) -> None:
    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    basic.write(
        "kmsplan: 1\ninstances:\n  core: {type: software}\nkeys:\n"
        + "".join(f"  k{number}: {{instance: core, description: '{'x' * 400}'}}\n" for number in range(100))
    )
    done = subprocess.run(
        [KMSPLAN, "apply", "--auto-approve"],
        cwd=basic.root,
        # What measures coverage writes a file of its own at the end, and a full disk is too small for that one too.
        env={name: value for name, value in basic.environment().items() if not name.startswith("COV")},
        preexec_fn=small_files,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (1, 8, 10)
    assert "disk" in done.stderr
    assert "Traceback" not in done.stderr
    basic.apply()
    basic.run("plan", "--detailed-exitcode", code=0)
    assert basic.run("drift", "--json").json()["drift"] == []
    assert sum(basic.run("engine", "status", "--json").json()["keys"].values()) == 100


@pytest.mark.parametrize("flush", [1, 2, 5, 20, 50])
def test_a_killed_apply_is_finished_by_the_next_with_every_key_once(project: Project, flush: int) -> None:
    keys = "".join(f"  k{number}: {{instance: core, aliases: [a{number}]}}\n" for number in range(300))
    project.write(f"kmsplan: 1\ninstances:\n  core: {{type: software}}\nkeys:\n{keys}")
    project.killed_at_flush(flush, "apply", "--auto-approve")
    project.apply()
    project.run("plan", "--detailed-exitcode", code=0)
    assert project.run("drift", "--json").json()["drift"] == []
    assert sum(project.run("engine", "status", "--json").json()["keys"].values()) == 300
    assert "verified" in project.run("engine", "audit", "verify").out


def stopped(project: Project, *signals: signal.Signals) -> str:
    """Apply many keys, stop it on the way, and return what it printed."""
    keys = "".join(f"  k{each}: {{instance: core, aliases: [a{each}]}}\n" for each in range(400))
    project.write(f"kmsplan: 1\ninstances:\n  core: {{type: software, key_quota: 5000}}\nkeys:\n{keys}")
    # At a time at which more was begun than is under way at once, so that some of it has ended.
    process, number = project.standing_at_flush(20, "apply", "--auto-approve")
    for sent in (*signals, signal.SIGCONT):
        os.kill(number, sent)
    code = process.wait(timeout=120)
    printed = project.printed()
    assert code == 9, printed
    assert "Traceback" not in printed
    return printed


def keys_made(project: Project) -> int:
    return sum(project.run("engine", "status", "--json").json()["keys"].values())


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_finishes_what_is_in_flight_and_says_what_is_left(project: Project, sent: signal.Signals) -> None:
    printed = stopped(project, sent)
    assert 0 < keys_made(project) < 400
    assert "nothing new is started, what is in flight is finished" in printed
    assert "Run kmsplan apply again for the rest" in printed
    assert not (project.root / "state" / "journal.jsonl").exists()
    project.run("drift", code=0)
    project.apply()
    project.run("plan", "--detailed-exitcode", code=0)
    assert keys_made(project) == 400


def test_a_second_signal_stops_at_once_and_the_journal_keeps_the_truth(project: Project) -> None:
    printed = stopped(project, signal.SIGINT, signal.SIGTERM)  # two pending ones of one kind would be one
    assert "Stopped at once" in printed
    assert 0 < keys_made(project) < 400
    assert (project.root / "state" / "journal.jsonl").exists()
    project.apply()
    project.run("plan", "--detailed-exitcode", code=0)
    assert project.run("drift", "--json").json()["drift"] == []
    assert keys_made(project) == 400


def test_nothing_runs_on_after_a_command_has_ended(applied: Project) -> None:
    marker = str(applied.root)
    applied.run("drift")
    left = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if int(entry.name) != os.getpid() and str((entry / "cwd").readlink()) == marker:
                left.append(entry)
        except OSError:  # processes of others, and those that just ended
            continue
    assert left == []


def test_a_process_that_was_stopped_in_the_keystore_is_told_and_what_it_holds_up_is_not_in_doubt(
    basic: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    basic.run("engine", "init")
    monkeypatch.setattr("kmsplan.engine.keystore.line.PATIENCE", 0.3)
    with (keystore(basic).parent / "writer.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert run(["-C", str(basic.root), "apply", "--auto-approve"]) == 1
    told = "".join(capsys.readouterr())
    assert "held by another process" in told
    assert "fuser" in told
    assert "in doubt" not in told
    basic.run("plan", "--detailed-exitcode", code=2)  # nothing has to be found out first
    basic.apply()


def test_after_one_change_that_the_keystore_did_not_take_no_other_is_begun(
    basic: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    basic.apply()
    basic.write(BASIC + "".join(f"  k{number}: {{instance: core}}\n" for number in range(20)))
    monkeypatch.setattr("kmsplan.engine.keystore.line.PATIENCE", 0.3)
    with (keystore(basic).parent / "writer.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert run(["-C", str(basic.root), "apply", "--auto-approve", "--parallelism", "1"]) == 1
    told = "".join(capsys.readouterr())
    assert (told.count("create failed"), told.count("create was skipped")) == (1, 19)
    basic.apply()
