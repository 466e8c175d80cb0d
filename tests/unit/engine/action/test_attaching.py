"""Keys that stand for somebody else's object in an HSM: attached with their row, and never destroyed by the engine."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.engine import foreign
from kmsplan.engine.hsm.attachment import is_attached
from kmsplan.engine.keystore import version as versions
from kmsplan.engine.protection.protocol import ProtectionUnavailableError
from kmsplan.engine.sealing import FileSeal, default_key_file
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import CreateKeyVersion, ReleaseKmsInstance, ScheduleKeyDeletion
from kmsplan.kms.spec import KeySpec
from tests.engines import DAY, OBJECTS, Lab, SharedHsm, described, new_instance, new_key
from tests.furnished import core_of, restore_to

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.engine.service import Engine


@pytest.fixture
def hsm() -> SharedHsm:
    return SharedHsm()


def attached(engine: Engine, vault: str, name: str = "0a", **options: Any) -> str:
    return new_key(engine, vault, OBJECTS.get(name, KeySpec.AES_256), hsm_object=name, **options)


def held(lab: Lab) -> list[tuple[str, bytes]]:
    with core_of(lab.opened[-1]).store.read() as db:
        return [tuple(row) for row in db.execute("SELECT status, reference FROM key_version ORDER BY id")]


def delete(lab: Lab, engine: Engine, key: str) -> None:
    engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    lab.clock.move(8 * DAY)
    assert engine.tick().deleted == (key,)


def test_a_key_stands_for_an_object_and_is_used_like_any_other(lab: Lab, engine: Engine, vault: str) -> None:
    key = attached(engine, vault, "0A")
    row = described(engine, key, check_material=True)
    assert (row["hsm_object"], row["state"], row["storage_mechanism"]) == ("0a", "Enabled", "HsmInternal")
    assert (row["version_count"], row["protection_level"], row["external_key_id"]) == (1, "HSM", None)
    blob = engine.encrypt(key, b"text").blob
    assert engine.decrypt(blob).plaintext == b"text"
    lab.close()
    assert lab.open().decrypt(blob).plaintext == b"text"


def test_an_asymmetric_key_has_the_objects_public_key(engine: Engine, vault: str, hsm: SharedHsm) -> None:
    key = attached(engine, vault, "0b")
    digest = hashlib.sha256(b"text").digest()
    version = str(described(engine, key)["primary_version"])
    signature = engine.sign(key, version, "ECDSA_SHA_256", digest)
    assert engine.verify(key, version, "ECDSA_SHA_256", digest, signature)
    assert "BEGIN PUBLIC KEY" in engine.public_key(key, version)
    assert len(hsm.material) == 1


def test_the_version_is_committed_with_its_key_and_nothing_before(lab: Lab, engine: Engine, vault: str) -> None:
    attached(engine, vault)
    ((status, reference),) = held(lab)
    assert (status, is_attached(reference)) == ("ready", True)
    entries = [entry for entry in engine.audit_entries() if entry["action"] == "CreateKey"]
    assert [(entry["result"], entry["parameters"]["HsmObject"]) for entry in entries] == [("OK", "0a")]


def test_the_intent_is_written_down_before_the_token_is_asked(engine: Engine, vault: str, hsm: SharedHsm) -> None:
    def full() -> None:
        raise OSError("the journal's disk is full")

    from kmsplan.kms.operation import CreateKey  # noqa: PLC0415 - the helper takes no intent

    create = CreateKey(
        instance=vault, spec="Aliyun_AES_256", usage="ENCRYPT/DECRYPT", origin="Aliyun_KMS", hsm_object="0a"
    )
    with pytest.raises(OSError, match="disk is full"):
        engine.execute(create, full)
    assert hsm.reached == 0
    assert engine.describe().keys == []


def test_one_key_stands_for_one_object_of_a_token_whichever_instance_reaches_it(engine: Engine, vault: str) -> None:
    first = attached(engine, vault)
    twin = new_instance(engine, "hardware")
    for home in (vault, twin):
        with pytest.raises(KmsError, match=f"{first} stands for object 0a already") as caught:
            attached(engine, home)
        assert caught.value.code == "InvalidParameter"
    assert attached(engine, twin, "0c")
    assert len(engine.describe().keys) == 2


@pytest.mark.parametrize(
    ("kind", "options", "why"),
    [
        ("software", {}, "only keys in hardware instances"),
        ("hardware", {"origin": "EXTERNAL"}, "none can be imported"),
        ("hardware", {"storage_mechanism": "HsmEncryptedDatabase"}, "stored as HsmInternal"),
        ("hardware", {"hsm_object": "0"}, "two for each"),
        ("hardware", {"hsm_object": ""}, "two for each"),
        ("hardware", {"hsm_object": "0a" * 65}, "1 to 64 bytes"),
        ("hardware", {"hsm_object": "ff"}, "object ff of token 'lab': the token holds no key of this CKA_ID"),
        ("hardware", {"hsm_object": "0b"}, "object 0b of token 'lab'"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    engine: Engine, kind: str, options: dict[str, Any], why: str
) -> None:
    home = new_instance(engine, kind)
    with pytest.raises(KmsError, match=why) as caught:
        new_key(engine, home, **{"hsm_object": "0a", **options})
    assert caught.value.code == "InvalidParameter"
    assert '"HsmObject"' in str(caught.value)
    assert engine.describe().keys == []


def test_an_object_that_does_not_work_becomes_no_key(engine: Engine, vault: str, hsm: SharedHsm) -> None:
    hsm.broken = True
    with pytest.raises(KmsError, match="Object 0b of token 'lab' does not do what a key of EC_P256") as caught:
        attached(engine, vault, "0b")
    assert caught.value.code == "Rejected.Unavailable"
    hsm.broken, hsm.away = False, True
    with pytest.raises(KmsError, match="does not answer"):
        attached(engine, vault, "0b")
    assert engine.describe().keys == []
    assert hsm.destroyed == []


def test_an_hsm_without_other_keys_says_so(tmp_path: Path) -> None:
    plain = Lab(tmp_path / "plain")
    plain.create()
    engine = plain.open()
    home = new_instance(engine, "hardware")
    with pytest.raises(KmsError, match="holds no other keys"):
        attached(engine, home)
    assert engine.hsm_objects(home) == ()
    plain.close()


def test_a_deletion_that_falls_due_leaves_the_object_and_says_so(
    lab: Lab, engine: Engine, vault: str, hsm: SharedHsm
) -> None:
    key = attached(engine, vault)
    before = dict(hsm.material)
    hsm.away = True  # nothing of it needs the HSM
    delete(lab, engine, key)
    assert (hsm.material, hsm.destroyed, held(lab)) == (before, [], [])
    (gone,) = [entry for entry in engine.audit_entries() if entry["action"] == "DeleteKey"]
    assert gone["parameters"] == {"LeftInHsm": ["0a"]}
    hsm.away = False
    assert attached(engine, vault)  # it can be adopted again


def test_versions_that_the_engine_made_later_go_and_the_object_stays(
    lab: Lab, engine: Engine, vault: str, hsm: SharedHsm
) -> None:
    key = attached(engine, vault, "0b")
    (theirs,) = hsm.material
    lab.clock.move(8 * DAY)
    engine.execute(CreateKeyVersion(key=key))
    (ours,) = hsm.material.keys() - {theirs}
    assert described(engine, key)["hsm_object"] == "0b"
    delete(lab, engine, key)
    assert (list(hsm.material), hsm.destroyed, held(lab)) == ([theirs], [ours], [])


def test_a_forced_release_leaves_the_object_and_says_so(lab: Lab, engine: Engine, vault: str, hsm: SharedHsm) -> None:
    key, own = attached(engine, vault), new_key(engine, vault)
    theirs = next(reference for reference in hsm.material if is_attached(reference))
    engine.execute(ReleaseKmsInstance(instance=vault, force=True))
    assert list(hsm.material) == [theirs]
    assert held(lab) == []
    gone = {entry["resource"]: entry for entry in engine.audit_entries() if entry["action"] == "DeleteKey"}
    assert gone[key]["parameters"] == {"LeftInHsm": ["0a"]}
    assert "parameters" not in gone[own]


def test_an_instance_whose_keys_stand_for_objects_is_not_released_before_they_are_gone(
    lab: Lab, engine: Engine, vault: str
) -> None:
    key = attached(engine, vault)
    with pytest.raises(KmsError, match="still holds 1 key"):
        engine.execute(ReleaseKmsInstance(instance=vault))
    delete(lab, engine, key)
    engine.execute(ReleaseKmsInstance(instance=vault))


def test_even_a_version_that_is_condemned_by_mistake_does_not_reach_the_hsm(
    lab: Lab, engine: Engine, vault: str, hsm: SharedHsm
) -> None:
    attached(engine, vault)
    core_of(engine).store.write(
        lambda transaction: transaction.db.execute("UPDATE key_version SET status = 'destroying'")
    )
    assert not engine.tick().postponed
    assert (hsm.destroyed, held(lab)) == ([], [])


def test_an_object_that_is_gone_makes_its_key_unavailable_and_says_what_to_do(
    engine: Engine, vault: str, hsm: SharedHsm
) -> None:
    key = attached(engine, vault)
    hsm.material.clear()
    row = described(engine, key, check_material=True)
    assert row["state"] == "Unavailable"
    assert "the object any more that the key stands for" in row["detail"]
    hsm.away = True
    description = engine.describe([key], check_material=True)
    assert key in description.unreadable


def test_a_backup_brings_the_key_back_and_the_object_is_where_it_was(tmp_path: Path, lab: Lab, vault: str) -> None:
    engine = lab.opened[-1]
    key = attached(engine, vault)
    blob = engine.encrypt(key, b"text").blob
    lock = FileSeal(default_key_file(tmp_path / "lock"))
    (tmp_path / "lock").mkdir()
    engine.keeping.backup(tmp_path / "backup", lock)
    there = Lab(tmp_path / "there", hsm=lab.hsm, clock=lab.clock)
    restore_to(there, tmp_path / "backup", lock)
    again = there.open()
    assert described(again, key, check_material=True)["hsm_object"] == "0a"
    assert again.decrypt(blob).plaintext == b"text"
    with pytest.raises(KmsError, match="stands for object 0a already"):
        attached(again, vault)
    there.close()


def test_what_is_not_attached_yet_is_told_without_a_word_to_the_database(engine: Engine, vault: str) -> None:
    attached(engine, vault)
    entries = len(list(engine.audit_entries()))
    assert [one.identity for one in engine.hsm_objects(vault)] == ["0b", "0c"]
    assert len(list(engine.audit_entries())) == entries
    with pytest.raises(KmsError, match="is not found"):
        engine.hsm_objects("kst-nobody")


def test_an_hsm_that_does_not_answer_tells_nothing(engine: Engine, vault: str, hsm: SharedHsm) -> None:
    hsm.away = True
    with pytest.raises(KmsError, match="does not answer"):
        engine.hsm_objects(vault)
    with pytest.raises(ProtectionUnavailableError):
        hsm.objects()


def test_attached_versions_are_found_by_key_and_by_token(lab: Lab, engine: Engine, vault: str) -> None:
    key, own = attached(engine, vault), new_key(engine, vault)
    with core_of(engine).store.read() as db:
        (reference,) = versions.attached_of(db, key)
        assert versions.attached_of(db, own) == []
        assert versions.attached_in(db, "fake.so", "lab") == [(reference, key)]
        assert versions.attached_in(db, "fake.so", "other") == []
    assert foreign.objects_in(core_of(engine), vault)
    assert lab.hsm.destroyed == []
