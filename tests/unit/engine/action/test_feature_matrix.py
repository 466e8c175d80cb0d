"""The feature matrix of key types, cell by cell, through the engine."""

from __future__ import annotations

import base64
import contextlib
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.access.role import Role
from kmsplan.kms.capability import CAPABILITIES, action_refusal
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import CreateKey, CreateKeyVersion, DisableKey, UpdateRotationPolicy
from kmsplan.kms.spec import KeySpec, KeyType
from tests.engines import Lab, described, new_instance, new_key
from tests.features import FEATURES
from tests.furnished import key_file, restore_to

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kmsplan.engine.service import Engine

WEEK = 7 * 86_400
OLD = "86a9efd9-3d16-4894-bd4f-1fc43f3f2abf"
_ROTATES = {
    KeyType.SERVICE_KEY: "managed by the cloud service",
    KeyType.DEFAULT_CMK: "paid add-on",
    KeyType.SOFTWARE: None,
    KeyType.HARDWARE: "HsmInternal never rotate",
    KeyType.EXTERNAL: "external keys never rotate",
}


@pytest.mark.parametrize("key_type", KeyType)
@pytest.mark.parametrize("feature", FEATURES)
def test_a_key_has_the_features_of_its_type(
    engine: Engine, key_of: Callable[[KeyType], str], feature: str, key_type: KeyType
) -> None:
    key = key_of(key_type)
    before = described(engine, key)
    if getattr(CAPABILITIES[key_type], feature):
        for operation in FEATURES[feature]:
            engine.execute(operation(key, engine.account))
        assert described(engine, key)["state"] == "Enabled"
        return
    first, *_ = FEATURES[feature]
    with pytest.raises(KmsError) as caught:
        engine.execute(first(key, engine.account))
    assert caught.value.code == "UnsupportedOperation"
    assert described(engine, key) == before


@pytest.mark.parametrize("key_type", KeyType)
def test_rotation(engine: Engine, key_of: Callable[[KeyType], str], key_type: KeyType) -> None:
    key, why = key_of(key_type), _ROTATES[key_type]
    operation = UpdateRotationPolicy(key=key, rotation=WEEK)
    if why is None:
        engine.execute(operation)
        assert engine.describe_key(key).rotation_state == "Enabled"
        return
    with pytest.raises(KmsError, match=why) as caught:
        engine.execute(operation)
    assert caught.value.code == "UnsupportedOperation"
    assert engine.describe_key(key).rotation_state == "Disabled"


@pytest.mark.parametrize("key_type", [KeyType.SERVICE_KEY, KeyType.DEFAULT_CMK])
def test_keys_without_an_instance_encrypt_for_cloud_services_only(
    engine: Engine, key_of: Callable[[KeyType], str], key_type: KeyType
) -> None:
    key = key_of(key_type)
    for use in (
        lambda: engine.encrypt(key, b"x"),
        lambda: engine.generate_data_key(key, 32),
        lambda: engine.sign(key, None, None, bytes(32)),
        lambda: engine.public_key(key),
    ):
        with pytest.raises(KmsError) as caught:
            use()
        assert caught.value.code == "UnsupportedOperation"


def _service(engine: Engine, name: str) -> Engine:
    """The engine as a cloud service sees it."""
    key = engine.access_key(engine.access.create(role=Role.SERVICE, user=f"role/{name}").access_key_id)
    assert key is not None
    return engine.acting(key.caller("127.0.0.1:4711"))


@pytest.mark.parametrize("key_type", [one for one in KeyType if one is not KeyType.EXTERNAL])
def test_cloud_services_encrypt_data_keys_with_keys_of_every_type(
    engine: Engine, key_of: Callable[[KeyType], str], key_type: KeyType
) -> None:
    key = key_of(key_type)
    service = _service(engine, "oss")
    made = service.generate_data_key(key, 32, {"bucket": "b"})
    assert base64.b64decode(service.decrypt(made.blob, {"bucket": "b"}).plaintext) == made.plaintext
    with pytest.raises(KmsError) as caught:
        service.execute(DisableKey(key=key))
    assert caught.value.code == "Forbidden.NoPermission"


def test_a_service_key_encrypts_for_no_other_service(engine: Engine, key_of: Callable[[KeyType], str]) -> None:
    key = key_of(KeyType.SERVICE_KEY)
    blob = _service(engine, "oss").encrypt(key, b"page").blob
    other = _service(engine, "ecs")
    for use in (lambda: other.encrypt(key, b"page"), lambda: other.decrypt(blob)):
        with pytest.raises(KmsError) as caught:
            use()
        assert caught.value.code == "UnsupportedOperation"


def test_cloud_services_do_nothing_with_keys_of_kms_1(engine: Engine) -> None:
    engine.service_keys.register(OLD, "oss")
    with pytest.raises(KmsError, match="migrated"):
        _service(engine, "oss").generate_data_key(OLD, 32)


@pytest.mark.parametrize("key_type", [KeyType.SOFTWARE, KeyType.HARDWARE])
def test_keys_in_instances_encrypt_and_sign_for_applications(
    engine: Engine, key_of: Callable[[KeyType], str], key_type: KeyType
) -> None:
    key = key_of(key_type)
    assert engine.decrypt(engine.encrypt(key, b"x").blob)[0] == b"x"
    signing = new_key(engine, engine.describe_key(key).instance_id, KeySpec.EC_P256)
    assert engine.verify(signing, None, None, bytes(32), engine.sign(signing, None, None, bytes(32)))


