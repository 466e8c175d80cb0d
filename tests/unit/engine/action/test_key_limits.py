"""Names, limits and rotation of keys: what is just allowed, and what is one too much."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import MISSING
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.kms.operation import (
    CreateAlias,
    CreateKey,
    DeleteAlias,
    DisableKey,
    EnableKey,
    Operation,
    ScheduleKeyDeletion,
    SetDeletionProtection,
    SetKeyPolicy,
    UpdateKeyDescription,
    UpdateRotationPolicy,
)
from kmsplan.kms.policy import default_policy
from kmsplan.kms.settling import OPERATIONS
from kmsplan.kms.wire import from_parameters
from tests.engines import DAY, Lab, described, new_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.service import Engine
    from kmsplan.kms.error import KmsError

DAYS = 86_400
SAMPLES: dict[str, Any] = {
    "AliasName": "alias/a",
    "BindVpcs": [],
    "Description": "",
    "EnableDeletionProtection": True,
    "InstanceName": "n",
    "KMProvider": "Aliyun",
    "KeyId": "key-none",
    "KeyNum": 1000,
    "KeySpec": "Aliyun_AES_256",
    "KeyUsage": "ENCRYPT/DECRYPT",
    "KmsInstanceId": "kst-none",
    "Material": {"env": "M"},
    "Origin": "Aliyun_KMS",
    "PendingWindowInDays": 7,
    "ProductType": "software",
    "ResourceId": "key-none",
    "ResourceType": "key",
    "Spec": 1000,
    "Tag": {"a": "b"},
    "TagKey": ["a"],
    "TagKeys": ["a"],
    "Tags": {"a": "b"},
    "VSwitchIds": ["v"],
    "VpcId": "vpc",
    "ZoneIds": ["z"],
}
_IDS = ("AliasName", "KeyId", "KmsInstanceId", "ResourceId")


def needed(name: str) -> dict[str, Any]:
    """Return an operation's required parameters."""
    fields = OPERATIONS[name].operation.__dataclass_fields__.values()  # type: ignore[attr-defined]
    wires = [item.metadata["wire"] for item in fields if item.default is MISSING and item.default_factory is MISSING]
    return {wire: SAMPLES[wire] for wire in wires}


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_a_call_without_what_it_needs_is_none(name: str) -> None:
    whole = needed(name)
    assert from_parameters(name, whole)
    for missing in whole:
        with pytest.raises(ValueError, match=f"needs {missing}"):
            from_parameters(name, {wire: value for wire, value in whole.items() if wire != missing})


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"ImportKeyMaterial"}))
def test_no_call_takes_an_empty_name(name: str, refusal: Callable[[Operation], KmsError]) -> None:
    whole = needed(name)
    for wire in set(_IDS) & set(whole):
        error = refusal(from_parameters(name, {**whole, wire: ""}))
        assert (error.code, f'"{wire}"' in error.message) == ("InvalidParameter", True)


@pytest.mark.parametrize(
    ("make", "limit"),
    [
        (lambda key, size: UpdateKeyDescription(key=key, description="x" * size), 8192),
        (lambda key, size: SetDeletionProtection(key=key, enable=True, description="x" * size), 8192),
        (lambda key, size: CreateAlias(alias="alias/" + "x" * (size - 6), key=key), 255),
        (lambda key, size: ScheduleKeyDeletion(key=key, window_days=size), 366),
        (lambda key, size: UpdateRotationPolicy(key=key, rotation=size), 730 * DAYS),
    ],
)
def test_every_limit_holds_to_one(
    engine: Engine,
    instance: str,
    refusal: Callable[[Operation], KmsError],
    make: Callable[[str, int], Operation],
    limit: int,
) -> None:
    key = new_key(engine, instance)
    assert refusal(make(key, limit + 1)).code == "InvalidParameter"
    engine.execute(make(key, limit))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda key: ScheduleKeyDeletion(key=key, window_days=6),
        lambda key: ScheduleKeyDeletion(key=key, window_days=True),
        lambda key: UpdateRotationPolicy(key=key, rotation=7 * DAYS - 1),
        lambda key: SetDeletionProtection(key=key, enable="yes"),  # type: ignore[arg-type]
        lambda key: SetDeletionProtection(key=key, instance="kst-1", enable=True),
        lambda _: SetDeletionProtection(enable=True),
        lambda key: SetKeyPolicy(key=key, policy={"Version": "1"}),
        lambda _: EnableKey(key=""),
        lambda key: CreateAlias(alias="alias/", key=key),
        lambda key: CreateAlias(alias="alias/acs/mine", key=key),
        lambda key: CreateAlias(alias="orders", key=key),
        lambda key: CreateAlias(alias="alias/a b", key=key),
    ],
)
def test_what_is_out_of_form_is_refused(
    engine: Engine,
    instance: str,
    refusal: Callable[[Operation], KmsError],
    wrong: Callable[[str], Operation],
) -> None:
    assert refusal(wrong(new_key(engine, instance))).code == "InvalidParameter"


