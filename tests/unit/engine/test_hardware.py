"""HSM material and the database, kept together."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.keystore import version as versions
from kmsplan.engine.protection.protocol import Generated
from kmsplan.kms.capability import Origin
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import CreateInstance, CreateKey, CreateKeyVersion, ReleaseKmsInstance, ScheduleKeyDeletion
from kmsplan.kms.spec import SPECS, KeySpec
from tests.engines import DAY, Lab, described, new_instance, new_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.service import Engine
    from kmsplan.kms.spec import KeyUsage


def _unsettled(lab: Lab) -> list[tuple[str]]:
    with closing(sqlite3.connect(lab.database)) as db:
        return db.execute("SELECT status FROM key_version WHERE status <> 'ready'").fetchall()


def _begin(lab: Lab, instance: str, reference: bytes, node: str | None) -> None:
    """Leave what a process leaves that dies while its HSM makes a key."""
    with closing(sqlite3.connect(lab.database)) as db:
        versions.begin(db, "key-dead", "key-dead-1", instance, reference, "2026-01-01T00:00:00Z", node)
        db.commit()


def test_the_reference_is_committed_before_the_hsm_makes_anything(
    lab: Lab, engine: Engine, vault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate, seen = lab.hsm.generate, []

    def look(spec: KeySpec, usage: object, reference: bytes) -> object:
        with closing(sqlite3.connect(lab.database)) as db:
            seen.append(db.execute("SELECT status, reference FROM key_version").fetchall())
        assert engine.describe().keys == []
        return generate(spec, usage, reference)  # type: ignore[arg-type]

    monkeypatch.setattr(lab.hsm, "generate", look)
    key = new_key(engine, vault)
    assert seen == [[("creating", next(iter(lab.hsm.material)))]]
    assert _unsettled(lab) == []
    results = [entry["result"] for entry in engine.audit_entries() if entry["resource"] == key]
    assert results == ["Accepted", "OK"]


def _full() -> None:
    raise OSError("the journal's disk is full")


def test_no_operation_reaches_an_hsm_before_it_is_written_down(lab: Lab, engine: Engine, vault: str) -> None:
    signer = new_key(engine, vault, KeySpec.EC_P256)
    lab.clock.move(8 * DAY)
    held, entries = dict(lab.hsm.material), len(list(engine.audit_entries()))
    create = CreateKey(
        instance=vault, spec=KeySpec.AES_256, usage=SPECS[KeySpec.AES_256].default_usage, origin=Origin.KMS
    )
    hsm = {"module": "fake.so", "token": "lab"}
    for operation in (
        create,
        CreateKeyVersion(key=signer),
        CreateInstance(type="hardware", spec=1000, key_quota=10, hsm=hsm),
        ReleaseKmsInstance(instance=vault, force=True),
    ):
        with pytest.raises(OSError, match="disk is full"):
            engine.execute(operation, _full)
    assert (lab.hsm.material, lab.hsm.destroyed) == (held, [])
    assert _unsettled(lab) == []
    assert [entry["result"] for entry in engine.audit_entries()][entries:].count("OK") == 0
    assert len(engine.describe().instances) == 1


def test_an_hsm_that_fails_leaves_nothing_behind(lab: Lab, engine: Engine, vault: str) -> None:
    lab.hsm.away = True
    with pytest.raises(KmsError, match="does not answer") as caught:
        new_key(engine, vault)
    assert caught.value.code == "Rejected.Unavailable"
    assert engine.describe().keys == []
    lab.hsm.away = False
    assert engine.tick().postponed == {}
    assert _unsettled(lab) == []
    assert engine.describe().instances[0]["versions"] == 0


def test_material_that_fails_its_self_test_is_destroyed(lab: Lab, engine: Engine, vault: str) -> None:
    lab.hsm.broken = True
    with pytest.raises(KmsError, match="self-test"):
        new_key(engine, vault, KeySpec.EC_P256)
    assert lab.hsm.material == {}
    assert len(lab.hsm.destroyed) == 1
    assert (engine.describe().keys, _unsettled(lab)) == ([], [])


def test_material_made_while_the_connection_broke_is_destroyed_later(lab: Lab, engine: Engine, vault: str) -> None:
    lab.hsm.dies_after_making = True
    with pytest.raises(KmsError, match="broke"):
        new_key(engine, vault)
    assert _unsettled(lab) == [("destroying",)]
    assert len(lab.hsm.material) == 1
    assert list(engine.tick().postponed.values()) == ["the token does not answer"]
    lab.hsm.away = lab.hsm.dies_after_making = False
    assert engine.tick().postponed == {}
    assert (lab.hsm.material, _unsettled(lab)) == ({}, [])


@pytest.mark.parametrize("made", [True, False])
@pytest.mark.parametrize("node", ["0123456789abcdef", None])
def test_what_a_dead_process_left_is_cleared_away(
    lab: Lab, engine: Engine, vault: str, *, made: bool, node: str | None
) -> None:
    kept = new_key(engine, vault)
    reference = bytes(16)
    if made:
        lab.hsm.material[reference] = next(iter(lab.hsm.material.values()))
    _begin(lab, vault, reference, node)
    engine.close()
    again = lab.open()
    assert [row["key_id"] for row in again.describe(check_material=True).keys] == [kept]
    again.tick()
    assert reference not in lab.hsm.material
    assert _unsettled(lab) == []
    assert described(again, kept, check_material=True)["state"] == "Enabled"


def test_what_a_living_process_is_making_is_left_alone(lab: Lab, engine: Engine, vault: str) -> None:
    other = lab.open()
    assert other._core.presence is not None
    _begin(lab, vault, bytes(16), other._core.presence.node_id)
    engine.tick()
    assert _unsettled(lab) == [("creating",)]
    other.close()
    engine.tick()
    assert _unsettled(lab) == []


def test_what_this_process_is_making_is_left_alone(
    lab: Lab, engine: Engine, vault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate = lab.hsm.generate

    def tick_meanwhile(spec: KeySpec, usage: object, reference: bytes) -> object:
        made = generate(spec, usage, reference)  # type: ignore[arg-type]
        engine.tick()
        return made

    monkeypatch.setattr(lab.hsm, "generate", tick_meanwhile)
    key = new_key(engine, vault)
    assert described(engine, key, check_material=True)["state"] == "Enabled"


def test_a_key_given_up_by_another_process_does_not_appear(
    lab: Lab, engine: Engine, vault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate = lab.hsm.generate

    def give_up(spec: KeySpec, usage: object, reference: bytes) -> object:
        with closing(sqlite3.connect(lab.database)) as db:
            db.execute("DELETE FROM key_version")
            db.commit()
        return generate(spec, usage, reference)  # type: ignore[arg-type]

    monkeypatch.setattr(lab.hsm, "generate", give_up)
    with pytest.raises(KmsError, match="given up meanwhile"):
        new_key(engine, vault)
    assert engine.describe().keys == []


def test_what_another_process_gave_up_and_this_one_made_all_the_same_is_destroyed(
    lab: Lab, engine: Engine, vault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate, other = lab.hsm.generate, lab.open()

    def be_taken_for_dead(spec: KeySpec, usage: KeyUsage, reference: bytes) -> Generated:
        with closing(sqlite3.connect(lab.database)) as db:
            db.execute("UPDATE key_version SET node = NULL")
            db.commit()
        other.tick()
        assert _unsettled(lab) == []
        return generate(spec, usage, reference)

    monkeypatch.setattr(lab.hsm, "generate", be_taken_for_dead)
    with pytest.raises(KmsError, match="given up meanwhile"):
        new_key(engine, vault)
    assert (lab.hsm.material, _unsettled(lab)) == ({}, [])
    assert engine.describe().instances[0]["versions"] == 0


def test_a_deleted_key_is_gone_before_its_material_is_destroyed(lab: Lab, engine: Engine, vault: str) -> None:
    key = new_key(engine, vault)
    engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    lab.clock.move(7 * DAY)
    lab.hsm.away = True
    ticked = engine.tick()
    assert ticked.deleted == (key,)
    assert ticked.postponed == {key: "the token does not answer"}
    assert engine.describe().keys == []
    assert len(lab.hsm.material) == 1
    with pytest.raises(KmsError, match="1 key version"):
        engine.execute(ReleaseKmsInstance(instance=vault))
    engine.close()
    lab.hsm.away = False
    again = lab.open()
    assert again.tick().postponed == {}
    assert lab.hsm.material == {}
    *_, entry = again.audit_entries()
    assert (entry["action"], entry["resource"], entry["result"]) == ("DestroyMaterial", key, "OK")
    again.execute(ReleaseKmsInstance(instance=vault))


def test_a_key_that_another_process_has_ended_is_gone_and_not_missing_in_its_hsm(
    lab: Lab, engine: Engine, vault: str
) -> None:
    ended, deleted = (new_key(engine, vault) for _ in range(2))
    blob = engine.encrypt(ended, b"x").blob
    engine.encrypt(deleted, b"x")
    other = lab.open(hardware=lambda *_: lab.hsm)
    for key in (ended, deleted):
        other.execute(ScheduleKeyDeletion(key=key, window_days=7))
    lab.clock.move(8 * DAY)
    assert set(other.tick().deleted) == {ended, deleted}
    assert lab.hsm.material == {}
    for use in (lambda: engine.encrypt(deleted, b"x"), lambda: engine.decrypt(blob)):
        with pytest.raises(KmsError) as caught:
            use()
        assert caught.value.code == "Forbidden.KeyNotFound"
    results = [entry["result"] for entry in engine.audit_entries() if entry["action"] in ("Encrypt", "Decrypt")]
    assert results == ["OK", "OK", "Forbidden.KeyNotFound", "Forbidden.KeyNotFound"]


def test_an_hsm_that_does_not_answer_is_asked_once_however_many_keys_wait(
    lab: Lab, engine: Engine, vault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [new_key(engine, vault) for _ in range(5)]
    for key in keys:
        engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    lab.clock.move(7 * DAY)
    asked = []

    def refuse(reference: bytes) -> None:
        asked.append(reference)
        raise LookupError("no PIN is configured")

    monkeypatch.setattr(lab.hsm, "destroy", refuse)
    assert engine.tick().postponed == dict.fromkeys(keys, "no PIN is configured")
    assert len(asked) == 1


def test_the_quota_holds_for_hardware_keys_being_made(lab: Lab, engine: Engine) -> None:
    vault = new_instance(engine, "hardware", key_quota=100)
    with closing(sqlite3.connect(lab.database)) as db:
        db.execute("UPDATE instance SET versions = 100")
        db.commit()
    with pytest.raises(KmsError) as caught:
        new_key(engine, vault)
    assert caught.value.code == "Rejected.LimitExceeded"
    assert lab.hsm.material == {}


def test_a_token_is_opened_once_and_closed_with_the_engine(lab: Lab, engine: Engine) -> None:
    first, second = new_instance(engine, "hardware"), new_instance(engine, "hardware")
    keys = [new_key(engine, first), new_key(engine, second)]
    assert lab.hsm.questions == 0
    found = engine.describe(keys, check_material=True)
    assert [row["state"] for row in found.keys] == ["Enabled"] * 2
    assert lab.hsm.questions == 2
    engine.close()
    assert lab.hsm.closed


def test_a_key_whose_material_is_gone_is_unavailable_and_says_so(lab: Lab, engine: Engine, vault: str) -> None:
    lost, kept = new_key(engine, vault), new_key(engine, vault, KeySpec.EC_P256)
    pending = new_key(engine, vault)
    engine.execute(ScheduleKeyDeletion(key=pending, window_days=7))
    references = list(lab.hsm.material)
    for reference in (references[0], references[2]):
        del lab.hsm.material[reference]
    found = engine.describe(check_material=True)
    states = {row["key_id"]: (row["state"], row["detail"] is None) for row in found.keys}
    assert states == {
        lost: ("Unavailable", False),
        kept: ("Enabled", True),
        pending: ("PendingDeletion", False),
    }
    assert found.unreadable == {}
    assert described(engine, lost)["state"] == "Enabled"


def test_keys_of_an_hsm_that_does_not_answer_are_unreadable_never_missing(
    lab: Lab, engine: Engine, vault: str, instance: str
) -> None:
    hard, soft = new_key(engine, vault), new_key(engine, instance)
    lab.hsm.away = True
    found = engine.describe(check_material=True)
    assert found.unreadable == {hard: "the token does not answer"}
    assert {row["key_id"]: row["state"] for row in found.keys} == {hard: "Enabled", soft: "Enabled"}
    assert engine.describe([soft], check_material=True).unreadable == {}


def test_an_engine_without_hardware_asks_no_hsm(lab: Lab, engine: Engine, instance: str) -> None:
    new_key(engine, instance)
    lab.hsm.away = True
    assert engine.describe(check_material=True).unreadable == {}


def test_nothing_is_encrypted_that_the_hsm_could_not_open(
    lab: Lab, engine: Engine, vault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab.hsm, "generate", _with_rsa(lab))
    key = new_key(engine, vault, KeySpec.RSA_2048, usage="ENCRYPT/DECRYPT")
    lab.hsm.away = True
    with pytest.raises(KmsError) as caught:
        engine.asymmetric_encrypt(key, None, None, b"x")
    assert caught.value.code == "Rejected.Unavailable"
    lab.hsm.away = False
    blob = engine.asymmetric_encrypt(key, None, None, b"x")
    assert engine.asymmetric_decrypt(key, None, None, blob) == b"x"
    lab.hsm.away = True
    assert engine.asymmetric_encrypt(key, None, None, b"seen to work before")


def _with_rsa(lab: Lab) -> Callable[..., Generated]:
    """Return a `generate` that makes decryption keys too."""

    def generate(spec: KeySpec, usage: KeyUsage, reference: bytes) -> Generated:
        made = lab.hsm._software.generate(spec, usage, reference)
        assert made.secret is not None
        lab.hsm.material[reference] = made.secret
        return Generated(None, made.public_key)

    return generate


def test_an_instance_that_is_gone_keeps_its_condemned_keys_waiting(lab: Lab, engine: Engine, vault: str) -> None:
    key = new_key(engine, vault)
    engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    lab.clock.move(7 * DAY)
    lab.hsm.away = True
    engine.tick()
    with closing(sqlite3.connect(lab.database)) as db:
        db.execute("DELETE FROM instance")
        db.commit()
    assert "is gone, and with it the way to its HSM" in engine.tick().postponed[key]
