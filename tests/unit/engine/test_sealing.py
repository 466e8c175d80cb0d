from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from kmsplan.engine.error import AuditError, KeystoreCorruptError, MaterialCorruptError, SealingError
from kmsplan.engine.sealing import ARGON2ID, FileSeal, PassphraseSeal, default_key_file, open_root
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import CreateAlias, UpdateKeyDescription
from kmsplan.kms.secret import SecretBytes
from tests.engines import Lab, described, new_instance, new_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kmsplan.engine.service import Engine

T = TypeVar("T")


def _passphrase(text: str) -> PassphraseSeal:
    return PassphraseSeal(lambda: SecretBytes(text.encode()))


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Lab]:
    """An engine sealed by a passphrase."""
    place = Lab(tmp_path / "locked", seal=_passphrase("correct horse"))
    place.create()
    yield place
    place.close()


def test_a_passphrase_opens_its_engine(locked: Lab) -> None:
    engine = locked.open()
    blob, *_ = engine.encrypt(new_key(engine, new_instance(engine)), b"x")
    engine.close()
    assert locked.open().decrypt(blob)[0] == b"x"
    assert not default_key_file(locked.folder).exists()


def test_a_wrong_passphrase_is_refused_without_showing_either(locked: Lab) -> None:
    with pytest.raises(SealingError, match="passphrase does not open") as caught:
        locked.open(seal=_passphrase("wrong horse"))
    assert "horse" not in str(caught.value)
    assert locked.open().status()["seal"] == "passphrase"


def test_an_empty_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SealingError, match="empty"):
        Lab(tmp_path / "engine", seal=_passphrase("")).create()
    assert not (tmp_path / "engine" / "keystore.db").exists()


def _in_threads(work: Callable[[], T], count: int = 4) -> list[T]:
    """Do something in several threads at once; return what each had of it within some seconds."""
    results: list[T] = []
    threads = [Thread(target=lambda: results.append(work()), daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_a_passphrase_can_be_asked_for_by_several_threads_at_once(locked: Lab) -> None:
    seal = locked.seal
    assert seal is not None
    parameters = {"salt": "00" * 16, **ARGON2ID}
    keys = _in_threads(lambda: seal.key(parameters).reveal())
    assert (len(keys), len(set(keys))) == (4, 1)


def test_who_waits_for_an_engine_that_was_unsealed_elsewhere_waits_for_one_opening(locked: Lab) -> None:
    asked: list[str] = []

    def passphrase() -> SecretBytes:
        asked.append("")
        return SecretBytes(b"correct horse")

    engine = locked.open(seal=PassphraseSeal(passphrase))
    key = new_key(engine, new_instance(engine))
    other = locked.open()
    other.seal()
    with pytest.raises(KmsError, match="sealed"):
        engine.encrypt(key, b"x")
    other.unseal(_passphrase("correct horse"))
    asked.clear()
    assert len(_in_threads(lambda: engine.encrypt(key, b"x").blob)) == 4
    assert len(asked) == 1


def test_argon2id_has_the_parameters_of_rfc_9106_and_a_salt_of_its_own(locked: Lab, tmp_path: Path) -> None:
    other = Lab(tmp_path / "other", seal=_passphrase("correct horse"))
    other.create()
    records = [_record(place) for place in (locked, other)]
    for record in records:
        assert (record["iterations"], record["lanes"], record["memory_kib"]) == (3, 4, 65536)
        assert len(bytes.fromhex(record["salt"])) == 16
    assert records[0]["salt"] != records[1]["salt"]


def _record(place: Lab) -> dict[str, Any]:
    with closing(sqlite3.connect(place.database)) as db:
        ((content,),) = db.execute("SELECT value FROM setting WHERE name = 'seal'")
    record: dict[str, Any] = json.loads(content)
    return record


@pytest.mark.parametrize("name", ["iterations", "lanes", "salt"])
def test_what_the_keystore_says_of_its_seal_cannot_be_changed(locked: Lab, name: str) -> None:
    record = {**_record(locked), name: "00" * 16 if name == "salt" else 2}
    with pytest.raises(SealingError):
        open_root(_passphrase("correct horse"), locked.open(read_only=True).engine_id, json.dumps(record).encode())


@pytest.mark.parametrize("record", [b"", b"[]", b"{}", b'{"kind": "file", "root": "xyz"}'])
def test_a_damaged_record_of_the_seal_is_named(record: bytes) -> None:
    with pytest.raises(KeystoreCorruptError, match="newest backup"):
        open_root(_passphrase("x"), "id", record)


def test_the_other_kind_of_seal_is_named(lab: Lab, locked: Lab) -> None:
    with pytest.raises(SealingError, match="sealed by a file, and a passphrase was given"):
        lab.open(seal=_passphrase("x"))
    with pytest.raises(SealingError, match="sealed by a passphrase, and a file was given"):
        locked.open(seal=FileSeal(default_key_file(lab.folder)))


def test_a_missing_key_file_is_named(lab: Lab) -> None:
    default_key_file(lab.folder).unlink()
    with pytest.raises(SealingError, match=r"root\.key is missing.*Put back your copy"):
        lab.open()


def test_a_key_file_that_others_can_read_is_refused(lab: Lab) -> None:
    default_key_file(lab.folder).chmod(0o640)
    with pytest.raises(SealingError, match=r"mode 0640.*chmod 600"):
        lab.open()


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33])
def test_a_file_that_is_no_key_file_is_refused(lab: Lab, content: bytes) -> None:
    default_key_file(lab.folder).write_bytes(content)
    with pytest.raises(SealingError, match="does not hold 32 bytes"):
        lab.open()


