from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kmsplan.config.configuration import Declared
from kmsplan.config.diagnostic import Span
from kmsplan.drift.drift import find_drift
from kmsplan.plan.diff import complete
from kmsplan.plan.plan import Drift, DriftedAttribute
from kmsplan.resource.address import Address, kind_of
from kmsplan.resource.kinds import KINDS
from kmsplan.resource.step import Effect, Status
from kmsplan.resource.value import ABSENT, Observation, Observed, Present, Unreadable
from kmsplan.state.record import Pending, Record, Recorded

CORE, ORDERS, ALIAS = Address("instance.core"), Address("key.orders"), Address("alias.orders")
SAID: dict[Address, dict[str, Any]] = {
    CORE: {"type": "software"},
    ORDERS: {
        "instance": "instance.core",
        "usage": "ENCRYPT/DECRYPT",
        "tags": {"a": "1", "b": "2"},
        "rotation": 7776000,
    },
    ALIAS: {"key": "key.orders"},
}
IDENTITIES = {CORE: "kst-1", ORDERS: "key-1", ALIAS: "alias/orders"}
RECORDS = {
    address: Record(address=address, identity=IDENTITIES[address], attributes=complete(KINDS[kind_of(address)], said))
    for address, said in SAID.items()
}


def present(address: Address, state: str = "Enabled", **changes: Any) -> Present:
    kind, record = KINDS[kind_of(address)], RECORDS[address]
    attributes = {name: record.attributes[name] for name in kind.compared} | changes
    for name in ("instance", "key"):
        if name in attributes:
            attributes[name] = IDENTITIES.get(attributes[name], attributes[name])
    owner = None if kind.name == "alias" else f"L/{address}/t"
    return Present(kind=kind.name, identity=record.identity, attributes=attributes, state=state, owner=owner)


def recorded(*pending: Pending, **status: Status) -> Recorded:
    records = {
        address: replace(record, status=status.get(record.identity.replace("-", "_"), Status.READY))
        for address, record in RECORDS.items()
    }
    return Recorded(lineage="L", serial=1, environment="e", records=records, pending=pending)


def observed(*others: Present, **changed: Observation) -> Observed:
    objects: dict[str, Observation] = {IDENTITIES[address]: present(address) for address in RECORDS}
    names = {"core": "kst-1", "orders": "key-1", "alias": "alias/orders"}
    return Observed(
        environment="e", objects=objects | {names[name]: seen for name, seen in changed.items()}, others=others
    )


def pending(address: Address, operation: str, effect: Effect, token: str | None = None, **said: Any) -> Pending:
    return Pending(
        sequence=1, address=address, operation=operation, parameters=said, token=token, identity=None, effect=effect
    )


def one(drift: tuple[Drift, ...]) -> Drift:
    (found,) = drift
    return found


def test_nothing_has_drifted_when_nothing_has() -> None:
    assert find_drift(recorded(), observed()) == ()


def test_another_order_or_form_is_no_drift() -> None:
    orders = present(ORDERS, tags={"b": "2", "a": "1"})
    assert find_drift(recorded(), observed(orders=orders)) == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("description", "mine"),
        ("enabled", False),
        ("rotation", None),
        ("tags", {"a": "1"}),
        ("policy", {"Version": "1"}),
        ("deletion_protection", False),
    ],
)
def test_every_attribute_of_a_key_is_compared(name: str, value: Any) -> None:
    found = one(find_drift(recorded(), observed(orders=present(ORDERS, **{name: value}))))
    assert (found.address, found.identity, found.kind) == ("key.orders", "key-1", "changed")
    before = RECORDS[ORDERS].attributes[name]
    assert found.attributes == (DriftedAttribute(name=name, recorded=before, observed=value),)


def test_what_is_declared_stands_beside_what_drifted() -> None:
    declared = Declared(address=ORDERS, attributes={"enabled": True}, span=Span("f", 1, 1, 1, 1))
    found = one(find_drift(recorded(), observed(orders=present(ORDERS, enabled=False)), {ORDERS: declared}))
    assert found.attributes == (DriftedAttribute(name="enabled", recorded=True, observed=False, desired=True),)


def test_an_alias_that_points_elsewhere_has_changed() -> None:
    found = one(find_drift(recorded(), observed(alias=present(ALIAS, key="key-9"))))
    assert found.attributes == (DriftedAttribute(name="key", recorded="key.orders", observed="key-9"),)


def test_an_attribute_that_was_not_read_has_not_drifted() -> None:
    seen = present(ORDERS)
    unread = {name: value for name, value in seen.attributes.items() if name != "tags"}
    assert find_drift(recorded(), observed(orders=replace(seen, attributes=unread))) == ()


def test_a_vanished_object_is_not_an_unreadable_one() -> None:
    assert one(find_drift(recorded(), observed(alias=ABSENT))).kind == "vanished"
    found = one(find_drift(recorded(), observed(orders=Unreadable("Rejected.Unavailable", "the token is gone"))))
    assert (found.kind, found.detail) == ("unreadable", "the token is gone (Rejected.Unavailable)")


