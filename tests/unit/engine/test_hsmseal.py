from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.backup.restoring import restore
from kmsplan.engine.error import KeystoreCorruptError, SealingError
from kmsplan.engine.hsm import supervisor
from kmsplan.engine.hsm.client import Worker
from kmsplan.engine.hsmseal import HsmSeal
from kmsplan.engine.keystore import setting
from kmsplan.engine.protection.protocol import NotOfferedError
from kmsplan.engine.sealing import FileSeal, make_root, open_root
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import CreateInstance
from tests.engines import FakeHsm, Lab, new_instance, new_key
from tests.furnished import core_of, trail
from tests.softhsm import LABEL, MODULE, PIN, SoftHsm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kmsplan.engine.hsm.client import TokenName
    from kmsplan.engine.service import Engine
    from kmsplan.kms.secret import SecretBytes
    from kmsplan.kms.spec import KeySpec

WHERE = "the token 'test' of .*libsofthsm2.so, whose key seals the engine's root key, cannot be used: "


def fake(token: FakeHsm) -> HsmSeal:
    return HsmSeal("fake.so", "vault", lambda: token)


def real(token: SoftHsm, pin: str = PIN) -> HsmSeal:
    return HsmSeal(MODULE, LABEL, lambda: token.protection(pin=pin))


def test_a_root_key_opens_with_the_token_that_sealed_it_and_no_other() -> None:
    token = FakeHsm()
    root, record = make_root(fake(token), "engine", os.urandom)
    assert open_root(fake(token), "engine", record).reveal() == root.reveal()
    assert token.closed, "it is asked when it is needed, and not held"
    with pytest.raises(SealingError, match="the token does not hold the key"):
        open_root(fake(FakeHsm()), "engine", record)
    with pytest.raises(SealingError, match="does not open the engine's root key"):
        open_root(fake(token), "another engine", record)


def test_what_the_keystore_keeps_is_no_key() -> None:
    token = FakeHsm()
    root, record = make_root(fake(token), "engine", os.urandom)
    ((reference, material),) = token.material.items()
    kept = json.loads(record)
    assert kept.keys() == {"kind", "key", "module", "reference", "root", "token"}
    assert (kept["module"], kept["token"], kept["reference"]) == ("fake.so", "vault", reference.hex())
    for secret in (root.reveal(), material.reveal()):
        assert secret.hex() not in record.decode()


@pytest.mark.parametrize("name", ["key", "root"])
def test_a_changed_record_does_not_open(name: str) -> None:
    token = FakeHsm()
    _, record = make_root(fake(token), "engine", os.urandom)
    kept = json.loads(record)
    flipped = bytearray.fromhex(kept[name])
    flipped[20] ^= 1
    with pytest.raises(SealingError, match="does not open the engine's root key"):
        open_root(fake(token), "engine", json.dumps({**kept, name: flipped.hex()}).encode())


@pytest.mark.parametrize(("name", "value"), [("key", "no hex"), ("key", None), ("reference", 1)])
def test_a_damaged_record_is_named(name: str, value: object) -> None:
    token = FakeHsm()
    _, record = make_root(fake(token), "engine", os.urandom)
    with pytest.raises(KeystoreCorruptError, match="newest backup"):
        open_root(fake(token), "engine", json.dumps({**json.loads(record), name: value}).encode())


def test_a_token_that_makes_a_key_and_cannot_use_it_is_left_without_it() -> None:
    class Half(FakeHsm):
        def open(self, spec: KeySpec, reference: bytes, secret: object) -> object:  # type: ignore[override]
            del spec, reference, secret
            raise NotOfferedError("it does not encrypt")

    token = Half()
    with pytest.raises(SealingError, match="cannot be used: it does not encrypt"):
        make_root(fake(token), "engine", os.urandom)
    assert token.material == {}
    assert len(token.destroyed) == 1


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    """A SoftHSM2 token."""
    return SoftHsm.create(tmp_path, monkeypatch)


@pytest.fixture
def vaulted(tmp_path: Path, token: SoftHsm) -> Iterator[Lab]:
    """An engine that the token seals."""
    lab = Lab(tmp_path / "engine", seal=real(token))
    lab.create()
    yield lab
    lab.close()


def used(engine: Engine) -> tuple[str, bytes]:
    key = new_key(engine, new_instance(engine))
    return key, engine.encrypt(key, b"x")[0]


@pytest.mark.hsm
def test_an_engine_is_sealed_by_a_key_that_never_leaves_its_token(vaulted: Lab, token: SoftHsm) -> None:
    engine = vaulted.open()
    _, blob = used(engine)
    assert engine.status()["seal"] == "hsm"
    assert engine.status()["seal_token"] == {"module": MODULE, "token": LABEL}
    engine.close()
    assert vaulted.open().decrypt(blob)[0] == b"x"
    script = (
        "from pkcs11 import Attribute\n"
        "for key in session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY}):\n"
        "    print(key[Attribute.EXTRACTABLE], key[Attribute.SENSITIVE], key[Attribute.NEVER_EXTRACTABLE])\n"
    )
    assert "False True True" in token.behind_our_back(script).splitlines()


