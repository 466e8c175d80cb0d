from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kmsplan.inventory.item import Inventory, Item, Presence
from kmsplan.inventory.taking import take
from kmsplan.kms.quantum import QuantumClass
from kmsplan.resource.value import ABSENT, Present, Unreadable
from tests.keeping import NOW, configuration, observed, present, record, recorded

DAY = datetime(2026, 3, 1, tzinfo=UTC)


def taken(*keys: Present, every: bool = False, others: tuple[Present, ...] = (), **unread: Any) -> Inventory:
    records = [record(f"{one.kind}.{one.identity.partition('-')[2]}") for one in keys]
    records += [record(f"key.{name}") for name in unread]
    return take(configuration(), recorded(*records), observed(*keys, others=others, **unread), NOW, every=every)


def only(inventory: Inventory) -> Item:
    (item,) = inventory.items
    return item


def key(**said: Any) -> Item:
    return only(taken(present("key.a", **said)))


def test_a_key_is_what_its_kms_tells() -> None:
    item = key(told={"last_used": "2026-03-01T00:00:00Z"}, tags={"z": "1", "team": "payments", "data-lifetime": "10y"})
    assert (item.address, item.identity, item.instance, item.lineage) == ("key.a", "key-a", "instance.core", "L")
    assert (item.presence, item.state, item.protection) == (Presence.PRESENT, "Enabled", "software")
    assert (item.spec, item.size, item.versions, item.age_days) == ("Aliyun_AES_256", 256, 1, 151)
    assert (item.last_used, item.owner, item.data_lifetime) == (DAY, "payments", "10y")
    assert list(item.tags) == ["data-lifetime", "team", "z"]
    assert item.unknown == frozenset()


def test_the_tag_owner_comes_before_the_tag_team() -> None:
    assert key(tags={"team": "payments", "owner": "alice"}).owner == "alice"
    assert key(tags={"other": "x"}).owner is None


@pytest.mark.parametrize(
    ("told", "state", "unknown"),
    [
        ({"last_used": None, "tracked_since": None}, "Enabled", {"last_used", "tracked_since"}),
        ({"last_used": "2026-03-01T00:00:00Z", "tracked_since": None}, "Enabled", {"tracked_since"}),
        ({"creation_date": None, "version_count": None}, "Enabled", {"created", "age_days", "versions"}),
        ({"creation_date": "yesterday"}, "Enabled", {"created", "age_days"}),
        ({"last_rotation_date": None, "version_count": None}, "Enabled", {"last_rotation", "versions"}),
        (
            {"creation_date": None, "last_rotation_date": None, "version_count": None},
            "Enabled",
            {"created", "age_days", "last_rotation", "versions"},
        ),
        ({"delete_date": None}, "PendingDeletion", {"deletion"}),
        ({"arn": None, "primary_version": None}, "Enabled", {"arn", "primary_version"}),
    ],
)
def test_what_the_kms_does_not_tell_is_unknown(told: dict[str, Any], state: str, unknown: set[str]) -> None:
    assert key(told=told, state=state).unknown == unknown


def test_an_api_s_own_value_that_the_project_does_not_know_is_kept_and_its_facts_are_unknown() -> None:
    item = key(spec="ML_KEM_768")
    assert (item.spec, item.size, item.quantum, item.harvest) == ("ML_KEM_768", None, None, False)
    assert item.unknown == {"size", "quantum"}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"version_count": 1, "last_rotation_date": "2026-01-01T00:00:05Z"}, None),
        ({"version_count": 2, "last_rotation_date": "2026-03-01T00:00:00Z"}, DAY),
        ({"version_count": None, "last_rotation_date": "2026-03-01T00:00:00Z"}, DAY),
        ({"version_count": None, "last_rotation_date": "2026-01-01T00:00:00Z"}, None),
    ],
)
def test_the_first_version_is_no_rotation(told: dict[str, Any], expected: datetime | None) -> None:
    item = key(told=told)
    assert item.last_rotation == expected
    assert "last_rotation" not in item.unknown


@pytest.mark.parametrize(
    ("rotation", "state", "date", "expected", "known"),
    [
        (None, "Enabled", None, None, True),
        (86400, "Enabled", "2026-03-01T00:00:00Z", DAY, True),
        (86400, "Enabled", None, None, False),
        (86400, "Disabled", "2026-03-01T00:00:00Z", None, True),
    ],
)
def test_only_an_enabled_key_rotates_next(
    rotation: int | None, state: str, date: str | None, expected: datetime | None, *, known: bool
) -> None:
    item = key(rotation=rotation, state=state, told={"next_rotation_date": date})
    assert (item.rotation_seconds, item.next_rotation) == (rotation, expected)
    assert ("next_rotation" not in item.unknown) is known


