from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from kmsplan.kms.operation import Reference, name_of
from kmsplan.kms.settling import OPERATIONS
from kmsplan.resource import alias, instance, key
from kmsplan.resource.address import Address, address, is_retired, kind_of, retired
from kmsplan.resource.address import name_of as name_part
from kmsplan.resource.attribute import Attribute, Mutability
from kmsplan.resource.kinds import KINDS, dependencies
from kmsplan.resource.step import Status, Step

TABLE = [(kind.name, attribute) for kind in KINDS.values() for attribute in kind.attributes]
ORDERS = Address("key.orders")
ATTRIBUTES: dict[str, Any] = {
    "instance": "instance.core",
    "spec": "Aliyun_AES_256",
    "usage": "ENCRYPT/DECRYPT",
    "origin": "Aliyun_KMS",
    "storage_mechanism": None,
    "description": "",
    "enabled": True,
    "rotation": 90 * 86_400,
    "tags": {"team": "payments"},
    "policy": None,
    "deletion_protection": True,
    "deletion_window": 30,
    "unused_for": None,
    "on_replace": "refuse",
    "material": None,
    "imported": None,
    "min_versions": None,
    "versions": None,
}
INSTANCE: dict[str, Any] = {
    "type": "software",
    "spec": 1000,
    "key_quota": 1000,
    "hsm": None,
    "proxy": None,
    "tags": {},
    "deletion_protection": True,
}


def names(steps: tuple[Step, ...]) -> list[str]:
    return [name_of(step.operation) for step in steps]


@pytest.mark.parametrize(("kind", "attribute"), TABLE)
def test_every_attribute_has_a_doc_and_a_valid_schema(kind: str, attribute: Attribute) -> None:
    assert attribute.doc.endswith("."), kind
    jsonschema.Draft202012Validator.check_schema(attribute.schema)


@pytest.mark.parametrize(("kind", "attribute"), TABLE)
def test_an_attribute_that_changes_in_place_names_the_operations_that_change_it(
    kind: str, attribute: Attribute
) -> None:
    assert (attribute.mutability is Mutability.IN_PLACE) == bool(attribute.operations), kind
    assert set(attribute.operations) <= set(OPERATIONS)


def test_addresses_are_kind_and_name() -> None:
    assert (address("alias", "team/x"), kind_of(ORDERS), name_part(Address("alias.team/x"))) == (
        "alias.team/x",
        "key",
        "team/x",
    )
    assert is_retired(retired(ORDERS, 1))
    assert not is_retired(ORDERS)


def test_a_created_key_is_protected_after_it_exists() -> None:
    steps = key.create(ORDERS, ATTRIBUTES)
    assert names(steps) == ["CreateKey", "SetDeletionProtection"]
    assert steps[0].effect.attributes == {**ATTRIBUTES, "deletion_protection": False}
    assert steps[1].effect.attributes == {"deletion_protection": True}


def test_a_key_wanted_disabled_is_disabled_after_it_exists() -> None:
    steps = key.create(ORDERS, {**ATTRIBUTES, "enabled": False})
    assert names(steps) == ["CreateKey", "SetDeletionProtection", "DisableKey"]


def test_the_effects_of_a_creation_add_up_to_what_was_wanted() -> None:
    wanted = {**ATTRIBUTES, "enabled": False}
    recorded: dict[str, Any] = {}
    for step in key.create(ORDERS, wanted):
        recorded.update(step.effect.attributes)
    assert recorded == wanted


@pytest.mark.parametrize(
    ("change", "operations"),
    [
        ({"description": "x"}, ["UpdateKeyDescription"]),
        ({"rotation": None}, ["UpdateRotationPolicy"]),
        ({"policy": {"Version": "1", "Statement": []}}, ["SetKeyPolicy"]),
        ({"tags": {}}, ["UntagResources"]),
        ({"tags": {"team": "x"}}, ["TagResources"]),
        ({"tags": {"other": "x"}}, ["UntagResources", "TagResources"]),
        ({"deletion_protection": False}, ["SetDeletionProtection"]),
        ({"enabled": False, "description": "x"}, ["UpdateKeyDescription", "DisableKey"]),
        ({}, []),
    ],
)
def test_each_in_place_change_of_a_key_takes_its_own_operations(change: dict[str, Any], operations: list[str]) -> None:
    assert names(key.update("key-1", ATTRIBUTES, {**ATTRIBUTES, **change})) == operations


