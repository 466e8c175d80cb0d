"""From a Terraform state to what is declared: attribute by attribute, and with a reason for all that is not."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmsplan.adopt.files import FROM_TERRAFORM, files
from kmsplan.adopt.terraform.convert import convert, regions
from kmsplan.adopt.terraform.document import Resource, read
from kmsplan.adopt.terraform.mapping import RESOURCES
from kmsplan.config.diagnostic import ConfigurationError
from kmsplan.config.load import load

if TYPE_CHECKING:
    from kmsplan.adopt.inventory import Inventory

CASES = Path(__file__).parents[3] / "case" / "terraform"
ACCOUNT = "1234567890123456"
CORE = "kst-hzz62ee817bvyyr5x0001"
SCHEMAS = {
    "alicloud_kms_key": "arn automatic_rotation creation_date creator delete_date deletion_protection "
    "deletion_protection_description deletion_window_in_days description dkms_instance_id id is_enabled key_spec "
    "key_state key_usage last_rotation_date material_expire_time next_rotation_date origin pending_window_in_days "
    "policy primary_key_version protection_level rotation_interval status tags timeouts",
    "alicloud_kms_alias": "alias_name id key_id timeouts",
    "alicloud_kms_instance": "bind_vpcs ca_certificate_chain_pem create_time end_date force_delete_without_backup id "
    "instance_name key_num log log_storage payment_type period product_version renew_period renew_status "
    "renewal_period_unit secret_num spec status tags timeouts vpc_id vpc_num vswitch_ids zone_ids",
}
"""The attributes of the provider's resources, from its documentation and source."""


def key(identity: str = "key-1", *, address: str = "", name: str = "orders", **values: Any) -> Resource:
    usual = {
        "id": identity,
        "arn": f"acs:kms:cn-hangzhou:{ACCOUNT}:key/{identity}",
        "creator": ACCOUNT,
        "dkms_instance_id": CORE,
        "key_spec": "Aliyun_AES_256",
        "key_usage": "ENCRYPT/DECRYPT",
        "origin": "Aliyun_KMS",
        "status": "Enabled",
        "automatic_rotation": "Disabled",
        "deletion_protection": "Enabled",
        "protection_level": "SOFTWARE",
    }
    return made("alicloud_kms_key", address or f"alicloud_kms_key.{name}", (name,), {**usual, **values})


def instance(identity: str = CORE, **values: Any) -> Resource:
    usual = {"id": identity, "product_version": "3", "spec": 1000, "key_num": 1000, "status": "Connected"}
    return made("alicloud_kms_instance", "alicloud_kms_instance.main", ("main",), {**usual, **values})


def alias(name: str, target: str) -> Resource:
    values = {"id": f"alias/{name}", "alias_name": f"alias/{name}", "key_id": target}
    return made("alicloud_kms_alias", f"alicloud_kms_alias.{name}", (name,), values)


def made(type_: str, address: str, names: tuple[str, ...], values: dict[str, Any] | None, **of: Any) -> Resource:
    return Resource(
        address=address, type=type_, names=names, values=values, **{"deposed": False, "tainted": False, **of}
    )


def taken(*resources: Resource, region: str | None = None) -> Inventory:
    return convert(resources, region).inventory(lineages=(), refused={})


def written(inventory: Inventory) -> dict[str, Any]:
    return {str(one.address): dict(one.written) for one in inventory.objects}


def left_out(inventory: Inventory) -> dict[str, str]:
    return {one.identity: one.reason for one in inventory.left_out}


def test_the_state_that_was_made_from_the_providers_schemas_becomes_these_files(tmp_path: Path) -> None:
    inventory = convert(read((CASES / "state.json").read_bytes()), "cn-hangzhou").inventory(lineages=(), refused={})
    texts = files(inventory, {"alibaba": {"region": "cn-hangzhou"}}, FROM_TERRAFORM)
    for name, text in texts.items():
        golden = CASES / "written" / name
        if os.environ.get("KMSPLAN_UPDATE"):
            golden.parent.mkdir(exist_ok=True)
            golden.write_text(text)
        assert text == golden.read_text()
        assert "hunter2" not in text
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, variables={}, variable_files=(), environ={})
    assert [(one.code, one.address) for one in refused.value.diagnostics] == [("K404", "key.slow")]