@pytest.mark.parametrize(("imported", "expected"), [("never", None), ("absent", None), ("2026-03-01T00:00:00Z", DAY)])
def test_imported_material_expires_when_the_kms_says(imported: str, expected: datetime | None) -> None:
    assert key(origin="EXTERNAL", imported=imported).material_expires == expected


def test_a_key_that_stands_for_an_object_of_a_token_says_which() -> None:
    item = key(hsm_object="0a01", storage_mechanism="HsmInternal")
    assert (item.hsm_object, item.origin) == ("0a01", "Aliyun_KMS")
    assert "hsm_object" not in item.unknown
    assert key().hsm_object is None


def test_a_key_that_waits_for_its_material_has_no_version() -> None:
    told = {"primary_version": None, "version_count": None, "last_rotation_date": None}
    item = key(origin="EXTERNAL", imported="absent", state="PendingImport", told=told)
    assert (item.versions, item.primary_version, item.last_rotation) == (0, None, None)
    assert item.unknown == frozenset()


def test_what_could_not_be_read_is_what_was_recorded_and_its_facts_are_unknown() -> None:
    item = only(taken(a=Unreadable("Rejected.Unavailable", "no answer")))
    assert (item.presence, item.state, item.spec, item.protection) == (
        Presence.UNREADABLE, None, "Aliyun_AES_256", "software",
    )  # fmt: skip
    assert item.note == "Rejected.Unavailable: no answer"
    assert {"state", "created", "last_used", "next_rotation", "deletion"} <= item.unknown


def test_what_is_gone_is_listed_and_nothing_of_it_is_unknown() -> None:
    item = only(taken(a=ABSENT))
    assert (item.presence, item.state, item.unknown) == (Presence.ABSENT, None, frozenset())


def test_keys_that_are_not_managed_are_counted_and_listed_when_asked_for() -> None:
    others = (present("key.y"), present("key.x", owner="M/key.x/t"), present("instance.other", type="hardware"))
    assert (taken(others=others).items, taken(others=others).unmanaged) == ((), 2)
    listed = taken(others=others, every=True).items
    assert [(item.address, item.identity, item.managed, item.lineage) for item in listed] == [
        (None, "key-x", False, "M"),
        (None, "key-y", False, None),
    ]


def test_protection_is_the_instance_s_type_and_else_what_the_key_tells() -> None:
    there = (present("instance.other", type="hardware"),)
    assert only(taken(present("key.a", instance="kst-other"), others=there)).protection == "hardware"
    assert key(instance="kst-gone", told={"protection_level": "HSM"}).protection == "hardware"
    assert "protection" in key(instance="kst-gone", told={"protection_level": None}).unknown


def test_a_service_key_tells_its_spec_although_nobody_declares_it() -> None:
    told = {"spec": "Aliyun_AES_256", "usage": "ENCRYPT/DECRYPT", "origin": "Aliyun_KMS"}
    item = only(taken(present("service_key.oss", told=told)))
    assert (item.kind, item.spec, item.instance) == ("service_key", "Aliyun_AES_256", None)
    assert item.unknown == {"rotation_seconds", "next_rotation", "deletion_protection"}


def test_aliases_are_all_that_point_at_the_key_whoever_made_them() -> None:
    declared, foreign = present("alias.b", key="key-a"), present("alias.a", key="key-a")
    found = take(
        configuration(),
        recorded(record("key.a"), record("alias.b", key="key.a")),
        observed(present("key.a"), declared, others=(foreign,)),
        NOW,
    )
    assert only(found).aliases == ("alias/a", "alias/b")


def test_an_alias_that_could_not_be_read_makes_the_aliases_of_its_key_unknown() -> None:
    read = observed(present("key.a"))
    read = type(read)(environment="e", objects={**read.objects, "alias/b": Unreadable("x", "y")})
    found = take(configuration(), recorded(record("key.a"), record("alias.b", key="key.a")), read, NOW)
    assert only(found).unknown == {"aliases"}


def test_users_are_whom_the_declaration_names_and_without_one_whom_the_last_did() -> None:
    state, read = recorded(record("key.a", used_by=["old"])), observed(present("key.a"))
    assert only(take(configuration(), state, read, NOW)).used_by == ("old",)
    desired = configuration({"key.a": {"used_by": ["new, =1"]}})
    assert only(take(desired, state, read, NOW)).used_by == ("new, =1",)


def test_a_key_that_encrypts_and_is_broken_can_be_harvested() -> None:
    item = key(spec="RSA_2048")
    assert (item.quantum is not None and item.quantum.kind, item.vulnerable) == (QuantumClass.VULNERABLE, True)
    assert item.harvest
