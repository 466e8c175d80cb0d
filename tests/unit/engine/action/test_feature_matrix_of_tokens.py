"""The feature matrix for hardware keys, for both of their storage mechanisms, in a real token."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.access.role import Role
from kmsplan.engine.protection.pkcs11 import Pkcs11Protection
from kmsplan.kms.capability import KeyStorageMechanism
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import CreateInstance, UpdateRotationPolicy
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import KeySpec
from tests.byok import bring, material_for, waiting
from tests.engines import Lab, described, new_key
from tests.features import FEATURES
from tests.furnished import key_file, restore_to
from tests.softhsm import LABEL, MODULE, PIN, SoftHsm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kmsplan.engine.service import Engine

pytestmark = [pytest.mark.hsm, pytest.mark.parametrize("mechanism", KeyStorageMechanism)]
WEEK = 7 * 86_400
_DIGEST = bytes(32)


@pytest.fixture(scope="module")
def protection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pkcs11Protection]:
    """The way to a token that all tests of this module share; none of them counts what is in it."""
    with pytest.MonkeyPatch.context() as patch:
        yield SoftHsm.create(tmp_path_factory.mktemp("token"), patch).protection()


@pytest.fixture
def engine(lab: Lab, protection: Pkcs11Protection) -> Engine:
    return lab.open(hardware=lambda *_: protection)


@pytest.fixture
def vault(engine: Engine) -> str:
    hsm = {"module": MODULE, "token": LABEL}
    made = engine.execute(CreateInstance(type="hardware", spec=1000, key_quota=1000, hsm=hsm))
    assert made is not None
    return made


@pytest.mark.parametrize("feature", FEATURES)
def test_a_hardware_key_has_every_feature(
    engine: Engine, vault: str, feature: str, mechanism: KeyStorageMechanism
) -> None:
    key = new_key(engine, vault, storage_mechanism=mechanism)
    operations = [make(key, engine.account) for make in FEATURES[feature]]
    for operation in operations:
        engine.execute(operation)
    row = described(engine, key, check_material=True)
    assert (row["state"], row["storage_mechanism"]) == ("Enabled", mechanism)
    last = list(engine.audit_entries())[-1]
    assert (last["action"], last["result"]) == (type(operations[-1]).__name__, "OK")


def test_it_encrypts_and_signs_for_applications(engine: Engine, vault: str, mechanism: KeyStorageMechanism) -> None:
    key = new_key(engine, vault, storage_mechanism=mechanism)
    signing = new_key(engine, vault, KeySpec.EC_P256, storage_mechanism=mechanism)
    assert engine.decrypt(engine.encrypt(key, b"page").blob).plaintext == b"page"
    assert engine.verify(signing, None, None, _DIGEST, engine.sign(signing, None, None, _DIGEST))


def test_a_cloud_service_encrypts_data_keys_with_it(engine: Engine, vault: str, mechanism: KeyStorageMechanism) -> None:
    access_key = engine.access_key(engine.access.create(role=Role.SERVICE, user="role/oss").access_key_id)
    assert access_key is not None
    service, key = (
        engine.acting(access_key.caller("127.0.0.1:4711")),
        new_key(engine, vault, storage_mechanism=mechanism),
    )
    made = service.generate_data_key(key, 32)
    assert base64.b64decode(service.decrypt(made.blob).plaintext) == made.plaintext


def test_it_rotates_where_the_keystore_keeps_it(engine: Engine, vault: str, mechanism: KeyStorageMechanism) -> None:
    key = new_key(engine, vault, storage_mechanism=mechanism)
    rotate = UpdateRotationPolicy(key=key, rotation=WEEK)
    if mechanism is KeyStorageMechanism.HSM_ENCRYPTED_DATABASE:
        engine.execute(rotate)
        assert engine.describe_key(key).rotation_state == "Enabled"
        return
    with pytest.raises(KmsError, match="HsmInternal never rotate"):
        engine.execute(rotate)
    assert engine.describe_key(key).rotation_state == "Disabled"


@pytest.mark.parametrize("spec", [KeySpec.AES_256, KeySpec.EC_P256])
def test_it_takes_imported_material_of_either_kind(
    engine: Engine, vault: str, spec: KeySpec, protection: Pkcs11Protection, mechanism: KeyStorageMechanism
) -> None:
    key = waiting(engine, vault, spec, storage_mechanism=mechanism)
    bring(engine, key, material_for(spec), algorithm=protection.wrappings(spec)[0])
    assert described(engine, key, check_material=True)["state"] == "Enabled"
    if spec is KeySpec.AES_256:
        assert engine.decrypt(engine.encrypt(key, b"page").blob).plaintext == b"page"
    else:
        assert engine.verify(key, None, None, _DIGEST, engine.sign(key, None, None, _DIGEST))


def _another_token() -> Pkcs11Protection:
    """Return what leads to a token that is not there."""
    return Pkcs11Protection(MODULE, "another", lambda: SecretBytes(PIN.encode()))


def test_a_backup_has_it_and_needs_its_token(
    lab: Lab, engine: Engine, vault: str, tmp_path: Path, protection: Pkcs11Protection, mechanism: KeyStorageMechanism
) -> None:
    key, lock = new_key(engine, vault, storage_mechanism=mechanism), key_file(tmp_path)
    blob = engine.encrypt(key, b"page").blob
    engine.keeping.backup(tmp_path / "b", lock)
    there = Lab(tmp_path / "there", clock=lab.clock)
    restore_to(there, tmp_path / "b", lock)
    elsewhere = there.open(hardware=lambda *_: _another_token())
    assert described(elsewhere, key)["storage_mechanism"] == mechanism
    with pytest.raises(KmsError, match=r"Rejected\.Unavailable"):
        elsewhere.decrypt(blob)
    elsewhere.close()
    assert there.open(hardware=lambda *_: protection).decrypt(blob).plaintext == b"page"
    there.close()
