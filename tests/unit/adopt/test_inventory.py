"""What is declared of what a KMS holds, and why the rest is not."""

from __future__ import annotations

from typing import Any

import pytest

from kmsplan.adopt.inventory import Inventory, Wanted, take
from kmsplan.adopt.written import ACCESS_KEY_ID, Secrets
from kmsplan.config.configuration import AccessKeyReference, SecretReference
from kmsplan.config.diagnostic import Span
from kmsplan.resource.value import Observed, Present, Unreadable

SPAN = Span("kmsplan.yaml", 1, 1, 1, 1)
LINEAGE = "9a9a"
HSM = {"module": "/usr/lib/hsm.so", "token": "kmsplan"}
PROXY = {"url": "https://xks.example.com", "path": "/kms/xks/v1"}


def instance(identity: str = "kst-1", **of: Any) -> Present:
    attributes = {"type": "software", "spec": 1000, "key_quota": 1000, "tags": {}, "deletion_protection": True}
    return Present(kind="instance", identity=identity, owner=of.pop("owner", None), attributes={**attributes, **of})


def key(identity: str = "key-1", *, kind: str = "key", attributes: dict[str, Any] | None = None, **of: Any) -> Present:
    usual = {
        "instance": "kst-1",
        "spec": "Aliyun_AES_256",
        "usage": "ENCRYPT/DECRYPT",
        "origin": "Aliyun_KMS",
        "description": "",
        "enabled": True,
        "rotation": None,
        "tags": {},
        "deletion_protection": False,
    }
    return Present(kind=kind, identity=identity, attributes={**usual, **(attributes or {})}, **of)


def alias(name: str, target: str = "key-1") -> Present:
    return Present(kind="alias", identity=f"alias/{name}", attributes={"key": target})


def taken(*presents: Present, unread: dict[str, str] | None = None, **wanted: Any) -> Inventory:
    objects = {name: Unreadable("Rejected.Unavailable", message) for name, message in (unread or {}).items()}
    return take(Observed(environment="kms/1", objects=objects, others=presents), Wanted(**wanted))


def left_out(inventory: Inventory) -> dict[str, str]:
    return {one.identity: one.reason for one in inventory.left_out}


def written(inventory: Inventory) -> dict[str, Any]:
    return {str(one.address): one.written for one in inventory.objects}


def test_what_is_the_case_anyway_is_not_written() -> None:
    found = taken(instance(), key(attributes={"imported": None, "versions": 3}))
    assert written(found) == {
        "instance.software": {"type": "software", "spec": 1000, "deletion_protection": True},
        "key.key-1": {
            "instance": "software",
            "spec": "Aliyun_AES_256",
            "usage": "ENCRYPT/DECRYPT",
            "deletion_protection": False,
        },
    }
    assert found.left_out == ()


def test_what_somebody_has_chosen_is_written_as_a_user_would() -> None:
    chosen = {
        "description": "${orders}",
        "enabled": False,
        "rotation": 7_776_000,
        "tags": {"team": "payments"},
        "policy": {"Version": "1", "Statement": ["${x}"]},
        "origin": "EXTERNAL",
        "imported": "never",
    }
    (_, found) = taken(instance(), key(attributes=chosen), alias("b"), alias("a/b")).objects
    assert found.address == "key.a-b"
    assert found.written == {
        "instance": "software",
        "spec": "Aliyun_AES_256",
        "usage": "ENCRYPT/DECRYPT",
        "origin": "EXTERNAL",
        "description": "$${orders}",
        "enabled": False,
        "rotation": "90d",
        "tags": {"team": "payments"},
        "policy": {"Version": "1", "Statement": ["$${x}"]},
        "deletion_protection": False,
        "aliases": ["a/b", "b"],
    }


def test_a_key_is_called_after_its_alias_else_its_description_else_its_id() -> None:
    presents = [key(f"key-{number}", attributes={"description": "For orders"}) for number in (1, 2, 3)]
    found = taken(instance(), *presents, key("key-4"), alias("named", "key-2"))
    assert set(written(found)) == {"instance.software", "key.For-orders", "key.For-orders-2", "key.named", "key.key-4"}


@pytest.mark.parametrize(
    ("present", "words"),
    [
        (key(state="PendingDeletion", computed={"delete_date": "2026-01-08T00:00:00Z"}), "scheduled for 2026-01-08"),
        (key(state="PendingDeletion"), "its deletion is scheduled, and"),
        (key(state="Unavailable"), "it is Unavailable"),
        (key(migrated=True), "migrated from KMS 1.0"),
        (key(owner=f"{LINEAGE}/key.theirs/t"), f"lineage {LINEAGE} owns it, as key.theirs"),
        (key(attributes={"instance": None}), "it is in no instance"),
        (key(attributes={"instance": "kst-9"}), "its instance kst-9 is left out"),
        (key(attributes={"description": "a\0b"}), "the character NUL"),
        (key(kind="service_key"), "no alias tells which service's key it is"),
    ],
)
def test_what_cannot_or_should_not_be_declared_is_left_out_with_its_aliases(present: Present, words: str) -> None:
    found = left_out(taken(instance(), present, alias("orders")))
    assert words in found["key-1"]
    assert found["alias/orders"] == "it points at key-1, which is left out"