@pytest.mark.hsm
def test_without_its_token_an_engine_says_so_and_stays_shut(vaulted: Lab, token: SoftHsm) -> None:
    engine = vaulted.open()
    key, blob = used(engine)
    token.take_away()
    assert engine.decrypt(blob)[0] == b"x", "the token is asked when the engine is opened, and not again"
    with pytest.raises(SealingError, match=WHERE):
        vaulted.open()
    engine.seal()
    with pytest.raises(SealingError, match=WHERE):
        engine.unseal(real(token))
    with pytest.raises(KmsError, match=r"Rejected\.Sealed"):
        engine.encrypt(key, b"x")
    reader = vaulted.open(read_only=True)
    assert (reader.status()["seal"], reader.status()["sealed"]) == ("hsm", True)
    token.put_back()
    engine.unseal(real(token))
    assert engine.decrypt(blob)[0] == b"x"
    told = [(entry["action"], entry["result"]) for entry in trail(engine) if entry["action"].endswith("eal")]
    assert told == [("Seal", "OK"), ("Unseal", "Sealing"), ("Unseal", "OK")]


@pytest.mark.hsm
def test_a_wrong_pin_is_tried_once_and_not_shown(vaulted: Lab, token: SoftHsm, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def counted(name: TokenName, pin: SecretBytes) -> Worker:
        tries.append(name.label)
        return Worker(name, pin)

    monkeypatch.setattr(supervisor, "Worker", counted)
    for _ in range(3):
        with pytest.raises(SealingError, match=WHERE + ".*refuses the PIN") as caught:
            vaulted.open(seal=real(token, pin="0000-0000"))
        assert "0000-0000" not in str(caught.value)
    assert tries == [LABEL]
    flags = "from pkcs11 import TokenFlag\nprint(bool(session.token.flags & TokenFlag.USER_PIN_FINAL_TRY))\n"
    assert token.behind_our_back(flags) == "False\n"
    assert not vaulted.open().sealed


@pytest.mark.hsm
def test_another_token_of_the_same_name_does_not_open_the_engine(vaulted: Lab, token: SoftHsm) -> None:
    shutil.rmtree(token.tokens)
    token.tokens.mkdir()
    token.initialise(LABEL)
    with pytest.raises(SealingError, match=WHERE):
        vaulted.open()


@pytest.mark.hsm
def test_another_token_of_the_same_name_does_not_become_the_home_of_the_keys_by_a_seal(
    tmp_path: Path, token: SoftHsm
) -> None:
    lab = Lab(tmp_path / "engine")
    lab.create()
    engine = lab.open(hardware=lambda *_: token.protection())
    instance = engine.execute(
        CreateInstance(type="hardware", spec=1000, key_quota=1000, hsm={"module": MODULE, "token": LABEL})
    )
    key = new_key(engine, str(instance))
    engine.keeping.backup(tmp_path / "backup", FileSeal(tmp_path / "backup.key"))
    lab.close()
    token.take_away()
    token.initialise(LABEL)
    engine = lab.open(hardware=lambda *_: token.protection())
    with pytest.raises(SealingError, match="kmsplan-sentinel"):
        engine.keeping.rotate_root(real(token))
    with pytest.raises(SealingError, match="kmsplan-sentinel"):
        restore(
            tmp_path / "backup",
            tmp_path / "restored",
            lock=FileSeal(tmp_path / "backup.key"),
            seal=real(token),
            clock=lab.clock,
            entropy=os.urandom,
            actor="tester",
        )
    assert token.behind_our_back("print(len(list(session.get_objects())))") == "0\n"
    assert engine.describe([key], check_material=True).unreadable, "it is unreadable, and not destroyed"
    lab.close()


@pytest.mark.hsm
def test_a_new_root_key_has_a_new_key_in_the_token_and_older_backups_keep_theirs(vaulted: Lab, token: SoftHsm) -> None:
    engine = vaulted.open()
    _, blob = used(engine)
    with core_of(engine).store.read() as db:
        before = setting.load(db, "seal") or b""
    engine.keeping.rotate_root()
    with core_of(engine).store.read() as db:
        after = setting.load(db, "seal") or b""
    assert json.loads(before)["reference"] != json.loads(after)["reference"]
    roots = {open_root(real(token), engine.engine_id, record).reveal() for record in (before, after)}
    assert len(roots) == 2
    engine.keeping.rotate_keyring()
    engine.close()
    assert vaulted.open().decrypt(blob)[0] == b"x"
