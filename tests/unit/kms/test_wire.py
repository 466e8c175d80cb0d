from __future__ import annotations

import pytest

from kmsplan.kms.operation import (
    CreateAlias,
    CreateKey,
    DisableKey,
    Operation,
    Reference,
    ScheduleKeyDeletion,
    UntagResources,
)
from kmsplan.kms.wire import from_parameters, parameters, references, resolve

KEY = CreateKey(
    instance=Reference("instance.core"), spec="Aliyun_AES_256", usage="ENCRYPT/DECRYPT", origin="Aliyun_KMS"
)


@pytest.mark.parametrize(
    "operation",
    [
        KEY,
        DisableKey(key="key-1"),
        ScheduleKeyDeletion(key="key-1", window_days=30),
        UntagResources(resource="key-1", resource_type="key", tag_keys=("a", "b")),
        CreateAlias(alias="alias/a", key=Reference("key.a")),
    ],
)
def test_parameters_round_trip(operation: Operation) -> None:
    assert from_parameters(type(operation).__name__, parameters(operation)) == operation


def test_parameters_carry_the_api_names_and_leave_out_what_is_not_set() -> None:
    assert parameters(KEY) == {
        "DKMSInstanceId": {"reference": "instance.core"},
        "KeySpec": "Aliyun_AES_256",
        "KeyUsage": "ENCRYPT/DECRYPT",
        "Origin": "Aliyun_KMS",
        "Description": "",
        "Tags": {},
    }


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("DropKey", {}, "unknown operation"),
        ("EnableKey", {"Key": "x"}, "no parameter 'Key'"),
        ("EnableKey", {}, "EnableKey needs KeyId"),
        ("CreateKey", {"KeySpec": "x"}, "CreateKey needs KeyUsage, Origin"),
    ],
)
def test_what_parameters_could_not_have_written_is_refused(name: str, values: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_parameters(name, values)


def test_resolve_puts_identities_in_place_of_references() -> None:
    assert references(KEY) == ("instance.core",)
    resolved = resolve(KEY, {"instance.core": "kst-1"})
    assert isinstance(resolved, CreateKey)
    assert resolved.instance == "kst-1"
    assert references(resolved) == ()


def test_resolve_refuses_an_address_without_identity() -> None:
    with pytest.raises(KeyError):
        resolve(KEY, {})
