"""What became of an interrupted operation."""

from __future__ import annotations

from typing import Any

import pytest

from kmsplan.apply.settle import Found, Settled, fold_settled, observe_settled, settle, wanted
from kmsplan.kms.naming import Owner
from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect, Status
from kmsplan.resource.value import ABSENT, Observation, Observed, Present, Unreadable
from kmsplan.state.record import Pending, Record, Recorded

KEY = Address("key.orders")
READY = {"enabled": True, "rotation": 90, "tags": {}, "instance": "kst-1"}


def present(identity: str = "key-1", *, owner: str | None = None, state: str = "Enabled", **attributes: Any) -> Present:
    return Present(kind="key", identity=identity, attributes=READY | attributes, owner=owner, state=state)


def pending(operation: str, effect: Effect, **fields: Any) -> Pending:
    defaults: dict[str, Any] = {"sequence": 5, "address": KEY, "parameters": {}, "token": None, "identity": "key-1"}
    return Pending(operation=operation, effect=effect, **(defaults | fields))


def creation() -> Pending:
    return pending("CreateKey", Effect(attributes=READY), token="t1", identity=None)


def recorded(*operations: Pending, records: tuple[Record, ...] = ()) -> Recorded:
    return Recorded(
        lineage="l",
        serial=3,
        environment="fake/1",
        records={record.address: record for record in records},
        pending=operations,
    )


def observed(*others: Present, **objects: Observation) -> Observed:
    found = {name.replace("_", "-"): observation for name, observation in objects.items()}
    return Observed(environment="fake/1", objects=found, others=others)


def settle_only(operation: Pending, seen: Observed, *records: Record) -> Settled:
    (settled,) = settle(recorded(operation, records=records), seen)
    return settled


def tag(**other: str) -> str:
    return str(Owner(**({"lineage": "l", "address": KEY, "token": "t1"} | other)))


def test_a_creation_whose_token_is_nowhere_was_not_done() -> None:
    assert settle_only(creation(), observed()).found is Found.NOT_DONE


@pytest.mark.parametrize(
    "other",
    [tag(token="t2"), tag(lineage="m"), tag(address="key.other"), None, "handmade"],
    ids=["token", "lineage", "address", "none", "form"],
)
def test_another_owner_tag_is_no_answer(other: str | None) -> None:
    assert settle_only(creation(), observed(present(owner=other))).found is Found.NOT_DONE


def test_a_creation_whose_token_is_on_one_object_was_done_and_made_it() -> None:
    settled = settle_only(creation(), observed(present("key-0", owner=tag(token="t0")), present(owner=tag())))
    assert (settled.found, settled.identity) == (Found.DONE, "key-1")


def test_the_token_is_found_on_recorded_objects_too() -> None:
    settled = settle_only(creation(), observed(key_1=present(owner=tag())))
    assert (settled.found, settled.identity) == (Found.DONE, "key-1")


def test_a_token_on_two_objects_is_in_doubt_shows_both_and_blocks() -> None:
    settled = settle_only(creation(), observed(present("key-1", owner=tag()), present("key-2", owner=tag())))
    assert (settled.found, settled.identity, settled.blocks) == (Found.IN_DOUBT, None, True)
    assert "key-1, key-2" in settled.note


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        (present(rotation=30), Found.DONE),
        (present(), Found.NOT_DONE),
        (ABSENT, Found.NOT_DONE),
        (Unreadable("Rejected.Unavailable", "no answer"), Found.IN_DOUBT),
    ],
    ids=["new", "old", "absent", "unreadable"],
)
def test_an_update_was_done_if_every_attribute_has_its_new_value(seen: Observation, found: Found) -> None:
    operation = pending("UpdateRotationPolicy", Effect(attributes={"rotation": 30}))
    assert settle_only(operation, observed(key_1=seen)).found is found


def test_settings_that_no_kms_holds_are_not_compared() -> None:
    operation = pending("UpdateRotationPolicy", Effect(attributes={"rotation": 30, "deletion_window": 7}))
    assert settle_only(operation, observed(key_1=present(rotation=30))).found is Found.DONE