def test_with_an_instance_goes_everything_in_it() -> None:
    found = taken(instance(owner=f"{LINEAGE}/instance.core/t"), key(), alias("orders"))
    assert found.objects == ()
    assert set(left_out(found)) == {"kst-1", "key-1", "alias/orders"}


def test_what_could_not_be_read_is_left_out() -> None:
    found = taken(instance(), alias("orders"), unread={"key-1": "the token is away"})
    assert left_out(found)["key-1"] == "it could not be read: the token is away"
    assert "alias/orders" in left_out(found)


def test_what_was_refused_before_is_left_out() -> None:
    assert left_out(taken(instance(), key(), refused={"key-1": "K416"})) == {"key-1": "K416"}


@pytest.mark.parametrize("name", ["alias/twice", "with space", ""])
def test_an_alias_that_no_configuration_can_declare_is_left_out(name: str) -> None:
    found = taken(instance(), key(), alias(name))
    assert left_out(found) == {f"alias/{name}": "no configuration can declare an alias of this name"}


def test_an_alias_that_points_at_an_alias_is_left_out_and_named() -> None:
    inventory = taken(alias("a", "alias/a"), alias("b", "alias/a"))
    assert left_out(inventory) == dict.fromkeys(("alias/a", "alias/b"), "it points at alias/a, which is no key")


def test_what_another_configuration_gives_up_keeps_its_name() -> None:
    owned = (instance(owner=f"{LINEAGE}/instance.core/t"), key(owner=f"{LINEAGE}/key.orders~1/t"))
    found = taken(*owned, alias("other"), lineages=[LINEAGE])
    assert {str(one.address): one.owner for one in found.objects} == {"instance.core": LINEAGE, "key.orders-1": LINEAGE}


def test_keys_without_an_instance_have_their_own_addresses() -> None:
    default = key("key-2", kind="default_key", attributes={"instance": None})
    found = taken(default, key("key-3", kind="service_key"), alias("acs/oss", "key-3"), alias("disks", "key-2"))
    assert set(written(found)) == {"default_key.default", "service_key.oss"}
    assert written(found)["default_key.default"]["aliases"] == ["disks"]
    assert found.left_out == ()


def test_a_type_that_the_kms_does_not_tell_is_what_its_keys_show() -> None:
    untold = Present(kind="instance", identity="kst-1", attributes={"spec": 1000, "key_quota": 1000, "tags": {}})
    assert written(taken(untold))["instance.instance"]["type"] == "software"
    hard = taken(untold, key(computed={"protection_level": "HSM"}))
    assert written(hard)["instance.instance"]["type"] == "hardware"


def test_where_a_secret_is_found_is_taken_over_from_a_configuration_that_knows() -> None:
    pin = SecretReference("env", "HSM_PIN", SPAN)
    access_key = AccessKeyReference("AKIDEXAMPLE234567", SecretReference("exec", "pass", SPAN, ("pass", "${show}")))
    secrets = Secrets(
        pins={(HSM["module"], HSM["token"]): pin}, access_keys={(PROXY["url"], PROXY["path"]): access_key}
    )
    presents = (instance("kst-1", type="hardware", hsm=HSM), instance("kst-2", type="external", proxy=PROXY))
    found = taken(*presents, secrets=secrets)
    assert written(found)["instance.hardware"]["hsm"] == {**HSM, "pin": {"env": "HSM_PIN"}}
    assert written(found)["instance.external"]["proxy"] == {
        **PROXY,
        "access_key": {"id": "AKIDEXAMPLE234567", "secret": {"exec": ["pass", "$${show}"]}},
    }
    assert found.todo == ()


def test_where_nobody_knows_a_place_to_fill_in_is_left_and_said() -> None:
    presents = (instance("kst-1", type="hardware", hsm=HSM), instance("kst-2", type="external", proxy=PROXY))
    found = taken(*presents)
    assert written(found)["instance.hardware"]["hsm"]["pin"] == {"env": "KMSPLAN_HARDWARE_PIN"}
    access_key = written(found)["instance.external"]["proxy"]["access_key"]
    assert access_key == {"id": ACCESS_KEY_ID, "secret": {"env": "KMSPLAN_EXTERNAL_SECRET"}}
    assert [line.partition(":")[0] for line in found.todo] == [
        "instances.external.proxy.access_key",
        "instances.hardware.hsm.pin",
    ]


def test_how_an_hsm_is_reached_is_not_written_for_a_kms_that_knows_it() -> None:
    found = taken(instance(type="hardware", hsm=HSM), tells_hsm=False)
    assert "hsm" not in written(found)["instance.hardware"]
    assert found.todo == ()
