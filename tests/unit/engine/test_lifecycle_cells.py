"""The state table, cell by cell, through the engine: what it allows is carried out, what it refuses has its code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kmsplan.engine.dataplane.datakey import Recipient
from kmsplan.engine.reading.view import Filter
from kmsplan.kms.capability import Origin
from kmsplan.kms.error import KmsError
from kmsplan.kms.lifecycle import LIFECYCLE, KeyState, after
from kmsplan.kms.operation import (
    CancelKeyDeletion,
    CreateAlias,
    CreateKeyVersion,
    DeleteAlias,
    DisableKey,
    EnableKey,
    ScheduleKeyDeletion,
    SetDeletionProtection,
    SetKeyPolicy,
    TagResource,
    TagResources,
    UntagResource,
    UntagResources,
    UpdateAlias,
    UpdateKeyDescription,
    UpdateRotationPolicy,
)
from kmsplan.kms.policy import default_policy
from kmsplan.kms.spec import KeySpec
from tests.engines import DAY, described, new_instance, new_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.service import Engine
    from tests.engines import Lab

_DIGEST = bytes(32)
_POLICY = default_policy("1234567890123456")
_CONTROL: dict[str, Callable[[str], Any]] = {
    "EnableKey": lambda key: EnableKey(key=key),
    "DisableKey": lambda key: DisableKey(key=key),
    "ScheduleKeyDeletion": lambda key: ScheduleKeyDeletion(key=key, window_days=7),
    "CancelKeyDeletion": lambda key: CancelKeyDeletion(key=key),
    "SetDeletionProtection": lambda key: SetDeletionProtection(key=key, enable=True),
    "UpdateKeyDescription": lambda key: UpdateKeyDescription(key=key, description="new"),
    "UpdateRotationPolicy": lambda key: UpdateRotationPolicy(key=key),
    "SetKeyPolicy": lambda key: SetKeyPolicy(key=key, policy=_POLICY),
    "TagResource": lambda key: TagResource(key=key, tags={"a": "b"}),
    "UntagResource": lambda key: UntagResource(key=key, tag_keys=("a",)),
    "TagResources": lambda key: TagResources(resource=key, resource_type="key", tags={"a": "b"}),
    "UntagResources": lambda key: UntagResources(resource=key, resource_type="key", tag_keys=("a",)),
    "CreateAlias": lambda key: CreateAlias(alias="alias/new", key=key),
    "UpdateAlias": lambda key: UpdateAlias(alias="alias/moving", key=key),
    "DeleteAlias": lambda _: DeleteAlias(alias="alias/own"),
}
_READING: dict[str, Callable[[Engine, str], object]] = {
    "DescribeKey": lambda engine, key: engine.describe_key(key).key_id == key,
    "ListKeys": lambda engine, key: engine.list_keys([Filter("keyId", (key,))]).total == 1,
    "ListAliases": lambda engine, _: engine.list_aliases().total == 2,
    "ListAliasesByKeyId": lambda engine, key: engine.list_aliases(key=key).total == 1,
    "ListResourceTags": lambda engine, key: engine.list_resource_tags(key)[0].name == "kept",
    "ListTagResources": lambda engine, key: engine.list_tags("key", (key,))[0][0].value == "tag",
    "ListKeyVersions": lambda engine, key: engine.list_versions(key).total <= 1,
    "GetKeyPolicy": lambda engine, key: engine.key_policy(key)["Version"] == "1",
}
_DATA: Final = (
    "Encrypt",
    "Decrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncrypt",
    "ExportDataKey",
    "GenerateAndExportDataKey",
    "AsymmetricEncrypt",
    "AsymmetricDecrypt",
    "AsymmetricSign",
    "AsymmetricVerify",
    "GetPublicKey",
    "GenerateMac",
    "VerifyMac",
)
# What is asked of versions, and what is imported, is tested with keys of its own below and beside the imports.
_OTHERS: Final = {"CreateKeyVersion", "DescribeKeyVersion"}
_IMPORTS: Final = {"GetParametersForImport", "ImportKeyMaterial", "DeleteKeyMaterial"}
_STATES = [KeyState.ENABLED, KeyState.DISABLED, KeyState.PENDING_DELETION, KeyState.PENDING_IMPORT]
_WITH_MATERIAL = _STATES[:3]


def test_every_action_of_the_table_has_a_test() -> None:
    assert {action for action, _ in LIFECYCLE} == {*_CONTROL, *_READING, *_DATA, *_OTHERS, *_IMPORTS}


def _bring(engine: Engine, key: str, state: KeyState) -> None:
    if state is KeyState.DISABLED:
        engine.execute(DisableKey(key=key))
    if state is KeyState.PENDING_DELETION:
        engine.execute(ScheduleKeyDeletion(key=key, window_days=14))
    assert described(engine, key)["state"] == state


def _key_in(engine: Engine, instance: str, state: KeyState, spec: KeySpec = KeySpec.AES_256, **options: Any) -> str:
    origin = Origin.EXTERNAL if state is KeyState.PENDING_IMPORT else Origin.KMS
    key = new_key(engine, instance, spec, origin=origin, tags={"kept": "tag"}, **options)
    engine.execute(CreateAlias(alias="alias/own", key=key))
    _bring(engine, key, state)
    return key


def _refused(call: Callable[[], object]) -> str:
    with pytest.raises(KmsError) as caught:
        call()
    return caught.value.code


@pytest.mark.parametrize("state", _STATES)
@pytest.mark.parametrize("action", _CONTROL)
def test_control_plane(engine: Engine, instance: str, action: str, state: KeyState) -> None:
    key = _key_in(engine, instance, state)
    engine.execute(CreateAlias(alias="alias/moving", key=new_key(engine, instance)))
    code = LIFECYCLE[action, state]
    before = described(engine, key)
    if code is None:
        engine.execute(_CONTROL[action](key))
        assert described(engine, key)["state"] == after(action, state)
        return
    assert _refused(lambda: engine.execute(_CONTROL[action](key))) == code
    assert described(engine, key) == before


@pytest.mark.parametrize("state", _STATES)
def test_everything_is_read_in_every_state(engine: Engine, instance: str, state: KeyState) -> None:
    key = _key_in(engine, instance, state)
    engine.execute(CreateAlias(alias="alias/other", key=new_key(engine, instance)))
    assert {action for action, read in _READING.items() if not read(engine, key)} == set()
    assert {LIFECYCLE[action, state] for action in _READING} == {None}
    version = described(engine, key)["primary_version"]
    assert version is None or engine.describe_version(key, version).version_id == version


@pytest.mark.parametrize("state", _WITH_MATERIAL)
def test_a_new_version(lab: Lab, engine: Engine, instance: str, state: KeyState) -> None:
    key = _key_in(engine, instance, state, KeySpec.EC_P256)
    lab.clock.move(7 * DAY)
    code = LIFECYCLE["CreateKeyVersion", state]
    if code is None:
        assert engine.execute(CreateKeyVersion(key=key))
    else:
        assert _refused(lambda: engine.execute(CreateKeyVersion(key=key))) == code


def _recipient() -> Recipient:
    public = rsa.generate_private_key(65537, 2048).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Recipient(der, "RSA_2048", "RSAES_OAEP_SHA_256")


def _uses(engine: Engine, state: KeyState, instance: str) -> dict[str, Callable[[], object]]:
    """Return calls that use a key in a state; ciphertexts and signatures are made before it gets there."""
    symmetric, signing = new_key(engine, instance), new_key(engine, instance, KeySpec.EC_P256)
    decrypting = new_key(engine, instance, KeySpec.RSA_2048, usage="ENCRYPT/DECRYPT")
    mac, other = new_key(engine, instance, KeySpec.HMAC_SHA_256), new_key(engine, instance)
    blob, data_key = engine.encrypt(symmetric, b"x").blob, engine.generate_data_key(symmetric, 32).blob
    signature, code = engine.sign(signing, None, None, _DIGEST), engine.generate_mac(mac, None, b"x")
    sealed, recipient = engine.asymmetric_encrypt(decrypting, None, None, b"x"), _recipient()
    for key in (symmetric, signing, decrypting, mac):
        _bring(engine, key, state)
    calls: tuple[Callable[[], object], ...] = (
        lambda: engine.encrypt(symmetric, b"x"),
        lambda: engine.decrypt(blob),
        lambda: engine.generate_data_key(symmetric, 32),
        lambda: engine.generate_data_key(symmetric, 32, export=False),
        lambda: engine.begin.re_encrypt(blob, other).wait(),
        lambda: engine.begin.export_data_key(data_key, recipient).wait(),
        lambda: engine.begin.generate_and_export_data_key(symmetric, 32, recipient).wait(),
        lambda: engine.asymmetric_encrypt(decrypting, None, None, b"x"),
        lambda: engine.asymmetric_decrypt(decrypting, None, None, sealed),
        lambda: engine.sign(signing, None, None, _DIGEST),
        lambda: engine.verify(signing, None, None, _DIGEST, signature),
        lambda: engine.public_key(signing),
        lambda: engine.generate_mac(mac, None, b"x"),
        lambda: engine.verify_mac(mac, None, b"x", code),
    )
    return dict(zip(_DATA, calls, strict=True))


@pytest.mark.parametrize("state", _WITH_MATERIAL)
def test_data_plane(engine: Engine, instance: str, state: KeyState) -> None:
    for action, use in _uses(engine, state, instance).items():
        code = LIFECYCLE[action, state]
        if code is None:
            assert use()
        else:
            assert (action, _refused(use)) == (action, code)


def test_a_key_that_waits_for_material_is_not_used(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance, origin=Origin.EXTERNAL)
    assert _refused(lambda: engine.encrypt(key, b"x")) == "Rejected.PendingImport"
    assert _refused(lambda: engine.generate_data_key(key, 32)) == "Rejected.PendingImport"
    assert described(engine, key)["primary_version"] is None


def test_a_cancelled_deletion_enables_a_key_that_was_disabled(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance)
    for operation in (
        DisableKey(key=key),
        ScheduleKeyDeletion(key=key, window_days=7),
        CancelKeyDeletion(key=key),
    ):
        engine.execute(operation)
    row = described(engine, key)
    assert (row["state"], row["delete_date"]) == ("Enabled", None)


def test_a_cancelled_deletion_leaves_a_key_without_material_waiting_for_it(engine: Engine, instance: str) -> None:
    key = _key_in(engine, instance, KeyState.PENDING_IMPORT)
    engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    engine.execute(CancelKeyDeletion(key=key))
    assert described(engine, key)["state"] == "PendingImport"


def test_a_hardware_key_whose_hsm_is_away_is_unavailable_for_use_only(lab: Lab, engine: Engine) -> None:
    key = new_key(engine, new_instance(engine, "hardware"))
    lab.hsm.away = True
    assert _refused(lambda: engine.encrypt(key, b"x")) == LIFECYCLE["Encrypt", KeyState.UNAVAILABLE]
    engine.execute(UpdateKeyDescription(key=key, description="still managed"))
    assert described(engine, key)["description"] == "still managed"
