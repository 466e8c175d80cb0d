from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.protection.protocol import ProtectionUnavailableError
from kmsplan.kms.operation import DeleteKeyMaterial, ReleaseKmsInstance, ScheduleKeyDeletion
from kmsplan.kms.secret import SecretBytes
from tests.byok import OAEP, RSA, ImportingHsm, bring, in_seconds, refused, tokens_in, waiting
from tests.engines import DAY, Lab, described, new_instance

if TYPE_CHECKING:
    from kmsplan.engine.service import Engine

MINUTE = timedelta(minutes=1)


@pytest.fixture
def hsm() -> ImportingHsm:
    return ImportingHsm()


def test_hsm_material_is_unwrapped_inside_and_never_kept_here(
    lab: Lab, engine: Engine, hsm: ImportingHsm, vault: str
) -> None:
    key, material = waiting(engine, vault), SecretBytes(os.urandom(32))
    bring(engine, key, material)
    assert engine.decrypt(engine.encrypt(key, b"page").blob).plaintext == b"page"
    assert [one.reveal() for one in hsm.material.values()] == [material.reveal()]
    with engine._core.store.read() as db:
        assert db.execute("SELECT count(*) FROM material").fetchone()[0] == 0
    assert described(engine, key, check_material=True)["state"] == "Enabled"
    assert lab.database.exists()


def test_an_hsm_that_unwraps_otherwise_says_how(engine: Engine, vault: str) -> None:
    key = waiting(engine, vault)
    error = refused(lambda: engine.parameters_for_import(key, "RSAES_OAEP_SHA_1", RSA))
    assert error.code == "UnsupportedOperation"
    assert "RSAES_OAEP_SHA_256" in error.message


def test_hsm_material_comes_and_goes_without_leaving_anything(
    lab: Lab, engine: Engine, hsm: ImportingHsm, vault: str
) -> None:
    key, material = waiting(engine, vault), SecretBytes(os.urandom(32))
    bring(engine, key, material)
    version, blob = described(engine, key)["primary_version"], engine.encrypt(key, b"page").blob
    bring(engine, key, material, expires=in_seconds(lab, DAY))
    assert len(hsm.material) == 1
    assert refused(lambda: bring(engine, key, SecretBytes(os.urandom(32)))).code == "InvalidKeyMaterial"
    assert len(hsm.material) == 1
    engine.execute(DeleteKeyMaterial(key=key))
    assert hsm.material == {}
    row = described(engine, key, check_material=True)
    assert (row["state"], row["detail"]) == ("PendingImport", None)
    bring(engine, key, material)
    assert described(engine, key)["primary_version"] == version
    assert engine.decrypt(blob).plaintext == b"page"
    assert engine.describe().instances[0]["versions"] == 1


def test_wrapping_keys_leave_the_hsm_when_their_tokens_expire(
    lab: Lab, engine: Engine, hsm: ImportingHsm, vault: str
) -> None:
    key = waiting(engine, vault)
    engine.parameters_for_import(key, OAEP, RSA)
    assert len(hsm.wrapping_keys) == 1
    lab.clock.move(DAY)
    hsm.away = True
    assert engine.tick().postponed == {key: "the token does not answer"}
    hsm.away = False
    assert engine.tick().postponed == {}
    assert hsm.wrapping_keys == {}
    assert tokens_in(engine) == 0


def test_wrapping_keys_leave_the_hsm_before_their_instance_is_released(
    engine: Engine, hsm: ImportingHsm, vault: str
) -> None:
    engine.parameters_for_import(waiting(engine, vault), OAEP, RSA)
    kept = new_instance(engine, "hardware")
    engine.parameters_for_import(waiting(engine, kept), OAEP, RSA)
    hsm.away = True
    error = refused(lambda: engine.execute(ReleaseKmsInstance(instance=vault, force=True)))
    assert (error.code, "1 wrapping key" in error.message) == ("Rejected.Unavailable", True)
    hsm.away = False
    engine.execute(ReleaseKmsInstance(instance=vault))
    assert (len(hsm.wrapping_keys), tokens_in(engine)) == (1, 1), "another instance's stays"


def test_an_hsm_that_dies_while_it_makes_a_wrapping_key_keeps_none(
    lab: Lab, engine: Engine, hsm: ImportingHsm, vault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = waiting(engine, vault)

    def dying(reference: bytes) -> bytes:
        ImportingHsm.wrapping_key(hsm, reference)
        hsm.away = True
        raise ProtectionUnavailableError("the connection to the token broke")

    monkeypatch.setattr(hsm, "wrapping_key", dying, raising=True)
    assert refused(lambda: engine.parameters_for_import(key, OAEP, RSA)).code == "Rejected.Unavailable"
    assert len(hsm.wrapping_keys) == 1
    hsm.away = False
    lab.clock.move(MINUTE)
    engine.tick()
    assert hsm.wrapping_keys == {}
    assert tokens_in(engine) == 0


def test_an_hsm_that_dies_while_it_unwraps_leaves_the_key_waiting(
    engine: Engine, hsm: ImportingHsm, vault: str
) -> None:
    key, material = waiting(engine, vault), SecretBytes(os.urandom(32))
    parameters = engine.parameters_for_import(key, OAEP, RSA)
    hsm.dies_after_unwrapping = True
    error = refused(lambda: bring(engine, key, material, parameters=parameters))
    assert error.code == "Rejected.Unavailable"
    assert len(hsm.material) == 1
    hsm.away = hsm.dies_after_unwrapping = False
    engine.tick()
    assert hsm.material == {}
    assert described(engine, key)["state"] == "PendingImport"
    bring(engine, key, material, parameters=parameters)
    assert described(engine, key)["state"] == "Enabled"


def test_bad_material_leaves_nothing_in_the_hsm(engine: Engine, hsm: ImportingHsm, vault: str) -> None:
    key = waiting(engine, vault)
    assert refused(lambda: bring(engine, key, SecretBytes(bytes(31)))).code == "InvalidKeyMaterial"
    assert hsm.material == {}
    assert engine.describe().instances[0]["versions"] == 0


def test_a_hardware_key_without_material_is_deleted_without_asking_for_any(
    lab: Lab, engine: Engine, hsm: ImportingHsm, vault: str
) -> None:
    key = waiting(engine, vault)
    bring(engine, key, SecretBytes(bytes(32)))
    engine.execute(DeleteKeyMaterial(key=key))
    engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    hsm.destroyed.clear()
    lab.clock.move(7 * DAY)
    ticked = engine.tick()
    assert (ticked.deleted, ticked.postponed) == ((key,), {})
    assert b"" not in hsm.destroyed
    assert engine.describe().instances[0]["versions"] == 0
