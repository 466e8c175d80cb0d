from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.keystore import imported
from kmsplan.engine.keystore import key as keys
from kmsplan.engine.schedule import Ticked
from kmsplan.kms.operation import (
    CancelKeyDeletion,
    CreateAlias,
    DisableKey,
    EnableKey,
    ScheduleKeyDeletion,
    TagResources,
    UpdateRotationPolicy,
)
from kmsplan.kms.secret import SecretBytes
from tests.byok import bring, in_seconds, waiting
from tests.engines import DAY, Lab, described, new_instance, new_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.service import Engine

QUARTER = 90 * 86_400


def test_nothing_is_due_in_a_new_engine_and_nothing_is_written(engine: Engine, instance: str) -> None:
    new_key(engine, instance, rotation=QUARTER)
    commits = engine._core.store.commits
    assert engine.tick() == Ticked()
    assert engine._core.store.commits == commits


def test_a_due_key_gets_a_new_version_and_its_old_ciphertexts_still_decrypt(
    lab: Lab, engine: Engine, instance: str
) -> None:
    key = new_key(engine, instance, rotation=QUARTER)
    blobs = []
    for _ in range(3):
        blobs.append(engine.encrypt(key, b"x")[0])
        lab.clock.move(90 * DAY)
        assert engine.tick().rotated == (key,)
        assert engine.tick().rotated == ()
    row = described(engine, key)
    assert row["last_rotation_date"] == "2026-09-28T00:00:00Z"
    assert row["next_rotation_date"] == "2026-12-27T00:00:00Z"
    assert engine.encrypt(key, b"x").version_id == row["primary_version"]
    assert [engine.decrypt(blob)[0] for blob in blobs] == [b"x"] * 3
    assert len({blob[:36] for blob in blobs} | {row["primary_version"].encode()}) == 4


def test_a_key_that_missed_several_rotations_rotates_once(lab: Lab, engine: Engine, instance: str) -> None:
    key = new_key(engine, instance, rotation=QUARTER)
    lab.clock.move(1000 * DAY)
    assert engine.tick().rotated == (key,)
    assert engine.tick().rotated == ()
    assert described(engine, key)["next_rotation_date"] == "2028-12-26T00:00:00Z"


def test_a_disabled_key_waits_and_rotates_when_it_is_enabled(lab: Lab, engine: Engine, instance: str) -> None:
    key = new_key(engine, instance, rotation=QUARTER)
    first = described(engine, key)["primary_version"]
    engine.execute(DisableKey(key=key))
    lab.clock.move(100 * DAY)
    assert engine.tick().rotated == ()
    assert described(engine, key)["primary_version"] == first
    engine.execute(EnableKey(key=key))
    assert described(engine, key)["primary_version"] != first


def test_a_deletion_is_carried_out_when_it_is_due_with_aliases_tags_and_material(
    lab: Lab, engine: Engine, instance: str
) -> None:
    key, kept = new_key(engine, instance), new_key(engine, instance)
    engine.execute(CreateAlias(alias="alias/orders", key=key))
    engine.execute(TagResources(resource=key, resource_type="key", tags={"a": "b"}))
    engine.execute(ScheduleKeyDeletion(key=key, window_days=30))
    lab.clock.move(29 * DAY)
    assert engine.tick().deleted == ()
    lab.clock.move(1 * DAY)
    assert engine.tick().deleted == (key,)
    found = engine.describe()
    assert [row["key_id"] for row in found.keys] == [kept]
    assert found.aliases == []
    assert found.instances[0]["versions"] == 1
    with closing(sqlite3.connect(lab.database)) as db:
        counts = "SELECT (SELECT count(*) FROM material), (SELECT count(*) FROM tag), (SELECT count(*) FROM alias)"
        assert db.execute(counts).fetchone() == (1, 0, 0)


def test_a_cancelled_deletion_is_not_carried_out(lab: Lab, engine: Engine, instance: str) -> None:
    key = new_key(engine, instance, rotation=QUARTER)
    engine.execute(ScheduleKeyDeletion(key=key, window_days=120))
    lab.clock.move(100 * DAY)
    assert engine.tick() == Ticked()
    engine.execute(CancelKeyDeletion(key=key))
    assert described(engine, key)["last_rotation_date"] == "2026-04-11T00:00:00Z"
    lab.clock.move(30 * DAY)
    assert engine.tick().deleted == ()


def test_many_deletions_are_carried_out_in_few_transactions(lab: Lab, engine: Engine) -> None:
    instance = new_instance(engine)
    keys = sorted(new_key(engine, instance) for _ in range(250))
    for key in keys:
        engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    lab.clock.move(7 * DAY)
    commits = engine._core.store.commits
    assert sorted(engine.tick().deleted) == keys
    assert engine._core.store.commits == commits + 2
    assert engine.describe().keys == []


def test_what_the_engine_does_by_itself_is_audited(lab: Lab, engine: Engine, instance: str) -> None:
    key = new_key(engine, instance, rotation=QUARTER)
    lab.clock.move(100 * DAY)
    engine.tick()
    engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    lab.clock.move(7 * DAY)
    engine.tick()
    told = [
        (entry["action"], entry["resource"], entry["result"])
        for entry in engine.audit_entries()
        if entry["source"] == "schedule"
    ]
    assert told == [("RotateKey", key, "OK"), ("DeleteKey", key, "OK")]


def test_a_sealed_engine_does_nothing_by_itself(lab: Lab, engine: Engine, instance: str) -> None:
    key, doomed = new_key(engine, instance, rotation=QUARTER), new_key(engine, instance)
    engine.execute(ScheduleKeyDeletion(key=doomed, window_days=7))
    engine.seal()
    lab.clock.move(100 * DAY)
    assert engine.tick() == Ticked()
    assert lab.seal is not None
    engine.unseal(lab.seal)
    assert engine.tick() == Ticked(rotated=(key,), deleted=(doomed,))