def test_a_record_that_nobody_read_is_unreadable() -> None:
    seen = observed()
    objects = {identity: found for identity, found in seen.objects.items() if identity != "key-1"}
    assert one(find_drift(recorded(), replace(seen, objects=objects))).kind == "unreadable"


def test_a_deletion_that_somebody_else_scheduled_is_reported_with_its_date() -> None:
    seen = replace(present(ORDERS, "PendingDeletion"), computed={"delete_date": "2026-07-01T00:00:00Z"})
    found = one(find_drift(recorded(), observed(orders=seen)))
    assert (found.kind, found.attributes) == ("pending_deletion", ())
    assert "2026-07-01" in found.detail


def test_a_deletion_of_our_own_is_no_drift_before_and_after_it_ends() -> None:
    ours = recorded(key_1=Status.PENDING_DELETION)
    assert find_drift(ours, observed(orders=present(ORDERS, "PendingDeletion"))) == ()
    assert find_drift(ours, observed(orders=ABSENT)) == ()


def test_a_deletion_of_our_own_that_somebody_cancelled_is_drift() -> None:
    found = one(find_drift(recorded(key_1=Status.PENDING_DELETION), observed(orders=present(ORDERS))))
    assert found.attributes == (DriftedAttribute(name="state", recorded="PendingDeletion", observed="Enabled"),)


def test_a_key_without_its_hsm_shows_as_a_changed_state() -> None:
    found = one(find_drift(recorded(), observed(orders=present(ORDERS, "Unavailable"))))
    assert (found.kind, found.attributes) == (
        "changed",
        (DriftedAttribute(name="state", recorded="Enabled", observed="Unavailable"),),
    )


@pytest.mark.parametrize("owner", [None, "M/key.orders/t", "nonsense"])
def test_a_changed_owner_tag_is_drift(owner: str | None) -> None:
    found = one(find_drift(recorded(), observed(orders=replace(present(ORDERS), owner=owner))))
    assert found.attributes == (DriftedAttribute(name="owner", recorded="L/key.orders", observed=owner),)


def test_an_owner_tag_with_the_address_from_before_a_move_is_no_drift() -> None:
    assert find_drift(recorded(), observed(orders=replace(present(ORDERS), owner="L/key.old/t"))) == ()


def test_retired_keys_are_compared_too() -> None:
    found = one(
        find_drift(
            recorded(key_1=Status.RETIRED),
            observed(orders=present(ORDERS, tags={})),
        )
    )
    assert [attribute.name for attribute in found.attributes] == ["tags"]


def test_an_alias_that_an_unfinished_succession_has_not_moved_is_no_drift() -> None:
    old = Address("key.orders~1")
    for enabled, expected in ((True, 0), (False, 1)):
        attributes = {**RECORDS[ORDERS].attributes, "enabled": enabled}
        record = Record(address=old, identity="key-0", attributes=attributes, status=Status.RETIRED)
        state = recorded()
        state = replace(state, records={**state.records, old: record})
        seen = observed(alias=present(ALIAS, key="key-0"))
        retired = replace(present(ORDERS, enabled=enabled), identity="key-0")
        seen = replace(seen, objects={**seen.objects, "key-0": retired})
        assert len(find_drift(state, seen)) == expected


def test_what_an_interrupted_operation_may_have_done_is_no_drift() -> None:
    disabling = pending(ORDERS, "DisableKey", Effect(attributes={"enabled": False}))
    seen = observed(orders=present(ORDERS, enabled=False))
    assert find_drift(recorded(disabling), seen) == ()
    assert find_drift(recorded(disabling), observed()) == ()
    changed = one(find_drift(recorded(disabling), observed(orders=present(ORDERS, enabled=False, description="x"))))
    assert [attribute.name for attribute in changed.attributes] == ["description"]


def test_interrupted_deletions_and_restorations_are_no_drift() -> None:
    scheduling = pending(ORDERS, "ScheduleKeyDeletion", Effect(status=Status.PENDING_DELETION))
    assert find_drift(recorded(scheduling), observed(orders=present(ORDERS, "PendingDeletion"))) == ()
    cancelling = pending(ORDERS, "CancelKeyDeletion", Effect(attributes={"enabled": True}, status=Status.READY))
    assert find_drift(recorded(cancelling, key_1=Status.PENDING_DELETION), observed()) == ()
    deleting = pending(ALIAS, "DeleteAlias", Effect(removes=True))
    assert find_drift(recorded(deleting), observed(alias=ABSENT)) == ()


def test_drift_is_sorted() -> None:
    found = find_drift(recorded(), observed(orders=present(ORDERS, enabled=False), alias=ABSENT, core=ABSENT))
    assert [drift.address for drift in found] == ["alias.orders", "instance.core", "key.orders"]


def test_a_key_that_is_destroyed_in_stages_drifts_only_where_somebody_else_changed_it() -> None:
    assert find_drift(recorded(), observed(), None, {ORDERS}) == ()
    found = one(find_drift(recorded(), observed(orders=present(ORDERS, enabled=False)), None, {ORDERS}))
    assert found.detail == "it is being destroyed in stages; kmsplan plan shows the next"
