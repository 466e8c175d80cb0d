"""Before anything is planned: is this state as new as the KMS knows it, and does it know each object once?"""

from __future__ import annotations

from dataclasses import replace

from kmsplan.plan.guard import refusals
from kmsplan.resource.address import Address
from kmsplan.resource.value import Observed, Witnessed
from kmsplan.state.record import Record, Recorded

A, B = Address("key.a"), Address("key.b")
SEEN = Witnessed(serial=7, by="ada@host", at="2026-01-01T12:00:00Z")


def state(serial: int, lineage: str = "l") -> Recorded:
    return Recorded(lineage=lineage, serial=serial, environment="fake/1")


OBSERVED = Observed(environment="fake/1", objects={}, states={"l": SEEN})


def test_an_older_state_than_the_kms_has_seen_is_refused_and_both_are_named() -> None:
    (refusal,) = refusals(state(6), OBSERVED)
    assert refusal.code == "P120"
    for part in (
        "The state is at serial 6",
        "the KMS has seen serial 7, by ada@host at 2026-01-01T12:00:00Z",
        "state rebuild",
        "--accept-old-state",
    ):
        assert part in refusal.detail


def test_it_is_accepted_by_name() -> None:
    assert refusals(state(6), OBSERVED, accept_old_state=True) == ()


def test_the_same_serial_a_newer_one_and_another_state_pass() -> None:
    assert refusals(state(7), OBSERVED) == ()
    assert refusals(state(8), OBSERVED) == ()
    assert refusals(state(1, lineage="m"), OBSERVED) == ()


def test_one_object_under_two_addresses_is_refused_and_both_are_named() -> None:
    """To take one of the two out of the configuration would delete the other's key."""
    records = {address: Record(address=address, identity="key-1", attributes={}) for address in (A, B)}
    (refusal,) = refusals(replace(state(7), records=records), OBSERVED)
    assert refusal.code == "P122"
    assert all(part in refusal.detail for part in ("key-1", A, B, "kmsplan state rm"))


def test_a_kms_that_keeps_no_names_says_the_serial_alone() -> None:
    assert str(Witnessed(serial=7, by="", at="")) == "serial 7"
