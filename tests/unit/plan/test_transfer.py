"""Records that go to another configuration: what forbids it, and what is done there."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.kms.naming import OWNER_TAG
from kmsplan.kms.wire import parameters
from kmsplan.plan.plan import Action
from kmsplan.plan.transfer import Transfer, plan_there, problems
from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect, Status
from kmsplan.resource.value import ABSENT, Observation, Observed, Present, Unreadable
from kmsplan.state.record import Pending, Record, Recorded

if TYPE_CHECKING:
    from collections.abc import Mapping

CORE, KEY, ALIAS = Address("instance.core"), Address("key.orders"), Address("alias.orders")
HERE, THERE = "a" * 32, "b" * 32


def record(address: Address, identity: str, **attributes: Any) -> Record:
    return Record(address=address, identity=identity, attributes=attributes)


RECORDS = {
    CORE: record(CORE, "kst-1", type="software"),
    KEY: record(KEY, "key-1", instance=CORE),
    ALIAS: record(ALIAS, "alias/orders", key=KEY),
}
OBJECTS: Mapping[str, Observation] = {
    "kst-1": Present(kind="instance", identity="kst-1", attributes={}, owner=f"{HERE}/instance.core/t"),
    "key-1": Present(kind="key", identity="key-1", attributes={}, owner=f"{HERE}/key.orders/t"),
    "alias/orders": Present(kind="alias", identity="alias/orders", attributes={}),
}
TRANSFER = Transfer(
    addresses=(ALIAS, CORE, KEY),
    source=Recorded(lineage=HERE, serial=3, environment="kms/1", records=RECORDS),
    target=Recorded(lineage=THERE, serial=0, environment=""),
    declared_here=(),
    declared_there=(CORE, KEY, ALIAS),
)


def told(transfer: Transfer = TRANSFER, *, environment: str = "kms/1", **objects: Observation) -> str:
    seen = {**OBJECTS, **{name.replace("_", "-"): found for name, found in objects.items()}}
    return "\n".join(problems(transfer, Observed(environment=environment, objects=seen)))


def there(**changes: Any) -> Transfer:
    return dataclasses.replace(TRANSFER, target=dataclasses.replace(TRANSFER.target, **changes))


PENDING = Pending(
    sequence=1,
    address=KEY,
    operation="DisableKey",
    parameters={},
    token=None,
    identity="key-1",
    effect=Effect(),
)


def test_nothing_forbids_what_is_declared_there_alone() -> None:
    assert told() == ""


@pytest.mark.parametrize(
    ("transfer", "words"),
    [
        (there(lineage=HERE), "both configurations have the same state"),
        (there(environment="kms/2"), "the two are of different KMSs: kms/1, and kms/2"),
        (there(pending=(PENDING,)), "left operations in doubt, DisableKey of key.orders among them"),
        (there(records={KEY: record(KEY, "key-2")}), "key.orders is recorded there already, as key-2"),
        (
            there(records={Address("key.other"): record(Address("key.other"), "key-1")}),
            "key-1 is recorded there already, as key.other",
        ),
        (dataclasses.replace(TRANSFER, declared_here=(KEY,)), "key.orders is still declared here"),
        (dataclasses.replace(TRANSFER, declared_there=(CORE, ALIAS)), "key.orders is not declared there"),
        (dataclasses.replace(TRANSFER, addresses=(KEY, ALIAS)), "key.orders points at instance.core, which stays here"),
    ],
)
def test_what_the_two_states_and_configurations_forbid(transfer: Transfer, words: str) -> None:
    assert words in told(transfer)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (ABSENT, "key.orders (key-1) could not be read, or is gone"),
        (Unreadable("Rejected.Unavailable", "the token is away"), "could not be read"),
        (
            Present(kind="key", identity="key-1", attributes={}, state="PendingDeletion"),
            "key.orders waits for its deletion",
        ),
        (
            Present(kind="key", identity="key-1", attributes={}, owner="cc/key.orders/t"),
            "key-1 carries the owner tag cc/key.orders/t, of a third configuration",
        ),
    ],
)
def test_what_the_object_itself_forbids(found: Observation, words: str) -> None:
    assert words in told(key_1=found)


def test_another_kms_is_refused() -> None:
    assert "different KMSs: kms/1, and kms/2" in told(environment="kms/2")


def test_a_predecessor_is_declared_nowhere_and_goes_along() -> None:
    old = Address("key.orders~1")
    retired = Record(address=old, identity="key-1", attributes={"instance": CORE}, status=Status.RETIRED)
    source = dataclasses.replace(TRANSFER.source, records={CORE: RECORDS[CORE], old: retired})
    transfer = dataclasses.replace(TRANSFER, addresses=(CORE, old), source=source)
    assert told(transfer) == ""
    (_, change) = plan_there(transfer, "digest").changes
    assert change.effect is not None
    assert change.effect.status is Status.RETIRED
    (mark,) = change.steps
    # As kmsplan tags predecessors: another one, of later, would else come back from the tags at the same address.
    assert parameters(mark.operation)["Tag"] == {OWNER_TAG: f"{THERE}/key.orders/moved"}


def test_every_object_is_recorded_there_and_gets_its_owner_tag() -> None:
    plan = plan_there(TRANSFER, "digest")
    assert (plan.lineage, plan.environment) == (THERE, "kms/1")
    assert {change.action for change in plan.changes} == {Action.ADOPT}
    found = {change.address: [parameters(step.operation) for step in change.steps] for change in plan.changes}
    assert found[ALIAS] == []
    assert [mark["Tag"] for mark in found[KEY]] == [{OWNER_TAG: f"{THERE}/key.orders/moved"}]
    assert [mark["ResourceType"] for mark in found[CORE]] == ["instance"]


def test_a_reference_becomes_what_the_object_is_called_there() -> None:
    base = Address("instance.base")
    transfer = dataclasses.replace(there(records={base: record(base, "kst-1")}), addresses=(ALIAS, KEY))
    assert told(transfer) == ""
    (alias, key) = plan_there(transfer, "digest").changes
    assert alias.effect is not None
    assert key.effect is not None
    assert (alias.effect.attributes["key"], key.effect.attributes["instance"]) == (KEY, base)