def test_another_key_file_does_not_open_the_engine(lab: Lab) -> None:
    default_key_file(lab.folder).write_bytes(bytes(32))
    with pytest.raises(SealingError, match=r"root\.key does not open"):
        lab.open()


def test_a_key_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(SealingError, match="cannot be read"):
        FileSeal(tmp_path).key({})


def test_a_key_file_is_used_where_it_is_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "elsewhere" / "my.key"
    place = Lab(tmp_path / "engine", seal=FileSeal(path))
    place.create()
    assert not default_key_file(place.folder).exists()
    before = path.read_bytes()
    other = Lab(tmp_path / "other", seal=FileSeal(path))
    other.create()
    assert path.read_bytes() == before
    assert [found.name for found in path.parent.iterdir()] == ["my.key"]
    other.open()
    other.close()


def test_a_file_that_is_in_the_way_is_not_taken_for_a_key_file(tmp_path: Path) -> None:
    path = tmp_path / "my.key"
    path.write_text("notes")
    with pytest.raises(SealingError, match=r"chmod 600|does not hold 32 bytes"):
        Lab(tmp_path / "engine", seal=FileSeal(path)).create()
    assert path.read_text() == "notes"


def _refused_sealed(engine: Engine, key: str, instance: str, blob: bytes) -> None:
    for use in (
        lambda: engine.encrypt(key, b"x"),
        lambda: engine.decrypt(blob),
        lambda: engine.public_key(key),
        lambda: new_key(engine, instance),
    ):
        with pytest.raises(KmsError, match="kmsplan engine unseal") as caught:
            use()
        assert caught.value.code == "Rejected.Sealed"


def test_a_sealed_engine_refuses_cryptography_and_new_keys_until_it_is_unsealed(lab: Lab, engine: Engine) -> None:
    instance = new_instance(engine)
    key = new_key(engine, instance)
    blob, *_ = engine.encrypt(key, b"x")
    engine.seal()
    assert engine.sealed
    _refused_sealed(engine, key, instance, blob)
    engine.close()
    again = lab.open()
    assert again.sealed
    assert lab.open(read_only=True).sealed
    _refused_sealed(again, key, instance, blob)
    again.execute(UpdateKeyDescription(key=key, description="still managed"))
    again.execute(CreateAlias(alias="alias/a", key=key))
    assert described(again, key)["description"] == "still managed"
    assert lab.seal is not None
    again.unseal(lab.seal)
    assert not again.sealed
    assert again.decrypt(blob)[0] == b"x"
    again.close()
    assert not lab.open().sealed


def test_a_seal_reaches_every_open_process(lab: Lab, engine: Engine) -> None:
    instance = new_instance(engine)
    key = new_key(engine, instance)
    blob, *_ = engine.encrypt(key, b"x")
    lab.open().seal()
    _refused_sealed(engine, key, instance, blob)
    assert engine.sealed


def test_a_process_that_was_started_while_the_engine_was_sealed_comes_back_too(lab: Lab, engine: Engine) -> None:
    key = new_key(engine, new_instance(engine))
    engine.seal()
    started = lab.open()
    with pytest.raises(KmsError, match="sealed"):
        started.encrypt(key, b"x")
    assert lab.seal is not None
    engine.unseal(lab.seal)
    assert engine.decrypt(started.encrypt(key, b"x").blob).plaintext == b"x"


def test_a_wrong_seal_leaves_the_engine_sealed_and_is_audited(locked: Lab) -> None:
    engine = locked.open()
    engine.seal()
    with pytest.raises(SealingError):
        engine.unseal(_passphrase("wrong"))
    assert engine.sealed
    told = [(entry["action"], entry["result"]) for entry in engine.audit_entries()]
    assert told[1:] == [("Seal", "OK"), ("Unseal", "Sealing")]


def test_an_engine_opened_without_a_seal_is_sealed_for_itself_only(lab: Lab) -> None:
    assert lab.open(seal=None).sealed
    assert not lab.open().sealed


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("UPDATE term SET wrapped = zeroblob(60)", "keyring key 1 does not open"),
        (
            "UPDATE setting SET value = zeroblob(64) WHERE name = 'audit_key'",
            "the signing key of the audit trail does not open",
        ),
        ("DELETE FROM term", "keyring is not in the keystore"),
        ("DELETE FROM setting WHERE name = 'audit_key'", "keyring is not in the keystore"),
        ("DELETE FROM setting WHERE name = 'seal'", "keyring is not in the keystore"),
    ],
)
def test_a_damaged_keyring_is_named(lab: Lab, damage: str, words: str) -> None:
    with closing(sqlite3.connect(lab.database)) as db:
        db.execute(damage)
        db.commit()
    with pytest.raises((MaterialCorruptError, KeystoreCorruptError), match=words):
        lab.open()


def test_a_replaced_public_key_of_the_audit_trail_is_noticed(lab: Lab) -> None:
    with closing(sqlite3.connect(lab.database)) as db:
        db.execute("UPDATE setting SET value = ? WHERE name = 'audit_public_key'", (os.urandom(32),))
        db.commit()
    with pytest.raises(AuditError, match=r"public key .* was replaced"):
        lab.open()
