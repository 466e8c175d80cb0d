from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from kmsplan.config.configuration import Waiver
from kmsplan.config.diagnostic import Span
from kmsplan.drift.waiving import Waivers
from kmsplan.plan.plan import Drift, DriftedAttribute

TODAY = date(2026, 6, 1)
LATER, EARLIER = date(2026, 12, 31), date(2026, 5, 31)


def waiver(address: str = "key.orders", expires: date = LATER, **said: Any) -> Waiver:
    return Waiver(
        **{"owner": "ada", "reason": "why", "span": Span("w.yaml", 1, 1, 1, 1), **said},
        address=address,
        expires=expires,
    )


def drift(*names: str, kind: str = "changed", address: str = "key.orders", identity: str = "key-1") -> Drift:
    drifted = tuple(DriftedAttribute(name=name, recorded=0, observed=1) for name in names)
    return Drift(address=address, identity=identity, kind=kind, attributes=drifted)


def judged(found: Drift, *waivers: Waiver) -> list[tuple[list[str], str | None, bool]]:
    """Return names, the waiver's owner and whether it is waived, of each part."""
    return [
        ([one.name for one in part.drift.attributes], part.waiver.owner if part.waiver else None, part.waived)
        for part in Waivers(waivers, TODAY).judge(found)
    ]


def test_without_waivers_everything_counts() -> None:
    assert judged(drift("tags", "enabled")) == [(["tags", "enabled"], None, False)]


@pytest.mark.parametrize("address", ["key.orders", "key.*", "*", "key.order[s]", "key.order?"])
def test_a_waiver_names_an_address_or_a_glob(address: str) -> None:
    assert judged(drift("tags"), waiver(address)) == [(["tags"], "ada", True)]


@pytest.mark.parametrize("address", ["key.order", "key.orders2", "alias.*", "KEY.ORDERS", "key-1"])
def test_a_waiver_of_something_else_waives_nothing(address: str) -> None:
    assert judged(drift("tags"), waiver(address)) == [(["tags"], None, False)]


@pytest.mark.parametrize("address", ["key-9", "key-*"])
def test_a_waiver_of_an_unmanaged_object_names_its_identity(address: str) -> None:
    found = drift(kind="unmanaged", address="", identity="key-9")
    assert judged(found, waiver(address)) == [([], "ada", True)]


def test_a_waiver_counts_on_its_last_day_and_not_after() -> None:
    assert judged(drift("tags"), waiver(expires=TODAY))[0][2] is True
    assert judged(drift("tags"), waiver(expires=EARLIER)) == [(["tags"], "ada", False)]


def test_a_waiver_of_one_attribute_leaves_the_others() -> None:
    found = judged(drift("tags", "enabled", "rotation"), waiver(attribute="enabled"))
    assert found == [(["tags", "rotation"], None, False), (["enabled"], "ada", True)]


def test_every_waivers_part_names_its_own_owner() -> None:
    waivers = (waiver(attribute="tags"), waiver(attribute="enabled", owner="bob"))
    assert judged(drift("tags", "enabled"), *waivers) == [(["tags"], "ada", True), (["enabled"], "bob", True)]


def test_what_an_expired_waiver_spoke_of_counts_and_names_it() -> None:
    waivers = (waiver(attribute="tags", expires=EARLIER), waiver(attribute="enabled", owner="bob"))
    assert judged(drift("tags", "enabled"), *waivers) == [(["tags"], "ada", False), (["enabled"], "bob", True)]


def test_of_two_waivers_the_one_that_lasts_longer_counts() -> None:
    assert judged(drift("tags"), waiver(expires=EARLIER), waiver("key.*", owner="bob")) == [(["tags"], "bob", True)]


def test_a_waiver_of_a_rule_is_none_of_drift() -> None:
    rule = waiver(rule="rotation-90d")
    assert judged(drift("tags"), rule) == [(["tags"], None, False)]
    assert Waivers((rule,), TODAY).unused == ()


@pytest.mark.parametrize("kind", ["vanished", "pending_deletion", "unreadable"])
def test_a_loss_is_waived_whole_or_not_at_all(kind: str) -> None:
    found = drift("tags", kind=kind)
    assert judged(found, waiver(attribute="tags")) == [(["tags"], None, False)]
    assert judged(found, waiver()) == [(["tags"], "ada", True)]


def test_waivers_that_nothing_matches_are_told_in_their_order() -> None:
    one, two, three = waiver("key.z"), waiver("key.orders"), waiver("key.a*", attribute="tags")
    waivers = Waivers((one, two, three), TODAY)
    list(waivers.judge(drift("tags")))
    assert waivers.unused == (one, three)


def test_an_expired_waiver_of_what_still_drifts_is_not_unused() -> None:
    waivers = Waivers((waiver(expires=EARLIER),), TODAY)
    list(waivers.judge(drift("tags")))
    assert waivers.unused == ()
