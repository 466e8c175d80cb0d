"""Which deletions an interrupted run was allowed, and when a plan is what is left of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kmsplan.plan.continuing import allowed, announced, deleted
from kmsplan.plan.plan import Action, Change, Plan, Reason
from kmsplan.resource.address import Address
from kmsplan.resource.step import Status
from kmsplan.state.record import Record, Recorded

A, B, C = (Address(f"key.{name}") for name in "abc")


def going(*addresses: Address) -> tuple[Change, ...]:
    return tuple(Change(address=one, action=Action.DELETE, reason=Reason.NOT_IN_CONFIGURATION) for one in addresses)


def plan(*addresses: Address, **facts: Any) -> Plan:
    said: dict[str, Any] = {"lineage": "l", "serial": 1, "environment": "e", "config_digest": "c", **facts}
    return Plan(changes=going(*addresses), **said)


def state(*, pending: tuple[Address, ...] = (), live: tuple[Address, ...] = (), cut: Plan | None = None) -> Recorded:
    """Return a state after a run that was cut off while it carried `cut` out."""
    records = {
        address: Record(address=address, identity=f"id-{address}", attributes={}, status=status)
        for addresses, status in ((pending, Status.PENDING_DELETION), (live, Status.READY))
        for address in addresses
    }
    found = Recorded(lineage="l", serial=2, environment="e", records=records)
    return found if cut is None else replace(found, unfinished=announced(cut, replace(found, unfinished=None)))


def test_what_is_left_of_an_interrupted_run_has_its_allowance() -> None:
    assert allowed(plan(B, C), state(pending=(A,), live=(B, C), cut=plan(A, B, C))) == 3
    assert allowed(plan(A, B, C), state(live=(A, B, C), cut=plan(A, B, C))) == 3
    assert allowed(plan(), state(pending=(A, B, C), cut=plan(A, B, C))) == 3


def test_what_is_gone_altogether_was_done() -> None:
    assert allowed(plan(B), state(live=(B,), cut=plan(Address("instance.core"), B))) == 2


def test_a_deletion_that_the_run_was_not_allowed_has_none_of_it() -> None:
    assert allowed(plan(B, C), state(pending=(A,), live=(B, C), cut=plan(A, B))) == 0


def test_one_that_is_neither_planned_nor_done_shows_that_something_else_changed() -> None:
    """Somebody has protected it, say: fewer are left, and not because they were done."""
    assert allowed(plan(C), state(pending=(A,), live=(B, C), cut=plan(A, B, C))) == 0


@pytest.mark.parametrize(
    "other", [{"config_digest": "d"}, {"destroy": True}, {"targets": ("key.*",)}, {"excludes": (A,)}]
)
def test_another_configuration_or_selection_is_another_command(other: dict[str, Any]) -> None:
    assert allowed(plan(B, **other), state(pending=(A,), live=(B,), cut=plan(A, B))) == 0


def test_without_an_interrupted_run_nothing_is_allowed_beforehand() -> None:
    assert allowed(plan(A), state(live=(A,))) == 0


def test_the_run_that_finishes_announces_what_the_interrupted_one_had() -> None:
    """So it may be interrupted in its turn, and the third one has the same allowance."""
    before = state(pending=(A,), live=(B, C), cut=plan(A, B, C))
    assert announced(plan(B, C), before) == before.unfinished
    other = announced(plan(B, C, config_digest="d"), before)
    assert other is not None
    assert other.addresses == (B, C)


def test_a_run_that_deletes_nothing_announces_nothing() -> None:
    assert announced(plan(), state(live=(A,))) is None


def test_aliases_are_not_counted() -> None:
    assert deleted(going(Address("alias.a"), A)) == (A,)
