"""The state table, cell by cell, through the engine: what it allows is carried out, what it refuses has its code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.kms.capability import Origin
from kmsplan.kms.error import KmsError
from kmsplan.kms.lifecycle import LIFECYCLE, KeyState, after
from kmsplan.kms.operation import (
    CancelKeyDeletion,
    CreateAlias,
    DisableKey,
    EnableKey,
    ScheduleKeyDeletion,
    SetDeletionProtection,
    SetKeyPolicy,
    TagResources,
    UntagResources,
    UpdateAlias,
    UpdateKeyDescription,
    UpdateRotationPolicy,
)
from kmsplan.kms.spec import KeySpec
from tests.engines import described, new_instance, new_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.service import Engine
    from tests.engines import Lab

_DIGEST = bytes(32)
_CONTROL: dict[str, Callable[[str], Any]] = {
    "EnableKey": lambda key: EnableKey(key=key),
    "DisableKey": lambda key: DisableKey(key=key),
    "ScheduleKeyDeletion": lambda key: ScheduleKeyDeletion(key=key, window_days=7),
    "CancelKeyDeletion": lambda key: CancelKeyDeletion(key=key),
    "SetDeletionProtection": lambda key: SetDeletionProtection(key=key, enable=True),
    "UpdateKeyDescription": lambda key: UpdateKeyDescription(key=key, description="new"),
    "UpdateRotationPolicy": lambda key: UpdateRotationPolicy(key=key),
    "SetKeyPolicy": lambda key: SetKeyPolicy(key=key, policy={"Version": "1"}),
    "TagResources": lambda key: TagResources(resource=key, resource_type="key", tags={"a": "b"}),
    "UntagResources": lambda key: UntagResources(resource=key, resource_type="key", tag_keys=("a",)),
    "CreateAlias": lambda key: CreateAlias(alias="alias/new", key=key),
    "UpdateAlias": lambda key: UpdateAlias(alias="alias/moving", key=key),
}
_STATES = [KeyState.ENABLED, KeyState.DISABLED, KeyState.PENDING_DELETION, KeyState.PENDING_IMPORT]


def _key_in(engine: Engine, instance: str, state: KeyState, spec: KeySpec = KeySpec.AES_256, **options: Any) -> str:
    origin = Origin.EXTERNAL if state is KeyState.PENDING_IMPORT else Origin.KMS
    key = new_key(engine, instance, spec, origin=origin, **options)
    if state is KeyState.DISABLED:
        engine.execute(DisableKey(key=key))
    if state is KeyState.PENDING_DELETION:
        engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    assert described(engine, key)["state"] == state
    return key


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
    with pytest.raises(KmsError) as caught:
        engine.execute(_CONTROL[action](key))
    assert caught.value.code == code
    assert described(engine, key) == before


def _uses(engine: Engine, state: KeyState, instance: str) -> dict[str, Callable[[], object]]:
    """Return calls that use a key in a state; ciphertexts and signatures are made before it gets there."""
    symmetric, signing = new_key(engine, instance), new_key(engine, instance, KeySpec.EC_P256)
    blob, _ = engine.encrypt(symmetric, b"x")
    signature = engine.sign(signing, None, None, _DIGEST)
    rsa = new_key(engine, instance, KeySpec.RSA_2048, usage="ENCRYPT/DECRYPT")
    sealed = engine.asymmetric_encrypt(rsa, None, None, b"x")
    for key in (symmetric, signing, rsa):
        if state is KeyState.DISABLED:
            engine.execute(DisableKey(key=key))
        if state is KeyState.PENDING_DELETION:
            engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    return {
        "Encrypt": lambda: engine.encrypt(symmetric, b"x"),
        "Decrypt": lambda: engine.decrypt(blob),
        "AsymmetricSign": lambda: engine.sign(signing, None, None, _DIGEST),
        "AsymmetricVerify": lambda: engine.verify(signing, None, None, _DIGEST, signature),
        "AsymmetricEncrypt": lambda: engine.asymmetric_encrypt(rsa, None, None, b"x"),
        "AsymmetricDecrypt": lambda: engine.asymmetric_decrypt(rsa, None, None, sealed),
        "GetPublicKey": lambda: engine.public_key(signing),
    }


@pytest.mark.parametrize("state", [KeyState.ENABLED, KeyState.DISABLED, KeyState.PENDING_DELETION])
def test_data_plane(engine: Engine, instance: str, state: KeyState) -> None:
    for action, use in _uses(engine, state, instance).items():
        code = LIFECYCLE[action, state]
        if code is None:
            assert use()
            continue
        with pytest.raises(KmsError) as caught:
            use()
        assert (action, caught.value.code) == (action, code)


def test_a_key_that_waits_for_material_is_not_used(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance, origin=Origin.EXTERNAL)
    with pytest.raises(KmsError) as caught:
        engine.encrypt(key, b"x")
    assert caught.value.code == "Rejected.PendingImport"
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
    with pytest.raises(KmsError) as caught:
        engine.encrypt(key, b"x")
    assert caught.value.code == "Rejected.Unavailable"
    engine.execute(UpdateKeyDescription(key=key, description="still managed"))
    assert described(engine, key)["description"] == "still managed"