@pytest.mark.parametrize("type_", sorted(SCHEMAS))
def test_every_attribute_of_the_provider_is_taken_over_or_has_a_reason(type_: str) -> None:
    mapped = RESOURCES[type_]
    known = {*mapped.fields, *mapped.settings, *mapped.known, *mapped.kept}
    assert set(SCHEMAS[type_].split()) - known == set()


@pytest.mark.parametrize(
    ("values", "attributes"),
    [
        ({"description": "a ${b}", "tags": {"team": "x"}}, {"description": "a $${b}", "tags": {"team": "x"}}),
        ({"status": "Disabled"}, {"enabled": False}),
        ({"status": "", "key_state": "Disabled"}, {"enabled": False}),
        ({"automatic_rotation": "Enabled", "rotation_interval": "7776000s"}, {"rotation": "90d"}),
        ({"automatic_rotation": "Suspended", "rotation_interval": "90d"}, {"rotation": "90d"}),
        ({"automatic_rotation": "Disabled", "rotation_interval": "90d"}, {}),
        ({"key_spec": "EC_P256", "key_usage": "SIGN/VERIFY"}, {"spec": "EC_P256", "usage": "SIGN/VERIFY"}),
        ({"origin": "EXTERNAL", "status": "PendingImport"}, {"origin": "EXTERNAL"}),
        ({"deletion_protection": "Disabled"}, {"deletion_protection": False}),
        ({"pending_window_in_days": 7}, {"deletion_window": "7d"}),
        ({"deletion_window_in_days": 8, "pending_window_in_days": None}, {"deletion_window": "8d"}),
        ({"policy": json.dumps({"Version": "1", "Statement": []})}, {"policy": {"Version": "1", "Statement": []}}),
        ({"tags": {"kmsplan:state": "9a9a/7"}}, {}),
    ],
)
def test_an_attribute_of_a_key_becomes_what_kmsplan_calls_it(
    values: dict[str, Any], attributes: dict[str, Any]
) -> None:
    usual = {"instance": "main", "spec": "Aliyun_AES_256", "usage": "ENCRYPT/DECRYPT", "deletion_protection": True}
    assert written(taken(instance(), key(**values)))["key.orders"] == {**usual, **attributes}


def test_the_policy_that_the_kms_gives_to_every_key_is_not_written() -> None:
    everybody = {
        "Statement": [
            {
                "Sid": "kms default key policy",
                "Effect": "Allow",
                "Principal": {"RAM": [f"acs:ram::{ACCOUNT}:*"]},
                "Action": ["kms:*"],
                "Resource": ["*"],
            }
        ],
        "Version": "1",
    }
    assert "policy" not in written(taken(instance(), key(policy=json.dumps(everybody))))["key.orders"]


def test_deletion_protection_that_an_older_provider_does_not_tell_is_left_to_the_default_which_is_on() -> None:
    assert "deletion_protection" not in written(taken(instance(), key(deletion_protection=None)))["key.orders"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"status": "PendingDeletion"}, "its deletion is scheduled"),
        ({"key_spec": None}, "the state does not tell its key_spec"),
        ({"key_spec": None, "origin": ""}, "the state does not tell its key_spec and origin"),
        ({"key_spec": ["x"]}, "the state is damaged at its key_spec"),
        ({"tags": "x"}, "the state is damaged at its tags"),
        ({"policy": "{"}, "its policy is not JSON"),
        ({"automatic_rotation": "Enabled", "rotation_interval": None}, "its rotation_interval is no duration"),
        ({"dkms_instance_id": "", "id": "0b8c3e0a-86a0-4f4c-9f0e-7f9e4a5d6c7b"}, "it is in no instance"),
        ({"tags": {"kmsplan:owner": "9a9a/key.orders/t"}}, "lineage 9a9a owns it, as key.orders"),
        ({"description": "a\0b"}, "NUL"),
    ],
)
def test_a_key_that_cannot_be_declared_is_named_with_the_reason(values: dict[str, Any], reason: str) -> None:
    inventory = taken(instance(), key(**values))
    assert "key.orders" not in written(inventory)
    ((place, said),) = left_out(inventory).items()
    assert place.startswith("alicloud_kms_key.orders")
    assert reason in said


