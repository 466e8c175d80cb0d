from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from kmsplan.plan.digest import ABSENT_DIGEST, UNREADABLE_DIGEST, object_digest
from kmsplan.resource.value import ABSENT, Present, Unreadable

KEY = Present(
    kind="key",
    identity="key-1",
    attributes={"tags": {"a": "1", "b": "2"}, "enabled": True},
    owner="L/key.orders/t",
    computed={"last_used": "2026-01-01T00:00:00Z"},
)


def test_the_order_of_attributes_does_not_matter() -> None:
    assert object_digest(replace(KEY, attributes={"enabled": True, "tags": {"b": "2", "a": "1"}})) == object_digest(KEY)


def test_read_only_mappings_have_a_digest_too() -> None:
    frozen = MappingProxyType({"enabled": True, "tags": MappingProxyType({"a": "1", "b": "2"})})
    assert object_digest(replace(KEY, attributes=frozen)) == object_digest(KEY)


def test_using_a_key_does_not_move_its_digest() -> None:
    assert object_digest(replace(KEY, computed={"last_used": "2026-06-01T00:00:00Z"})) == object_digest(KEY)


@pytest.mark.parametrize(
    "moved",
    [
        replace(KEY, attributes={"tags": {"a": "1", "b": "3"}, "enabled": True}),
        replace(KEY, state="PendingDeletion"),
        replace(KEY, owner=None),
        replace(KEY, owner="M/key.orders/t"),
        replace(KEY, identity="key-2"),
    ],
)
def test_whatever_an_apply_relies_on_moves_the_digest(moved: Present) -> None:
    assert object_digest(moved) != object_digest(KEY)


def test_a_plan_made_from_the_state_alone_can_hold() -> None:
    """The state knows neither the owner tag's token nor an instance's status."""
    assert object_digest(replace(KEY, owner="L/key.orders/recorded")) == object_digest(KEY)
    instance = Present(kind="instance", identity="kst-1", attributes={}, state="Connected", owner="L/instance.core/t")
    assert object_digest(replace(instance, state="Enabled")) == object_digest(instance)


def test_what_one_kms_says_is_not_there_and_another_does_not_speak_of_is_the_same() -> None:
    spoken = replace(KEY, attributes={**KEY.attributes, "external_key": None})
    assert object_digest(spoken) == object_digest(KEY)
    assert object_digest(replace(KEY, attributes={**KEY.attributes, "external_key": "theirs"})) != object_digest(KEY)


def test_absent_and_unreadable_are_told_apart() -> None:
    assert object_digest(ABSENT) == ABSENT_DIGEST
    assert object_digest(Unreadable("x", "y")) == UNREADABLE_DIGEST
