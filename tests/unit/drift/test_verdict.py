from __future__ import annotations

from typing import Any

import pytest

from kmsplan.config.configuration import Declared
from kmsplan.config.diagnostic import Span
from kmsplan.drift.report import Verdict
from kmsplan.drift.verdict import verdicts
from kmsplan.plan.plan import Drift, DriftedAttribute
from kmsplan.resource.address import Address

ORDERS = Address("key.orders")


def verdict(name: str, recorded: Any, observed: Any, declared: dict[str, Any] | None) -> Verdict:
    drift = Drift(
        address=ORDERS,
        identity="key-1",
        kind="changed",
        attributes=(DriftedAttribute(name=name, recorded=recorded, observed=observed),),
    )
    desired = (
        {} if declared is None else {ORDERS: Declared(address=ORDERS, attributes=declared, span=Span("f", 1, 1, 1, 1))}
    )
    return verdicts(drift, desired)[name]


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({"rotation": 90}, Verdict.REVERT),
        ({"rotation": 30}, Verdict.ACCEPT),
        ({"rotation": 7}, Verdict.CONFLICT),
        ({"rotation": None}, Verdict.CONFLICT),
        ({}, Verdict.UNDECLARED),
        (None, Verdict.UNDECLARED),
    ],
)
def test_three_values_give_one_verdict(declared: dict[str, Any] | None, expected: Verdict) -> None:
    assert verdict("rotation", 90, 30, declared) is expected


def test_an_attribute_that_is_declared_to_be_nothing_is_declared() -> None:
    assert verdict("rotation", None, 30, {"rotation": None}) is Verdict.REVERT


def test_what_the_configuration_leaves_to_the_kms_is_undeclared() -> None:
    assert verdict("imported", "never", "absent", {"imported": None}) is Verdict.UNDECLARED
    assert verdict("storage_mechanism", "HsmInternal", "Database", {"storage_mechanism": None}) is Verdict.UNDECLARED


def test_the_owner_tag_is_put_back() -> None:
    assert verdict("owner", "L/key.orders", None, {}) is Verdict.REVERT


def test_a_key_whose_deletion_somebody_cancelled_is_wanted_if_it_is_declared() -> None:
    assert verdict("state", "PendingDeletion", "Enabled", {}) is Verdict.ACCEPT
    assert verdict("state", "PendingDeletion", "Enabled", None) is Verdict.UNDECLARED


def test_no_apply_makes_a_key_available() -> None:
    assert verdict("state", "Enabled", "Unavailable", {"enabled": True}) is Verdict.UNDECLARED
