"""What each operation does and refuses, apart from the state table."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.engine.action import creating
from kmsplan.engine.action.table import HANDLERS
from kmsplan.engine.offer import HARDWARE_SPECS, SOFTWARE_SPECS
from kmsplan.kms.capability import Origin
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import (
    CreateAlias,
    CreateInstance,
    CreateKey,
    DeleteAlias,
    DisableKey,
    EnableKey,
    ModifyInstance,
    Operation,
    Reference,
    ReleaseKmsInstance,
    ScheduleKeyDeletion,
    SetDeletionProtection,
    SetKeyPolicy,
    TagResources,
    UntagResources,
    UpdateAlias,
    UpdateKeyDescription,
    UpdateRotationPolicy,
)
from kmsplan.kms.policy import default_policy
from kmsplan.kms.settling import OPERATIONS
from kmsplan.kms.spec import KeySpec, KeyType, specs_for
from tests.engines import DAY, Lab, described, new_instance, new_key

if TYPE_CHECKING:
    from kmsplan.engine.service import Engine

QUARTER = 90 * 86_400
LONG_POLICY = {"Version": "1", "Statement": default_policy("1")["Statement"] * 500}


def refusal(engine: Engine, operation: Operation) -> KmsError:
    before = engine.describe()
    with pytest.raises(KmsError) as caught:
        engine.execute(operation)
    assert engine.describe() == before
    return caught.value


def test_every_operation_is_carried_out() -> None:
    assert set(HANDLERS) == {facts.operation for facts in OPERATIONS.values()}


def test_a_new_instance_is_connected_and_described(engine: Engine) -> None:
    made = engine.execute(CreateInstance(type="software", spec=200, key_quota=100, tags={"team": "core"}))
    (row,) = engine.describe().instances
    assert row == {
        "instance_id": made,
        "type": "software",
        "spec": 200,
        "key_quota": 100,
        "deletion_protection": False,
        "status": "Connected",
        "versions": 0,
        "details": {},
        "proxy": None,
        "hsm": None,
        "tags": {"team": "core"},
    }


def test_a_hardware_instance_names_its_token(engine: Engine, vault: str) -> None:
    (row,) = engine.describe([vault]).instances
    assert row["hsm"] == {"module": "fake.so", "token": "lab"}


@pytest.mark.parametrize(
    ("changed", "code", "words"),
    [
        ({"type": "external"}, "InvalidParameter", "needs the URL of a proxy"),
        ({"type": "quantum"}, "InvalidParameter", "one of software, hardware, external"),
        ({"type": "hardware"}, "InvalidParameter", "needs a PKCS#11 module"),
        ({"hsm": {"module": "m", "token": "t"}}, "InvalidParameter", "no other instance"),
        ({"type": "hardware", "hsm": {"module": "m", "token": "t", "pin": "1"}}, "InvalidParameter", "nothing else"),
        ({"type": "hardware", "hsm": {"module": "", "token": "t"}}, "InvalidParameter", "Hsm"),
        ({"spec": 3}, "InvalidParameter", "200, 1000"),
        ({"key_quota": 99}, "InvalidParameter", "from 100 to 100000"),
        ({"key_quota": True}, "InvalidParameter", "whole number"),
        ({"key_quota": "1000"}, "InvalidParameter", "whole number"),
        ({"tags": {"a": 1}}, "InvalidParameter", "text to text"),
    ],
)
def test_an_instance_that_cannot_be_is_refused(engine: Engine, changed: dict[str, Any], code: str, words: str) -> None:
    error = refusal(engine, CreateInstance(**{"type": "software", "spec": 1000, "key_quota": 1000, **changed}))
    assert error.code == code
    assert words in error.message


def test_a_hardware_instance_on_a_token_that_does_not_answer_is_refused(lab: Lab, engine: Engine) -> None:
    lab.hsm.away = True
    with pytest.raises(KmsError, match="the token does not answer") as caught:
        new_instance(engine, "hardware")
    assert caught.value.code == "Rejected.Unavailable"


def test_an_instance_is_resized_but_not_below_what_it_holds(engine: Engine) -> None:
    instance = new_instance(engine, key_quota=102)
    for _ in range(101):
        new_key(engine, instance)
    assert "holds 101 key versions" in refusal(engine, ModifyInstance(instance=instance, key_quota=100)).message
    engine.execute(ModifyInstance(instance=instance, spec=4000))
    engine.execute(ModifyInstance(instance=instance, key_quota=2000))
    (row,) = engine.describe([instance]).instances
    assert (row["spec"], row["key_quota"], row["versions"]) == (4000, 2000, 101)


def test_the_quota_counts_key_versions(lab: Lab, engine: Engine) -> None:
    instance = new_instance(engine, key_quota=100)
    for _ in range(98):
        new_key(engine, instance)
    rotating = new_key(engine, instance, rotation=QUARTER)
    lab.clock.move(91 * DAY)
    assert engine.tick().rotated == (rotating,)
    error = refusal(
        engine, CreateKey(instance=instance, spec="Aliyun_AES_256", usage="ENCRYPT/DECRYPT", origin="Aliyun_KMS")
    )
    assert error.code == "Rejected.LimitExceeded"
    assert "100 of 100" in error.message
    lab.clock.move(91 * DAY)
    ticked = engine.tick()
    assert ticked.rotated == ()
    assert "quota" in ticked.postponed[rotating]
    engine.execute(ModifyInstance(instance=instance, key_quota=200))
    assert engine.tick().rotated == (rotating,)


def test_releasing_wants_an_unprotected_and_empty_instance(lab: Lab, engine: Engine, instance: str) -> None:
    key = new_key(engine, instance)
    engine.execute(SetDeletionProtection(instance=instance, enable=True))
    assert refusal(engine, ReleaseKmsInstance(instance=instance)).code == "Forbidden.DeletionProtected"
    engine.execute(SetDeletionProtection(instance=instance, enable=False))
    assert refusal(engine, ReleaseKmsInstance(instance=instance)).code == "Rejected.InstanceNotEmpty"
    engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    error = refusal(engine, ReleaseKmsInstance(instance=instance))
    assert "still holds 1 key, those pending deletion included" in error.message
    lab.clock.move(8 * DAY)
    engine.tick()
    engine.execute(ReleaseKmsInstance(instance=instance))
    assert engine.describe().instances == []


def test_a_new_key_is_described_whole(engine: Engine, instance: str) -> None:
    policy = default_policy("1234567890123456")
    key = new_key(
        engine,
        instance,
        description="of orders",
        rotation=QUARTER,
        policy=policy,
        tags={"a": "b", "kmsplan:owner": "x"},
    )
    row = described(engine, key)
    version = row.pop("primary_version")
    assert version.startswith(f"{key}-")
    assert len(version) == 36
    assert row == {
        "key_id": key,
        "instance_id": instance,
        "spec": "Aliyun_AES_256",
        "usage": "ENCRYPT/DECRYPT",
        "origin": "Aliyun_KMS",
        "storage_mechanism": None,
        "state": "Enabled",
        "description": "of orders",
        "rotation": QUARTER,
        "rotation_state": "Enabled",
        "policy": policy,
        "deletion_protection": False,
        "creation_date": "2026-01-01T00:00:00Z",
        "delete_date": None,
        "last_rotation_date": "2026-01-01T00:00:00Z",
        "next_rotation_date": "2026-04-01T00:00:00Z",
        "last_used": None,
        "creator": engine.account,
        "protection_reason": "",
        "material_expires": None,
        "external_key_id": None,
        "hsm_object": None,
        "read_only": False,
        "tracked_since": "2026-01-01T00:00:00Z",
        "arn": f"acs:kms:local:{engine.account}:key/{key}",
        "tags": {"a": "b", "kmsplan:owner": "x"},
        "protection_level": "SOFTWARE",
        "detail": None,
        "versions": None,
        "version_count": 1,
        "encryptions": 0,
    }


def test_a_new_hardware_key_is_kept_inside_the_hsm(engine: Engine, vault: str) -> None:
    row = described(engine, new_key(engine, vault))
    assert (row["storage_mechanism"], row["protection_level"]) == ("HsmInternal", "HSM")


@pytest.mark.parametrize("spec", SOFTWARE_SPECS)
def test_every_software_spec_is_made_for_its_default_usage(engine: Engine, instance: str, spec: KeySpec) -> None:
    row = described(engine, new_key(engine, instance, spec))
    assert (row["spec"], row["state"]) == (spec, "Enabled")


def test_what_is_offered_is_part_of_what_the_kms_offers() -> None:
    assert set(SOFTWARE_SPECS) == set(specs_for(KeyType.SOFTWARE))
    assert set(specs_for(KeyType.HARDWARE)) - set(HARDWARE_SPECS) == {
        "Aliyun_SM4",
        "EC_SM2",
        "HMAC_SM3",
        "Aliyun_DES3_192",
    }
    assert set(HARDWARE_SPECS) - set(SOFTWARE_SPECS) == {"Aliyun_AES_192", "Aliyun_AES_128"}


@pytest.mark.parametrize(
    ("changed", "code", "words"),
    [
        ({"instance": "kst-none"}, "Forbidden.DKMSInstanceNotFound", "kst-none"),
        ({"instance": Reference("instance.core")}, "InvalidParameter", "DKMSInstanceId"),
        ({"spec": "AES"}, "InvalidParameter", "KeySpec"),
        ({"spec": "Aliyun_AES_128"}, "UnsupportedOperation", "not offered in software instances"),
        ({"spec": "HMAC_SHA_256"}, "InvalidParameter", "HMAC_SHA_256 is for GENERATE_MAC/VERIFY_MAC"),
        ({"usage": "SIGN/VERIFY"}, "InvalidParameter", "Aliyun_AES_256 is for ENCRYPT/DECRYPT"),
        ({"usage": "BOTH"}, "InvalidParameter", "KeyUsage"),
        ({"origin": "external"}, "InvalidParameter", "Origin"),
        ({"storage_mechanism": "HsmInternal"}, "InvalidParameter", "only keys in hardware instances"),
        ({"rotation": 6 * 86_400}, "InvalidParameter", "604800 to 31536000"),
        ({"rotation": QUARTER, "origin": "EXTERNAL"}, "UnsupportedOperation", "imported"),
        ({"rotation": QUARTER, "spec": "EC_P256", "usage": "SIGN/VERIFY"}, "UnsupportedOperation", "asymmetric"),
        ({"description": "x" * 8193}, "InvalidParameter", "8192"),
        ({"policy": LONG_POLICY}, "InvalidParameter", "32768"),
        ({"policy": {"Version": "1", "Statement": {1, 2}}}, "InvalidParameter", "Statement is a list"),
        ({"policy": {**default_policy("1"), "\ud800": 1}}, "InvalidParameter", "A policy has no"),
        ({"description": "\ud800"}, "InvalidParameter", "Description"),
        ({"policy": "text"}, "InvalidParameter", "JSON object"),
        ({"tags": {"aliyun": "x"}}, "InvalidParameter", "aliyun"),
        ({"tags": {f"t{number}": "x" for number in range(21)}}, "InvalidParameter", "at most 20 tags"),
    ],
)
def test_a_key_that_cannot_be_is_refused(
    engine: Engine, instance: str, changed: dict[str, Any], code: str, words: str
) -> None:
    asked = {"instance": instance, "spec": "Aliyun_AES_256", "usage": "ENCRYPT/DECRYPT", "origin": "Aliyun_KMS"}
    error = refusal(engine, CreateKey(**{**asked, **changed}))
    assert error.code == code
    assert words in error.message


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"storage_mechanism": "HsmEncryptedDatabase"}, "wraps no keys for the keystore"),
        ({"rotation": QUARTER}, "HsmInternal never rotate"),
        ({"spec": "Aliyun_AES_192"}, "Token 'lab' cannot make and use Aliyun_AES_192"),
        ({"spec": "RSA_2048", "usage": "ENCRYPT/DECRYPT"}, "does not decrypt with RSA"),
    ],
)
def test_a_hardware_key_that_cannot_be_is_refused(
    engine: Engine, vault: str, changed: dict[str, Any], words: str
) -> None:
    asked = {"instance": vault, "spec": "Aliyun_AES_256", "usage": "ENCRYPT/DECRYPT", "origin": "Aliyun_KMS"}
    error = refusal(engine, CreateKey(**{**asked, **changed}))
    assert error.code == "UnsupportedOperation"
    assert words in error.message


def test_a_key_that_takes_no_imported_material_is_refused_as_external(
    engine: Engine, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creating, "import_refusal", lambda *_: "because")
    error = refusal(
        engine, CreateKey(instance=instance, spec="Aliyun_AES_256", usage="ENCRYPT/DECRYPT", origin="EXTERNAL")
    )
    assert (error.code, "because" in error.message) == ("Unsupported.Origin", True)


@pytest.mark.parametrize("kind", ["software", "hardware"])
def test_an_instance_that_is_released_while_a_key_is_made_takes_none(lab: Lab, engine: Engine, kind: str) -> None:
    instance, world = new_instance(engine, kind), engine._core.world
    make = world.entropy

    def release_meanwhile(count: int) -> bytes:
        if count == 8:  # for the key's id, after the instance was looked at
            engine.execute(ReleaseKmsInstance(instance=instance))
        return make(count)

    object.__setattr__(world, "entropy", release_meanwhile)
    with pytest.raises(KmsError) as caught:
        new_key(engine, instance)
    assert caught.value.code == "Forbidden.DKMSInstanceNotFound"
    assert (engine.describe().keys, lab.hsm.material) == ([], {})


def test_a_key_whose_material_will_be_imported_has_no_version(engine: Engine, instance: str) -> None:
    row = described(engine, new_key(engine, instance, origin=Origin.EXTERNAL))
    assert (row["state"], row["primary_version"], row["last_rotation_date"]) == ("PendingImport", None, None)


def test_a_protected_key_is_not_scheduled_for_deletion(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance)
    engine.execute(SetDeletionProtection(key=key, enable=True))
    assert described(engine, key)["deletion_protection"] is True
    error = refusal(engine, ScheduleKeyDeletion(key=key, window_days=7))
    assert error.code == "Forbidden.DeletionProtected"
    engine.execute(SetDeletionProtection(key=key, enable=False))
    engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    row = described(engine, key)
    assert (row["state"], row["delete_date"]) == ("PendingDeletion", "2026-01-08T00:00:00Z")


@pytest.mark.parametrize("days", [6, 367, True, "7"])
def test_a_window_outside_the_range_is_refused(engine: Engine, instance: str, days: Any) -> None:
    key = new_key(engine, instance)
    error = refusal(engine, ScheduleKeyDeletion(key=key, window_days=days))
    assert (error.code, "7 to 366" in error.message) == ("InvalidParameter", True)


@pytest.mark.parametrize("named", [{}, {"key": "key-a", "instance": "kst-a"}])
def test_protection_is_of_one_thing(engine: Engine, named: dict[str, str]) -> None:
    assert "exactly one" in refusal(engine, SetDeletionProtection(enable=True, **named)).message


def test_a_disabled_keys_rotation_rests_and_goes_on(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance, rotation=QUARTER)
    engine.execute(DisableKey(key=key))
    assert described(engine, key)["rotation_state"] == "Suspended"
    engine.execute(EnableKey(key=key))
    assert described(engine, key)["rotation_state"] == "Enabled"
    engine.execute(UpdateRotationPolicy(key=key))
    row = described(engine, key)
    assert (row["rotation"], row["rotation_state"], row["next_rotation_date"]) == (None, "Disabled", None)


def test_a_period_that_is_over_already_rotates_at_once(lab: Lab, engine: Engine, instance: str) -> None:
    key = new_key(engine, instance)
    first = described(engine, key)["primary_version"]
    lab.clock.move(timedelta(days=100))
    engine.execute(UpdateRotationPolicy(key=key, rotation=QUARTER))
    row = described(engine, key)
    assert row["primary_version"] != first
    assert row["next_rotation_date"] == "2026-07-10T00:00:00Z"


def test_rotation_of_a_key_that_cannot_rotate_is_refused(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance, KeySpec.EC_P256)
    assert "asymmetric" in refusal(engine, UpdateRotationPolicy(key=key, rotation=QUARTER)).message


def test_a_policy_is_replaced_and_put_back(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance)
    policy = default_policy("1234567890123456")
    engine.execute(SetKeyPolicy(key=key, policy=policy))
    assert described(engine, key)["policy"] == policy
    engine.execute(SetKeyPolicy(key=key))
    assert described(engine, key)["policy"] is None


def test_tags_are_added_changed_and_removed(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance, tags={"a": "1", "b": "2"})
    for kind, resource in (("key", key), ("instance", instance)):
        engine.execute(TagResources(resource=resource, resource_type=kind, tags={"a": "9", "c": "3"}))
        engine.execute(UntagResources(resource=resource, resource_type=kind, tag_keys=("b", "none")))
    found = engine.describe()
    assert [row["tags"] for row in (*found.keys, *found.instances)] == [{"a": "9", "c": "3"}] * 2


def test_a_21st_tag_is_refused_and_none_of_its_request_stays(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance, tags={f"t{number}": "x" for number in range(19)})
    error = refusal(engine, TagResources(resource=key, resource_type="key", tags={"new": "1", "newer": "2"}))
    assert error.code == "Rejected.LimitExceeded"
    engine.execute(TagResources(resource=key, resource_type="key", tags={"new": "1"}))
    assert len(described(engine, key)["tags"]) == 20


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        (TagResources(resource="key-none", resource_type="key", tags={}), "Forbidden.KeyNotFound"),
        (TagResources(resource="kst-none", resource_type="instance", tags={}), "Forbidden.DKMSInstanceNotFound"),
        (TagResources(resource="x", resource_type="secret", tags={}), "InvalidParameter"),
        (UntagResources(resource="key-none", resource_type="key", tag_keys=["a"]), "InvalidParameter"),  # type: ignore[arg-type]
        (EnableKey(key="key-none"), "Forbidden.KeyNotFound"),
        (EnableKey(key="alias/orders"), "Unsupported.Alias"),
        (EnableKey(key=""), "InvalidParameter"),
        (UpdateKeyDescription(key="key-none", description=None), "Forbidden.KeyNotFound"),  # type: ignore[arg-type]
        (SetDeletionProtection(key="key-none", enable="yes"), "InvalidParameter"),  # type: ignore[arg-type]
        (DeleteAlias(alias="alias/none"), "Forbidden.AliasNotFound"),
        (UpdateAlias(alias="alias/none", key="key-none"), "Forbidden.AliasNotFound"),
        (CreateAlias(alias="alias/none", key="key-none"), "Forbidden.KeyNotFound"),
        (CreateAlias(alias="orders", key="key-none"), "InvalidParameter"),
        (CreateAlias(alias="alias/acs/ecs", key="key-none"), "InvalidParameter"),
        (CreateAlias(alias=7, key="key-none"), "InvalidParameter"),  # type: ignore[arg-type]
        (ModifyInstance(instance="kst-none", spec=200), "Forbidden.DKMSInstanceNotFound"),
        (ReleaseKmsInstance(instance="kst-none"), "Forbidden.DKMSInstanceNotFound"),
    ],
)
def test_what_is_not_there_or_no_name_is_refused(engine: Engine, operation: Operation, code: str) -> None:
    assert refusal(engine, operation).code == code


def test_an_alias_is_unique_moves_and_goes(engine: Engine, instance: str) -> None:
    first, second = new_key(engine, instance), new_key(engine, instance)
    assert engine.execute(CreateAlias(alias="alias/orders", key=first)) == "alias/orders"
    error = refusal(engine, CreateAlias(alias="alias/orders", key=second))
    assert error.code == "AliasAlreadyExists"
    assert first in error.message
    engine.execute(UpdateAlias(alias="alias/orders", key=second))
    (row,) = engine.describe().aliases
    arn = f"acs:kms:local:{engine.account}:alias/orders"
    assert row == {"alias": "alias/orders", "key_id": second, "arn": arn}
    engine.execute(DeleteAlias(alias="alias/orders"))
    assert engine.describe().aliases == []


def test_an_error_carries_the_request_id_of_its_audit_entry(engine: Engine) -> None:
    with pytest.raises(KmsError) as caught:
        engine.execute(EnableKey(key="key-none"))
    *_, entry = engine.audit_entries()
    assert caught.value.request_id == entry["request_id"]
    assert (entry["action"], entry["resource"], entry["result"]) == ("EnableKey", "key-none", "Forbidden.KeyNotFound")