def test_of_deposed_tainted_and_repeated_resources_it_is_said_what_became_of_them() -> None:
    old = made("alicloud_kms_key", "alicloud_kms_key.old", ("old",), {"id": "key-9"}, deposed=True)
    flat = made("alicloud_kms_key", "alicloud_kms_key.flat", ("flat",), None)
    one = key("key-2", name="tainted")
    tainted = made(one.type, one.address, one.names, dict(one.values or {}), tainted=True)
    inventory = taken(instance(), key(), key(address="alicloud_kms_key.again"), old, flat, tainted)
    assert sorted(written(inventory)) == ["instance.main", "key.orders", "key.tainted"]
    assert left_out(inventory) == {
        "alicloud_kms_key.again (key-1)": "alicloud_kms_key.orders is key-1, too, and one object has one address",
        "alicloud_kms_key.flat": "its attributes are in the form of Terraform 0.11: terraform apply -refresh-only "
        "writes them anew",
        "alicloud_kms_key.old (key-9)": "it is what a replacement left behind, and Terraform means to destroy it: "
        "decide that by hand",
    }
    assert "alicloud_kms_key.tainted is tainted: Terraform would have replaced it, kmsplan keeps it" in inventory.notes


def test_an_alias_stands_in_its_key_and_one_of_a_stranger_is_left_out() -> None:
    arn = f"acs:kms:cn-hangzhou:{ACCOUNT}:key/key-1"
    bare = made("alicloud_kms_alias", "alicloud_kms_alias.bare", ("bare",), {"id": "bare", "key_id": "key-1"})
    inventory = taken(instance(), key(), alias("b", "key-1"), alias("a", arn), alias("c", "key-99"), bare)
    assert written(inventory)["key.orders"]["aliases"] == ["a", "b"]
    assert left_out(inventory) == {
        "alicloud_kms_alias.bare (bare)": "an alias is written alias/NAME",
        "alicloud_kms_alias.c (alias/c)": "it points at key-99, which no key here is",
    }


def test_names_that_collide_are_numbered_in_the_order_of_their_identities_whatever_the_order_in_the_state() -> None:
    first, second = key("key-1", address="module.a.alicloud_kms_key.orders"), key("key-2")
    forward, backward = taken(instance(), first, second), taken(second, first, instance())
    assert forward.objects == backward.objects
    assert [(str(one.address), one.identity) for one in forward.objects][1:] == [
        ("key.orders", "key-1"),
        ("key.orders-2", "key-2"),
    ]


def test_an_instance_that_terraform_does_not_manage_is_declared_and_what_nobody_tells_is_to_be_filled_in() -> None:
    inventory = taken(key(protection_level="HSM"), instance("kst-2", product_version=None, spec=0))
    assert written(inventory) == {
        "instance.hardware": {"type": "hardware", "deletion_protection": False},
        "instance.main": {"type": "software", "deletion_protection": False},
        "key.orders": {
            "instance": "hardware",
            "spec": "Aliyun_AES_256",
            "usage": "ENCRYPT/DECRYPT",
            "storage_mechanism": "HsmInternal",
            "deletion_protection": True,
        },
    }
    assert inventory.todo == (
        "type (guessed from its keys), spec of the instance kst-2, which the state does not tell",
        f"type (guessed from its keys), spec, key_quota of the instance {CORE}, which the state does not tell",
    )


def test_a_key_that_rotates_in_an_hsm_is_one_of_those_that_can() -> None:
    rotating = key(protection_level="HSM", automatic_rotation="Enabled", rotation_interval="90d")
    found = written(taken(instance(product_version="5"), rotating))["key.orders"]
    assert (found["storage_mechanism"], found["rotation"]) == ("HsmEncryptedDatabase", "90d")


def test_keys_of_other_regions_are_left_out_with_the_instances_they_are_in() -> None:
    far = "acs:kms:cn-beijing:1:key/key-2"
    resources = (instance(), key(), key("key-2", name="far", arn=far, dkms_instance_id="kst-2"), alias("far", "key-2"))
    assert regions(resources) == ("cn-beijing", "cn-hangzhou")
    inventory = taken(*resources, region="cn-hangzhou")
    assert sorted(written(inventory)) == ["instance.main", "key.orders"]
    reason = "it is in cn-beijing, and this configuration manages cn-hangzhou"
    assert left_out(inventory) == {
        "alicloud_kms_alias.far (alias/far)": "it points at key-2, which is left out",
        "alicloud_kms_key.far (key-2)": reason,
        "kst-2": reason,
    }