def test_an_engine_that_another_process_has_sealed_does_nothing_by_itself(
    lab: Lab, engine: Engine, instance: str
) -> None:
    key, doomed, imported = (
        new_key(engine, instance, rotation=QUARTER),
        new_key(engine, instance),
        waiting(engine, instance),
    )
    engine.execute(ScheduleKeyDeletion(key=doomed, window_days=7))
    bring(engine, imported, SecretBytes(bytes(32)), expires=in_seconds(lab, DAY))
    other = lab.open()
    other.seal()
    lab.clock.move(100 * DAY)
    assert engine.tick() == Ticked()
    assert engine.sealed
    assert lab.seal is not None
    other.unseal(lab.seal)
    assert engine.tick() == Ticked(rotated=(key,), deleted=(doomed,), expired=(imported,))


@pytest.mark.parametrize("look", ["due_for_deletion", "due_to_expire"])
def test_what_was_seen_to_be_due_stays_where_the_engine_is_sealed_meanwhile(
    lab: Lab, engine: Engine, instance: str, monkeypatch: pytest.MonkeyPatch, look: str
) -> None:
    doomed, expiring = new_key(engine, instance), waiting(engine, instance)
    engine.execute(ScheduleKeyDeletion(key=doomed, window_days=7))
    bring(engine, expiring, SecretBytes(bytes(32)), expires=in_seconds(lab, 8 * DAY))
    due, other = {"due_for_deletion": doomed, "due_to_expire": expiring}[look], lab.open()
    lab.clock.move({"due_for_deletion": 7, "due_to_expire": 100}[look] * DAY)

    def seal_meanwhile(*_: object) -> list[str]:
        other.seal()
        return [due]

    monkeypatch.setattr(keys if look == "due_for_deletion" else imported, look, seal_meanwhile)
    ticked = engine.tick()
    assert due not in ticked.deleted + ticked.expired
    assert due in {row["key_id"] for row in engine.describe().keys if row["state"] != "PendingImport"}


@pytest.mark.parametrize(
    ("meanwhile", "postponed"),
    [
        (lambda other, key: other.execute(DisableKey(key=key)), 0),
        (lambda other, _: other.tick(), 0),
        (lambda other, _: other.seal(), 1),
    ],
    ids=["disabled", "rotated", "sealed"],
)
def test_a_key_that_changed_since_it_was_seen_to_be_due_is_left(
    lab: Lab, engine: Engine, instance: str, meanwhile: Callable[[Engine, str], object], postponed: int
) -> None:
    key = new_key(engine, instance, rotation=QUARTER)
    lab.clock.move(100 * DAY)
    other, world = lab.open(), engine._core.world
    make, done = world.entropy, list[object]()

    def change_meanwhile(count: int) -> bytes:
        if not done:
            done.append(meanwhile(other, key))
        return make(count)

    object.__setattr__(world, "entropy", change_meanwhile)
    ticked = engine.tick()
    assert (ticked.rotated, len(ticked.postponed)) == ((), postponed)
    told = [entry for entry in engine.audit_entries() if (entry["action"], entry["result"]) == ("RotateKey", "OK")]
    assert len(told) <= 1
    assert engine.describe().instances[0]["versions"] == 1 + len(told)


def test_a_deletion_that_was_cancelled_since_it_was_seen_to_be_due_is_left(
    lab: Lab, engine: Engine, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key(engine, instance)
    engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    lab.clock.move(7 * DAY)
    look = keys.due_for_deletion

    def cancel_meanwhile(db: sqlite3.Connection, now: str) -> list[str]:
        due = look(db, now)
        engine.execute(CancelKeyDeletion(key=key))
        return [*due, "key-gone"]

    monkeypatch.setattr(keys, "due_for_deletion", cancel_meanwhile)
    assert engine.tick().deleted == ()
    assert described(engine, key)["state"] == "Enabled"


def test_a_key_that_is_gone_since_it_was_seen_to_be_due_is_left(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "due_for_rotation", lambda *_: ["key-gone"])
    assert engine.tick() == Ticked()


def test_a_rotation_that_cannot_be_is_tried_at_each_tick_and_audited_once_for_each_reason(
    lab: Lab, engine: Engine
) -> None:
    instance = new_instance(engine, key_quota=100)
    kept = [new_key(engine, instance, rotation=QUARTER if number else None) for number in range(100)]
    lab.clock.move(100 * DAY)

    def told() -> list[str]:
        return [str(entry["result"]) for entry in engine.audit_entries() if entry["action"] == "RotateKey"]

    for _ in range(3):
        assert engine.tick().postponed.keys() == set(kept[1:])
        assert told() == ["Rejected.LimitExceeded"] * 99
    engine.execute(ScheduleKeyDeletion(key=kept[0], window_days=7))
    lab.clock.move(8 * DAY)
    ticked = engine.tick()
    assert len(ticked.rotated) == 1
    assert told()[99:] == ["OK"]


def test_a_sealed_engine_takes_a_new_period_and_rotates_when_it_is_open_again(
    lab: Lab, engine: Engine, instance: str
) -> None:
    key = new_key(engine, instance)
    lab.clock.move(100 * DAY)
    engine.seal()
    engine.execute(UpdateRotationPolicy(key=key, rotation=QUARTER))
    assert described(engine, key)["last_rotation_date"] == "2026-01-01T00:00:00Z"
    assert lab.seal is not None
    engine.unseal(lab.seal)
    assert engine.tick().rotated == (key,)