def test_the_service_made_its_key_and_users_make_the_others(engine: Engine, instance: str) -> None:
    assert engine.describe_key(engine.service_keys.make("ecs")).creator == "ecs"
    assert engine.describe_key(new_key(engine, instance)).creator == engine.account


@pytest.mark.parametrize(
    ("key_type", "level"),
    [
        (KeyType.SERVICE_KEY, "SOFTWARE"),
        (KeyType.DEFAULT_CMK, "SOFTWARE"),
        (KeyType.SOFTWARE, "SOFTWARE"),
        (KeyType.HARDWARE, "HSM"),
        (KeyType.EXTERNAL, "SOFTWARE"),
    ],
)
def test_what_a_key_says_of_its_home(
    engine: Engine, key_of: Callable[[KeyType], str], key_type: KeyType, level: str
) -> None:
    view = engine.describe_key(key_of(key_type))
    assert (view.key_type, view.protection_level) == (key_type, level)
    assert bool(view.instance_id) == (key_type not in (KeyType.SERVICE_KEY, KeyType.DEFAULT_CMK))


@pytest.mark.parametrize(
    ("home", "spec", "code"),
    [
        ("default", "Aliyun_AES_256", None),
        ("default", "RSA_2048", "UnsupportedOperation"),
        ("software", "Aliyun_AES_256", None),
        ("software", "RSA_2048", None),
        ("hardware", "Aliyun_AES_256", None),
    ],
)
def test_who_takes_imported_material(engine: Engine, home: str, spec: str, code: str | None) -> None:
    place = None if home == "default" else new_instance(engine, home)
    usage = "ENCRYPT/DECRYPT"
    operation = CreateKey(instance=place, spec=spec, usage=usage, origin="EXTERNAL")
    if code is None:
        assert engine.describe_key(str(engine.execute(operation))).state == "PendingImport"
        return
    with pytest.raises(KmsError) as caught:
        engine.execute(operation)
    assert caught.value.code == code


@pytest.mark.parametrize("key_type", [KeyType.SERVICE_KEY, KeyType.EXTERNAL])
def test_who_takes_none_gives_no_parameters_for_it(
    engine: Engine, key_of: Callable[[KeyType], str], key_type: KeyType
) -> None:
    with pytest.raises(KmsError) as caught:
        engine.parameters_for_import(key_of(key_type), "RSAES_OAEP_SHA_256", "RSA_2048")
    assert caught.value.code in ("UnsupportedOperation", "Unsupported.Origin")


@pytest.mark.parametrize("key_type", KeyType)
def test_symmetric_keys_get_no_version_by_hand(
    engine: Engine, key_of: Callable[[KeyType], str], key_type: KeyType
) -> None:
    with pytest.raises(KmsError) as caught:
        engine.execute(CreateKeyVersion(key=key_of(key_type)))
    assert caught.value.code == "UnsupportedOperation"


def test_the_versions_of_an_external_key_are_its_key_managers(engine: Engine, key_of: Callable[[KeyType], str]) -> None:
    key = key_of(KeyType.EXTERNAL)
    for ask in (lambda: engine.list_versions(key), lambda: engine.describe_version(key, "v")):
        with pytest.raises(KmsError, match="key manager") as caught:
            ask()
        assert caught.value.code == "UnsupportedOperation"


def test_a_key_without_an_instance_has_no_policy_to_read(engine: Engine, default_cmk: str) -> None:
    with pytest.raises(KmsError) as caught:
        engine.key_policy(default_cmk)
    assert caught.value.code == "Forbidden.ResourceNotFound"


def test_reading_is_refused_to_no_type() -> None:
    assert {action_refusal(key_type, "DescribeKey") for key_type in KeyType} == {None}


@pytest.mark.parametrize("key_type", KeyType)
def test_what_is_done_with_a_key_is_audited_as_are_refusals(
    engine: Engine, key_of: Callable[[KeyType], str], key_type: KeyType
) -> None:
    key = key_of(key_type)
    allowed = CAPABILITIES[key_type].manage
    with contextlib.nullcontext() if allowed else pytest.raises(KmsError):
        engine.execute(DisableKey(key=key))
    last = list(engine.audit_entries())[-1]
    told = (last["action"], last["resource"], last["result"])
    assert told == ("DisableKey", key, "OK" if allowed else "UnsupportedOperation")


@pytest.mark.parametrize("key_type", KeyType)
def test_a_backup_of_the_engine_has_keys_of_every_type(
    lab: Lab, engine: Engine, key_of: Callable[[KeyType], str], tmp_path: Path, key_type: KeyType
) -> None:
    key = key_of(key_type)
    engine.service_keys.register(OLD, "ecs")
    before = [described(engine, one) for one in (key, OLD)]
    lock, there = key_file(tmp_path), Lab(tmp_path / "there", clock=lab.clock)
    engine.keeping.backup(tmp_path / "b", lock)
    restore_to(there, tmp_path / "b", lock)
    again = there.open()
    assert [described(again, one) for one in (key, OLD)] == before
    there.close()
