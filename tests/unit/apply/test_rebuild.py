"""A state from owner tags alone."""

from __future__ import annotations

from typing import Any

import pytest

from kmsplan.apply.rebuild import lineages, rebuild
from kmsplan.kms.naming import Owner
from kmsplan.resource.step import Status
from kmsplan.resource.value import Present

MINE, OTHER = "a" * 32, "b" * 32
ORDERS = {
    "instance": "kst-1",
    "spec": "Aliyun_AES_256",
    "usage": "ENCRYPT/DECRYPT",
    "origin": "Aliyun_KMS",
    "enabled": True,
}


def key(
    identity: str, place: str = "key.orders", *, lineage: str = MINE, state: str = "Enabled", made: str = ""
) -> Present:
    return Present(
        kind="key",
        identity=identity,
        state=state,
        owner=str(Owner(lineage, place, "t")),
        attributes=ORDERS,
        computed={"creation_date": made},
    )


def instance() -> Present:
    owner = str(Owner(MINE, "instance.core", "t"))
    return Present(kind="instance", identity="kst-1", owner=owner, attributes={"type": "software"})


def alias(name: str, target: str) -> Present:
    return Present(kind="alias", identity=f"alias/{name}", attributes={"key": target})


def places(*presents: Present) -> dict[str, tuple[str, Status]]:
    return {str(record.address): (record.identity, record.status) for record in rebuild(MINE, presents)}


def test_owned_objects_and_the_aliases_of_owned_keys_come_back() -> None:
    records = rebuild(MINE, (key("key-1"), instance(), alias("orders", "key-1")))
    assert [record.address for record in records] == ["alias.orders", "instance.core", "key.orders"]
    found: dict[str, Any] = {record.address: record.attributes for record in records}
    assert found["alias.orders"]["key"] == "key.orders"
    assert found["key.orders"]["instance"] == "instance.core"
    assert found["key.orders"]["deletion_window"] == 30


def test_what_others_own_and_aliases_of_their_keys_do_not() -> None:
    assert places(key("key-1", lineage=OTHER), alias("theirs", "key-1"), alias("loose", "key-9")) == {}


def test_an_owner_tag_on_another_kind_of_object_means_nothing() -> None:
    assert places(key("key-1", "instance.core")) == {}


def test_the_youngest_key_that_stays_is_the_one_and_others_are_its_predecessors() -> None:
    found = places(key("key-1", made="2026-01-01"), key("key-2", made="2026-02-01"), key("key-3", made="2026-01-15"))
    assert {place: identity for place, (identity, _) in found.items()} == {
        "key.orders": "key-2",
        "key.orders~1": "key-1",
        "key.orders~2": "key-3",
    }


def test_a_tag_that_names_a_predecessors_address_never_makes_it_the_current_key() -> None:
    older, former = key("key-1", made="2026-01-01"), key("key-2", "key.orders~1", made="2026-02-01")
    assert places(older, former) == {
        "key.orders": ("key-1", Status.READY),
        "key.orders~1": ("key-2", Status.RETIRED),
    }
    assert places(former) == {"key.orders~1": ("key-2", Status.RETIRED)}


def test_a_key_that_is_to_be_deleted_gives_way_to_an_older_one_that_is_not() -> None:
    going = key("key-2", state="PendingDeletion", made="2026-02-01")
    assert places(key("key-1", made="2026-01-01"), going)["key.orders"] == ("key-1", Status.READY)
    assert places(going) == {"key.orders": ("key-2", Status.PENDING_DELETION)}


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_made_in_one_second_the_one_with_the_aliases_is_the_successor(order: int) -> None:
    twins = [key("key-1", made="2026-01-01"), key("key-2", made="2026-01-01"), alias("orders", "key-1")]
    assert places(*twins[::order])["key.orders"][0] == "key-1"


def test_lineages_are_counted_and_foreign_tags_left_out() -> None:
    handmade = Present(kind="key", identity="key-9", attributes=ORDERS, owner="handmade")
    assert lineages((key("key-1"), key("key-2"), key("key-3", lineage=OTHER), handmade)) == {MINE: 2, OTHER: 1}
