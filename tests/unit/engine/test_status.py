from __future__ import annotations

import json
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine import scheduler
from kmsplan.kms.operation import ScheduleKeyDeletion
from kmsplan.kms.secret import SecretBytes
from tests.byok import bring, in_seconds, waiting
from tests.engines import DAY, Lab, new_instance, new_key
from tests.furnished import core_of, furnish, key_file, trail

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.engine.service import Engine

FACTS = (
    "engine", "path", "keystore", "database", "nodes", "machines", "scheduler_runs", "late", "region", "account",
    "created",
    "schema_version", "seal", "seal_token", "sealed", "keyring_term", "rewrapping", "versions_of_older_terms",
    "instances", "keys", "access_keys", "audit_entries", "audit_head", "audit_signed_up_to", "last_backup",
    "last_backup_age_seconds",
)  # fmt: skip
"""What monitoring may rely on: names are added, and none is taken away."""


def until(reader: Engine, name: str, value: int) -> None:
    """Wait for a fact: a database server notices a little later who has gone."""
    deadline = time.monotonic() + 60
    while reader.status()[name] != value:
        assert time.monotonic() < deadline, (name, reader.status()[name])
        time.sleep(0.01)


@pytest.fixture
def lab(both: Lab) -> Lab:
    return both


def test_the_facts_are_these_and_say_how_the_engine_is(lab: Lab, tmp_path: Path) -> None:
    engine = lab.open()
    furnish(lab, engine, hardware=True)
    engine.keeping.backup(tmp_path / "b", key_file(tmp_path))
    lab.clock.move(DAY)
    facts = engine.status()
    assert tuple(facts) == FACTS
    assert json.loads(json.dumps(facts)) == facts
    assert facts["keys"] == {"Disabled": 1, "Enabled": 4, "PendingDeletion": 1}
    assert facts["access_keys"] == {"Active": 1}
    assert (facts["instances"], facts["keyring_term"], facts["seal"], facts["sealed"]) == (2, 1, "file", False)
    assert (facts["last_backup"], facts["last_backup_age_seconds"]) == ("2026-01-09T00:00:00Z", 86400)
    assert (facts["audit_entries"], facts["audit_head"]) == (trail(engine)[-1]["seq"], trail(engine)[-1]["hash"])


def test_no_secret_is_among_the_facts(lab: Lab) -> None:
    engine = lab.open()
    made = furnish(lab, engine)
    text = json.dumps(engine.status())
    key = (lab.folder / "root.key").read_bytes()
    for secret in (made.secret.decode(), key.hex(), "never-shown"):
        assert secret not in text


def test_the_nodes_that_have_the_engine_open_are_counted(lab: Lab) -> None:
    reader = lab.open(read_only=True)
    assert (reader.status()["nodes"], reader.status()["machines"]) == (0, 0)
    first, second = lab.open(), lab.open()
    for engine in (first, second):
        marked = core_of(engine).presence
        assert marked is not None
        assert marked.node_id  # a process marks itself at a database server when it first needs to
    assert (reader.status()["nodes"], reader.status()["machines"]) == (2, 1)
    second.close()
    until(reader, "nodes", 1)
    first.close()
    until(reader, "nodes", 0)


def test_whether_somebody_keeps_the_schedule_is_said(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "TAKEOVER", 0.01)
    reader, engine, stop = lab.open(read_only=True), lab.open(), threading.Event()
    assert not reader.status()["scheduler_runs"]
    thread = threading.Thread(target=engine.run_schedule, args=(stop,))
    thread.start()
    until(reader, "scheduler_runs", 1)
    stop.set()
    thread.join()
    engine.close()
    until(reader, "scheduler_runs", 0)


def test_what_waits_for_longer_than_the_schedule_takes_is_counted(lab: Lab) -> None:
    engine = lab.open()
    instance = new_instance(engine)
    key = new_key(engine, instance, rotation=7 * 86_400)
    for each in (new_key(engine, instance, rotation=7 * 86_400), new_key(engine, instance)):
        engine.execute(ScheduleKeyDeletion(key=each, window_days=7))
    expiring = waiting(engine, instance)
    bring(engine, expiring, SecretBytes(bytes(32)), expires=in_seconds(lab, 7 * DAY))
    lab.clock.move(7 * DAY + timedelta(seconds=599))
    assert engine.status()["late"] == {}
    lab.clock.move(timedelta(seconds=1))
    assert engine.status()["late"] == {"deletion": 2, "expiry": 1, "rotation": 1}
    assert engine.tick().rotated == (key,)
    assert engine.status()["late"] == {}


def test_a_sealed_engine_says_so_to_everybody(lab: Lab) -> None:
    engine, other = lab.open(), lab.open(seal=None)
    engine.seal()
    assert [each.status()["sealed"] for each in (engine, other, lab.open(read_only=True))] == [True] * 3
