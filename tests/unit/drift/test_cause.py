from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.drift.cause import actions, causes
from kmsplan.drift.report import Cause
from kmsplan.kms.settling import OPERATIONS
from kmsplan.kms.trail import Event
from kmsplan.plan.plan import Drift, DriftedAttribute
from kmsplan.resource.attribute import Mutability
from kmsplan.resource.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


def drift(
    *names: str, kind: str = "changed", address: str = "key.orders", identity: str = "key-1", observed: Any = ()
) -> Drift:
    drifted = tuple(DriftedAttribute(name=name, recorded=0, observed=observed) for name in names)
    return Drift(address=address, identity=identity, kind=kind, attributes=drifted)


def event(action: str, *subjects: str, actor: str = "ada", second: int = 0) -> Event:
    return Event(
        action=action,
        subjects=frozenset(subjects),
        actor=actor,
        time=f"2026-01-01T00:00:{second:02}Z",
        request_id="r",
        source="10.0.0.1",
    )


class Trail:
    """Counts how far it was read."""

    def __init__(self, *newest_first: Event) -> None:
        self.events = newest_first
        self.asked: Collection[str] = ()
        self.read = 0

    def newest(self, wanted: Collection[str]) -> Iterator[Event]:
        self.asked = wanted
        for one in self.events:
            self.read += 1
            yield one


def actors(*drifted: Drift, trail: Trail) -> dict[int, str]:
    return {at: cause.actor for at, cause in causes(drifted, trail.newest).items()}


@pytest.mark.parametrize(
    ("found", "action"),
    [
        (drift("enabled"), "DisableKey"),
        (drift("enabled"), "EnableKey"),
        (drift("enabled", observed=False), "DisableKey"),
        (drift("enabled", observed=True), "EnableKey"),
        (drift("enabled", observed=True), "CancelKeyDeletion"),
        (drift("tags"), "TagResources"),
        (drift("tags"), "UntagResource"),
        (drift("owner"), "UntagResources"),
        (drift("rotation"), "UpdateRotationPolicy"),
        (drift("deletion_protection"), "SetDeletionProtection"),
        (drift("description"), "UpdateKeyDescription"),
        (drift("policy"), "SetKeyPolicy"),
        (drift("imported"), "DeleteKeyMaterial"),
        (drift("imported"), "ExpireKeyMaterial"),
        (drift("state", observed="Enabled"), "CancelKeyDeletion"),
        (drift("key_quota", address="instance.core", identity="kst-1"), "ModifyInstance"),
        (drift("key", address="alias.a", identity="alias/a"), "UpdateAlias"),
        (drift("key", address="alias.a", identity="alias/a"), "CreateAlias"),
        (drift(kind="vanished", address="alias.a", identity="alias/a"), "DeleteAlias"),
        (drift(kind="vanished"), "ScheduleKeyDeletion"),
        (drift(kind="vanished", address="instance.core", identity="kst-1"), "ReleaseKmsInstance"),
        (drift(kind="pending_deletion"), "ScheduleKeyDeletion"),
        (drift(kind="unmanaged", address="", identity="key-9"), "CreateKey"),
        (drift(kind="unmanaged", address="", identity="kst-9"), "CreateInstance"),
        (drift(kind="unmanaged", address="", identity="alias/x"), "CreateAlias"),
    ],
)
def test_the_call_that_explains_a_drift_is_found(found: Drift, action: str) -> None:
    trail = Trail(event("Encrypt", found.identity), event(action, "key-0"), event(action, found.identity))
    assert causes([found], trail.newest)[0] == Cause(
        actor="ada", time="2026-01-01T00:00:00Z", action=action, request_id="r", source="10.0.0.1"
    )


def test_every_attribute_that_can_drift_is_explained_by_something() -> None:
    changing = [
        (kind.name, attribute.name)
        for kind in KINDS.values()
        for attribute in kind.attributes
        if attribute.recorded and attribute.mutability is Mutability.IN_PLACE
    ]
    unexplained = [(kind, name) for kind, name in changing if not actions(drift(name, address=f"{kind}.x"))]
    assert unexplained == []


def test_actions_are_the_apis_own_or_the_engines() -> None:
    asked = {
        action
        for kind in KINDS.values()
        for attribute in kind.attributes
        for action in actions(drift(attribute.name, "state", "owner", address=f"{kind.name}.x"))
    }
    assert asked - {"ExpireKeyMaterial"} <= set(OPERATIONS)


def test_the_last_call_counts() -> None:
    trail = Trail(event("DisableKey", "key-1", actor="bob"), event("DisableKey", "key-1", actor="ada"))
    assert actors(drift("enabled"), trail=trail) == {0: "bob"}


def test_a_call_that_leads_elsewhere_explains_nothing() -> None:
    trail = Trail(event("EnableKey", "key-1", actor="kmsplan"), event("DisableKey", "key-1", actor="ada"))
    assert actors(drift("enabled", observed=False), trail=trail) == {0: "ada"}


def test_nobody_is_blamed_for_an_hsm_that_cannot_be_reached() -> None:
    trail = Trail(event("CancelKeyDeletion", "key-1"), event("DisableKey", "key-1"))
    assert actors(drift("state", observed="Unavailable"), trail=trail) == {}


def test_another_keys_call_and_another_attributes_call_explain_nothing() -> None:
    trail = Trail(event("DisableKey", "key-2"), event("UpdateKeyDescription", "key-1"))
    assert actors(drift("enabled"), trail=trail) == {}


def test_the_trail_is_read_no_further_than_to_the_last_explanation() -> None:
    trail = Trail(*(event("DisableKey", f"key-{number}") for number in range(1, 1000)))
    found = actors(drift("enabled"), drift("enabled", address="key.b", identity="key-3"), trail=trail)
    assert (found, trail.read) == ({0: "ada", 1: "ada"}, 3)


def test_the_trail_is_not_opened_where_nothing_can_be_explained() -> None:
    trail = Trail(event("DisableKey", "key-1"))
    assert actors(drift(kind="unreadable"), trail=trail) == {}
    assert trail.asked == ()


def test_two_parts_of_one_objects_drift_have_their_own_causes() -> None:
    trail = Trail(event("DisableKey", "key-1", actor="ada"), event("UntagResources", "key-1", actor="bob"))
    assert actors(drift("enabled"), drift("tags"), trail=trail) == {0: "ada", 1: "bob"}


def test_ten_thousand_keys_are_explained_in_one_reading() -> None:
    drifted = [drift("enabled", address=f"key.k{number}", identity=f"key-{number}") for number in range(10_000)]
    trail = Trail(*(event("DisableKey", one.identity) for one in drifted))
    found: dict[int, Any] = causes(drifted, trail.newest)
    assert (len(found), trail.read) == (10_000, 10_000)