def test_a_key_is_enabled_before_its_rotation_is_changed() -> None:
    before = {**ATTRIBUTES, "enabled": False}
    after = {**ATTRIBUTES, "rotation": None}
    assert names(key.update("key-1", before, after)) == ["EnableKey", "UpdateRotationPolicy"]


def test_deleting_a_key_schedules_its_deletion_with_its_own_window() -> None:
    (step,) = key.delete("key-1", {**ATTRIBUTES, "deletion_window": 12})
    assert name_of(step.operation) == "ScheduleKeyDeletion"
    assert getattr(step.operation, "window_days", None) == 12
    assert step.effect.status is Status.PENDING_DELETION


def test_a_restored_key_that_should_be_disabled_is_disabled_again() -> None:
    wanted = {**ATTRIBUTES, "enabled": False}
    steps = key.restore("key-1", wanted, wanted)
    assert names(steps) == ["CancelKeyDeletion", "DisableKey"]
    assert steps[0].effect.status is Status.READY


@pytest.mark.parametrize(
    ("change", "operations"),
    [
        ({"spec": 2000, "key_quota": 5000}, ["ModifyInstance"]),
        ({"tags": {"a": "b"}}, ["TagResources"]),
        ({"deletion_protection": False}, ["SetDeletionProtection"]),
        ({}, []),
    ],
)
def test_each_in_place_change_of_an_instance_takes_its_own_operations(
    change: dict[str, Any], operations: list[str]
) -> None:
    assert names(instance.update("kst-1", INSTANCE, {**INSTANCE, **change})) == operations


def test_a_created_instance_is_protected_and_a_deleted_one_released() -> None:
    core = Address("instance.core")
    assert names(instance.create(core, INSTANCE)) == ["CreateInstance", "SetDeletionProtection"]
    assert names(instance.create(core, {**INSTANCE, "deletion_protection": False})) == ["CreateInstance"]
    (step,) = instance.delete("kst-1", INSTANCE)
    assert name_of(step.operation) == "ReleaseKmsInstance"
    assert step.effect.removes


def test_where_a_pin_is_found_is_no_attribute_of_the_instance() -> None:
    written = {"module": "/m.so", "token": "t", "pin": {"env": "PIN"}}
    canonical = KINDS["instance"].by_name["hsm"].canonical
    assert canonical is not None
    assert canonical(written) == {"module": "/m.so", "token": "t"}


def test_an_alias_moves_in_one_step() -> None:
    name = Address("alias.orders")
    (made,) = alias.create(name, {"key": "key.orders"})
    (moved,) = alias.update("alias/orders", {"key": "key.old"}, {"key": "key.orders"})
    (gone,) = alias.delete("alias/orders", {"key": "key.orders"})
    assert names((made, moved, gone)) == ["CreateAlias", "UpdateAlias", "DeleteAlias"]
    assert getattr(moved.operation, "key", None) == Reference("key.orders")
    assert gone.effect.removes


def test_objects_depend_on_what_they_point_at() -> None:
    assert dependencies(ORDERS, ATTRIBUTES) == ("instance.core",)
    assert dependencies(Address("alias.orders"), {"key": "key.orders"}) == ("key.orders",)
    assert dependencies(Address("instance.core"), INSTANCE) == ()


def test_a_service_key_is_only_tagged() -> None:
    kind = KINDS["service_key"]
    assert kind.create(Address("service_key.oss"), {"tags": {}}) == ()
    assert kind.delete("key-1", {"tags": {}}) == ()
    assert names(kind.update("key-1", {"tags": {}}, {"tags": {"a": "b"}})) == ["TagResources"]
