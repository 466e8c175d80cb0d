from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from kmsplan.drift.fingerprint import fingerprint, traces
from kmsplan.plan.plan import Drift, DriftedAttribute


def attribute(name: str, observed: Any = 1) -> DriftedAttribute:
    return DriftedAttribute(name=name, recorded=0, observed=observed)


DRIFT = Drift(address="key.a", identity="key-1", kind="changed", attributes=(attribute("tags"), attribute("enabled")))


def test_a_fingerprint_is_the_same_for_ever() -> None:
    assert fingerprint("lineage", DRIFT) == "857fa983afd9b44d"
    assert re.fullmatch("[0-9a-f]{16}", fingerprint("", DRIFT))


@pytest.mark.parametrize(
    "other",
    [
        replace(DRIFT, attributes=DRIFT.attributes[::-1]),
        replace(DRIFT, attributes=(attribute("tags", 7), attribute("enabled", 8))),
        replace(DRIFT, identity="key-2"),
        replace(DRIFT, detail="else"),
    ],
    ids=["order", "values", "identity", "detail"],
)
def test_what_does_not_make_it_another_drift(other: Drift) -> None:
    assert fingerprint("lineage", other) == fingerprint("lineage", DRIFT)


@pytest.mark.parametrize(
    ("lineage", "other"),
    [
        ("other", DRIFT),
        ("lineage", replace(DRIFT, address="key.b")),
        ("lineage", replace(DRIFT, kind="vanished")),
        ("lineage", replace(DRIFT, attributes=DRIFT.attributes[:1])),
    ],
    ids=["lineage", "address", "kind", "attributes"],
)
def test_what_makes_it_another_drift(lineage: str, other: Drift) -> None:
    assert fingerprint(lineage, other) != fingerprint("lineage", DRIFT)


def test_an_unmanaged_object_is_known_by_its_identity() -> None:
    one, two = (Drift(address="", identity=identity, kind="unmanaged") for identity in ("key-1", "key-2"))
    assert fingerprint("lineage", one) != fingerprint("lineage", two)


def test_each_attribute_leaves_a_trace_whatever_drifts_beside_it() -> None:
    alone = replace(DRIFT, attributes=DRIFT.attributes[:1])
    assert traces("lineage", alone)[0] in traces("lineage", DRIFT)
    assert len(traces("lineage", DRIFT)) == 2
    assert traces("lineage", replace(DRIFT, kind="vanished", attributes=())) != ()