def test_what_is_in_doubt_by_reading_says_why_and_does_not_block_the_rest() -> None:
    operation = pending("DisableKey", Effect(attributes={"enabled": False}))
    settled = settle_only(operation, observed(key_1=Unreadable("Rejected.Unavailable", "no answer")))
    assert not settled.blocks
    assert "no answer (Rejected.Unavailable)" in settled.note


def test_an_object_that_was_not_asked_for_is_in_doubt_and_not_absent() -> None:
    operation = pending("DisableKey", Effect(attributes={"enabled": False}))
    assert settle_only(operation, observed()).found is Found.IN_DOUBT


def test_an_object_among_the_others_counts() -> None:
    operation = pending("DisableKey", Effect(attributes={"enabled": False}))
    assert settle_only(operation, observed(present(enabled=False))).found is Found.DONE


@pytest.mark.parametrize(
    ("state", "found"), [("PendingDeletion", Found.DONE), ("Enabled", Found.NOT_DONE), ("Disabled", Found.NOT_DONE)]
)
def test_a_scheduled_deletion_is_read_from_the_state(state: str, found: Found) -> None:
    operation = pending("ScheduleKeyDeletion", Effect(status=Status.PENDING_DELETION))
    assert settle_only(operation, observed(key_1=present(state=state))).found is found


def test_a_scheduled_deletion_of_what_is_gone_was_done() -> None:
    operation = pending("ScheduleKeyDeletion", Effect(status=Status.PENDING_DELETION))
    assert settle_only(operation, observed(key_1=ABSENT)).found is Found.DONE


@pytest.mark.parametrize(("state", "found"), [("PendingDeletion", Found.NOT_DONE), ("Enabled", Found.DONE)])
def test_a_cancelled_deletion_is_read_from_the_state(state: str, found: Found) -> None:
    operation = pending("CancelKeyDeletion", Effect(attributes={"enabled": True}, status=Status.READY))
    assert settle_only(operation, observed(key_1=present(state=state))).found is found


@pytest.mark.parametrize(("seen", "found"), [(ABSENT, Found.DONE), (present(), Found.NOT_DONE)])
def test_a_removal_was_done_if_the_object_is_gone(seen: Observation, found: Found) -> None:
    assert settle_only(pending("DeleteAlias", Effect(removes=True)), observed(key_1=seen)).found is found


@pytest.mark.parametrize(("key", "found"), [("key-1", Found.DONE), ("key-2", Found.NOT_DONE)])
def test_references_are_compared_as_addresses(key: str, found: Found) -> None:
    alias = Present(kind="alias", identity="alias/orders", attributes={"key": key})
    operation = pending(
        "CreateAlias", Effect(attributes={"key": KEY}), address=Address("alias.orders"), identity="alias/orders"
    )
    record = Record(address=KEY, identity="key-1", attributes={})
    settled = settle_only(operation, observed(alias), record)
    assert settled.found is found


def test_what_to_read_are_records_and_objects_of_pending_operations() -> None:
    records = (Record(address=KEY, identity="key-1", attributes={}),)
    operations = (creation(), pending("DisableKey", Effect()), pending("CreateAlias", Effect(), identity="alias/a"))
    assert wanted(recorded(*operations, records=records)) == ("key-1", "alias/a")


def test_settled_operations_become_part_of_the_records_and_others_stay_pending() -> None:
    base = recorded(
        creation(),
        pending("DisableKey", Effect(), sequence=6, identity="key-9"),
        pending("CreateKey", Effect(), sequence=7, token="t9", identity=None),
    )
    seen = observed(present(owner=tag()), key_9=Unreadable("x", "y"))
    known = fold_settled(base, settle(base, seen))
    assert known.records[KEY].identity == "key-1"
    assert [operation.sequence for operation in known.pending] == [6]
    assert known.serial == base.serial


def test_what_an_interrupted_creation_made_is_read_like_every_recorded_object() -> None:
    made, foreign = present(owner=tag()), present("key-2")
    seen = observed(made, foreign, key_0=ABSENT)
    reread = observe_settled(seen, settle(recorded(creation()), seen))
    assert reread == observed(foreign, key_0=ABSENT, key_1=made)


def test_a_reading_without_news_stays_as_it_is() -> None:
    seen = observed(present("key-2"), key_1=present())
    assert observe_settled(seen, settle(recorded(creation()), seen)) is seen