def test_one_key_outside_of_instances_is_the_default_cmk_and_of_several_none_is_guessed() -> None:
    outside = {"dkms_instance_id": "", "deletion_protection": "Disabled"}
    assert sorted(written(taken(key(**outside), alias("free", "key-1")))) == ["default_key.default"]
    several = taken(key(**outside), key("key-2", name="second", **outside))
    assert written(several) == {}
    assert set(left_out(several).values()) == {
        "it is in no instance, as others are, and one key can be the default CMK"
    }


def test_resources_that_are_no_keys_are_named_or_counted() -> None:
    secret = made("alicloud_kms_secret", "alicloud_kms_secret.db", ("db",), {"secret_data": "hunter2"})
    later = made("alicloud_kms_teapot", "alicloud_kms_teapot.t", ("t",), {})
    bucket = made("alicloud_oss_bucket", "alicloud_oss_bucket.b", ("b",), {})
    converted = convert((secret, later, bucket), None)
    assert converted.others == 1
    assert left_out(converted.inventory(lineages=(), refused={})) == {
        "alicloud_kms_secret.db": "secrets are not keys: they stay with Terraform",
        "alicloud_kms_teapot.t": "kmsplan has no such object",
    }


def test_attributes_that_are_not_taken_over_are_named_without_their_values() -> None:
    notes = taken(instance(vpc_id="vpc-hunter2", teapot="hunter2", log_storage=0), instance("kst-2", vpc_id="b")).notes
    assert notes[0] == "alicloud_kms_instance.teapot (1): kmsplan knows no such attribute"
    assert notes[1].startswith("alicloud_kms_instance.vpc_id (2): how the instance is reached stays as it is")
    assert "hunter2" not in "".join(notes)


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.just({"a": "b"}) | st.just(["x"])
SEEN = st.sampled_from(
    [
        "key-1",
        "alias/a",
        "Enabled",
        "Disabled",
        "EXTERNAL",
        "HSM",
        "Aliyun_AES_256",
        "SIGN/VERIFY",
        "90d",
        "{}",
        "kst-2",
        "kmsplan:owner",
        "acs:kms:cn-beijing:1:key/key-1",
    ]
)
USUAL = {one.type: dict(one.values or {}) for one in (key(), instance("kst-2"), alias("a", "key-1"))}


def resources_of(type_: str) -> st.SearchStrategy[Resource]:
    """Resources of one type that differ from a usual one in something."""
    changed = st.dictionaries(st.sampled_from(SCHEMAS[type_].split()), VALUES | SEEN, max_size=4)
    return st.builds(
        made,
        st.just(type_),
        st.uuids().map(lambda unique: f"alicloud.{unique}"),
        st.lists(st.text(max_size=4), min_size=1, max_size=3).map(tuple),
        st.none() | changed.map(lambda values: {**USUAL[type_], **values}),
        deposed=st.booleans(),
        tainted=st.booleans(),
    )


SOME = st.one_of([resources_of(type_) for type_ in sorted(SCHEMAS)])


@given(st.lists(SOME, max_size=6), st.sampled_from([None, "cn-hangzhou"]))
def test_whatever_a_state_says_every_resource_is_declared_or_left_out_with_a_reason(
    resources: list[Resource], region: str | None
) -> None:
    usual = [instance(), key("key-9", name="usual")]
    inventory = convert([*usual, *resources], region).inventory(lineages=(), refused={})
    declared = {one.identity for one in inventory.objects}
    aliases = {f"alias/{name}" for one in inventory.objects for name in one.written.get("aliases", ())}
    out = [one.identity.split(" (")[0] for one in inventory.left_out]
    for resource in resources:
        values = resource.values or {}
        named = {value for name in ("id", "alias_name") if isinstance(value := values.get(name), str)}
        assert resource.address in out or named & (declared | aliases)
    assert all(one.reason for one in inventory.left_out)
    assert {CORE, "key-9"} <= declared