def test_creation_caps_rotation_where_an_update_does_not(
    engine: Engine, instance: str, refusal: Callable[[Operation], KmsError]
) -> None:
    asked: dict[str, Any] = {"instance": instance, "spec": "Aliyun_AES_256", "usage": "ENCRYPT/DECRYPT"}
    asked["origin"] = "Aliyun_KMS"
    assert refusal(CreateKey(**asked, rotation=365 * DAYS + 1)).code == "InvalidParameter"
    key = str(engine.execute(CreateKey(**asked, rotation=365 * DAYS)))
    engine.execute(UpdateRotationPolicy(key=key, rotation=730 * DAYS))
    assert engine.describe_key(key).next_rotation_date == "2028-01-01T00:00:00Z"


def test_rotation_counts_from_the_last_one_and_what_is_overdue_happens_at_once(
    lab: Lab, engine: Engine, instance: str
) -> None:
    key = new_key(engine, instance)
    first = engine.describe_key(key).primary_version
    lab.clock.move(10 * DAY)
    engine.execute(UpdateRotationPolicy(key=key, rotation=20 * DAYS))
    assert engine.describe_key(key).next_rotation_date == "2026-01-21T00:00:00Z"
    engine.execute(UpdateRotationPolicy(key=key, rotation=7 * DAYS))
    view = engine.describe_key(key)
    assert view.primary_version != first
    assert (view.last_rotation_date, view.next_rotation_date) == ("2026-01-11T00:00:00Z", "2026-01-18T00:00:00Z")


def test_rotation_rests_while_a_key_is_disabled_and_catches_up(lab: Lab, engine: Engine, instance: str) -> None:
    key = new_key(engine, instance, rotation=7 * DAYS)
    engine.execute(DisableKey(key=key))
    view = engine.describe_key(key)
    assert (view.rotation_state, view.next_rotation_date) == ("Suspended", "2026-01-08T00:00:00Z")
    lab.clock.move(30 * DAY)
    assert engine.tick().rotated == ()
    engine.execute(EnableKey(key=key))
    assert engine.describe_key(key).rotation_state == "Enabled"
    assert engine.list_versions(key).total == 2


def test_an_arn_names_a_key_and_its_overdue_rotation_happens_too(lab: Lab, engine: Engine, instance: str) -> None:
    key = new_key(engine, instance)
    lab.clock.move(8 * DAY)
    engine.execute(UpdateRotationPolicy(key=engine.describe_key(key).arn, rotation=7 * DAYS))
    assert engine.list_versions(key).total == 2


def test_an_alias_does_not_name_a_key_to_management(
    engine: Engine, instance: str, refusal: Callable[[Operation], KmsError]
) -> None:
    key = new_key(engine, instance)
    engine.execute(CreateAlias(alias="alias/orders", key=key))
    prefix = engine.describe_key(key).arn.removesuffix(f"key/{key}")
    for name in ("alias/orders", f"{prefix}alias/orders"):
        assert refusal(DisableKey(key=name)).code == "Unsupported.Alias"
    for name in ("acs:kms:other:1:key/" + key, f"{prefix}secret/{key}", "key-ö"):
        assert refusal(DisableKey(key=name)).code == "Forbidden.KeyNotFound"
    assert described(engine, key)["state"] == "Enabled"


def test_an_alias_means_one_key(engine: Engine, instance: str, refusal: Callable[[Operation], KmsError]) -> None:
    key, other = new_key(engine, instance), new_key(engine, instance)
    engine.execute(CreateAlias(alias="alias/orders", key=key))
    for again in (key, other):
        assert refusal(CreateAlias(alias="alias/orders", key=again)).code == "AliasAlreadyExists"
    engine.execute(DeleteAlias(alias="alias/orders"))
    assert refusal(DeleteAlias(alias="alias/orders")).code == "Forbidden.AliasNotFound"


def test_a_full_instance_takes_no_key_and_no_rotation(
    lab: Lab, engine: Engine, instance: str, refusal: Callable[[Operation], KmsError]
) -> None:
    key = new_key(engine, instance, rotation=7 * DAYS)
    with closing(sqlite3.connect(lab.database)) as db, db:
        db.execute("UPDATE instance SET key_quota = 1 WHERE instance_id = ?", (instance,))
    asked = CreateKey(instance=instance, spec="Aliyun_AES_256", usage="ENCRYPT/DECRYPT", origin="Aliyun_KMS")
    assert refusal(asked).code == "Rejected.LimitExceeded"
    lab.clock.move(7 * DAY)
    assert "quota" in engine.tick().postponed[key]
    assert engine.list_versions(key).total == 1


def test_protection_of_a_key_tells_why_until_it_ends(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance)
    engine.execute(SetDeletionProtection(key=key, enable=True, description="payments"))
    engine.execute(SetDeletionProtection(key=key, enable=True))
    view = engine.describe_key(key)
    assert (view.deletion_protection, view.protection_reason) == (True, "payments")
    engine.execute(SetDeletionProtection(key=key, enable=False))
    view = engine.describe_key(key)
    assert (view.deletion_protection, view.protection_reason) == (False, "")


def test_a_policy_comes_back_as_it_was_set(engine: Engine, instance: str) -> None:
    key, policy = new_key(engine, instance), default_policy(engine.account)
    assert engine.key_policy(key) == policy
    narrowed = {**policy, "Statement": [{**policy["Statement"][0], "Sid": "mine"}]}
    engine.execute(SetKeyPolicy(key=key, policy=narrowed))
    assert engine.key_policy(key) == narrowed
    engine.execute(SetKeyPolicy(key=key))
    assert engine.key_policy(key) == policy
