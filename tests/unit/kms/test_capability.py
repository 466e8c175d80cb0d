from __future__ import annotations

import pytest

from kmsplan.kms.capability import (
    CAPABILITIES,
    KeyStorageMechanism,
    Origin,
    action_refusal,
    import_refusal,
    rotation_refusal,
)
from kmsplan.kms.spec import KeySpec, KeyType

INTERNAL, DATABASE = KeyStorageMechanism.HSM_INTERNAL, KeyStorageMechanism.HSM_ENCRYPTED_DATABASE


def test_every_key_type_has_one_row() -> None:
    assert set(CAPABILITIES) == set(KeyType)


@pytest.mark.parametrize(
    ("feature", "types"),
    [
        ("schedule_deletion", {KeyType.DEFAULT_CMK, KeyType.SOFTWARE, KeyType.HARDWARE, KeyType.EXTERNAL}),
        ("deletion_protection", {KeyType.DEFAULT_CMK, KeyType.SOFTWARE, KeyType.HARDWARE, KeyType.EXTERNAL}),
        ("import_symmetric", {KeyType.DEFAULT_CMK, KeyType.SOFTWARE, KeyType.HARDWARE}),
        ("import_asymmetric", {KeyType.SOFTWARE, KeyType.HARDWARE}),
        ("backup", {KeyType.SOFTWARE}),
        ("encrypt", {KeyType.SOFTWARE, KeyType.HARDWARE, KeyType.EXTERNAL}),
        ("sign", {KeyType.SOFTWARE, KeyType.HARDWARE}),
        ("user_creates", {KeyType.SOFTWARE, KeyType.HARDWARE, KeyType.EXTERNAL}),
        ("policy", {KeyType.SOFTWARE, KeyType.HARDWARE, KeyType.EXTERNAL}),
        ("manage", {KeyType.DEFAULT_CMK, KeyType.SOFTWARE, KeyType.HARDWARE, KeyType.EXTERNAL}),
        ("aliases", {KeyType.DEFAULT_CMK, KeyType.SOFTWARE, KeyType.HARDWARE, KeyType.EXTERNAL}),
        ("tags", set(KeyType)),
        ("server_side_encryption", set(KeyType)),
        ("audit", set(KeyType)),
    ],
)
def test_the_feature_matrix_column_by_column(feature: str, types: set[KeyType]) -> None:
    assert {key_type for key_type in KeyType if getattr(CAPABILITIES[key_type], feature)} == types


@pytest.mark.parametrize(
    ("key_type", "spec", "origin", "mechanism", "reason"),
    [
        (KeyType.SOFTWARE, KeySpec.AES_256, Origin.KMS, None, None),
        (KeyType.HARDWARE, KeySpec.AES_256, Origin.KMS, DATABASE, None),
        (KeyType.SOFTWARE, KeySpec.RSA_2048, Origin.KMS, None, "asymmetric"),
        (KeyType.SOFTWARE, KeySpec.HMAC_SHA_256, Origin.KMS, None, "MAC keys"),
        (KeyType.SOFTWARE, KeySpec.AES_256, Origin.EXTERNAL, None, "imported"),
        (KeyType.HARDWARE, KeySpec.AES_256, Origin.KMS, INTERNAL, "HsmInternal"),
        (KeyType.HARDWARE, KeySpec.AES_256, Origin.KMS, None, "HsmInternal"),
        (KeyType.EXTERNAL, KeySpec.AES_256, Origin.KMS, None, "external"),
        (KeyType.SERVICE_KEY, KeySpec.AES_256, Origin.KMS, None, "service_key"),
        (KeyType.DEFAULT_CMK, KeySpec.AES_256, Origin.KMS, None, "add-on"),
    ],
)
def test_rotation_is_refused_with_its_reason(
    key_type: KeyType, spec: KeySpec, origin: Origin, mechanism: KeyStorageMechanism | None, reason: str | None
) -> None:
    refusal = rotation_refusal(key_type, spec, origin, mechanism)
    assert refusal is None if reason is None else reason in str(refusal)


def test_import_follows_the_byok_table() -> None:
    assert import_refusal(KeyType.SOFTWARE, KeySpec.RSA_2048) is None
    assert import_refusal(KeyType.DEFAULT_CMK, KeySpec.AES_256) is None
    assert "external" in str(import_refusal(KeyType.EXTERNAL, KeySpec.AES_256))


@pytest.mark.parametrize(
    ("key_type", "action", "reason"),
    [
        (KeyType.SERVICE_KEY, "DisableKey", "managed by the cloud service"),
        (KeyType.SERVICE_KEY, "ScheduleKeyDeletion", "managed by the cloud service"),
        (KeyType.SERVICE_KEY, "ImportKeyMaterial", "managed by the cloud service"),
        (KeyType.SERVICE_KEY, "TagResources", None),
        (KeyType.SERVICE_KEY, "DescribeKey", None),
        (KeyType.DEFAULT_CMK, "SetKeyPolicy", "have no policy"),
        (KeyType.DEFAULT_CMK, "ScheduleKeyDeletion", None),
        (KeyType.EXTERNAL, "ImportKeyMaterial", "have no import symmetric"),
        (KeyType.SOFTWARE, "SetKeyPolicy", None),
    ],
)
def test_an_action_is_refused_with_its_reason(key_type: KeyType, action: str, reason: str | None) -> None:
    refusal = action_refusal(key_type, action)
    assert refusal is None if reason is None else reason in str(refusal)
