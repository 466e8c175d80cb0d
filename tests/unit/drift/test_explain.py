from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from kmsplan.config.configuration import Declared, Waiver
from kmsplan.config.diagnostic import Span
from kmsplan.drift.explain import Context, explain
from kmsplan.drift.memory import remember
from kmsplan.drift.report import DriftReport, Verdict
from kmsplan.kms.trail import Event
from kmsplan.plan.plan import Drift, DriftedAttribute
from kmsplan.resource.address import Address
from kmsplan.resource.value import ABSENT, Observed, Present
from kmsplan.state.record import Record, Recorded

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

TODAY = date(2026, 6, 1)
SPAN = Span("kmsplan.yaml", 4, 3, 4, 9)
ORDERS = Address("key.orders")
DRIFT = Drift(
    address=ORDERS,
    identity="key-1",
    kind="changed",
    attributes=(
        DriftedAttribute(name="enabled", recorded=True, observed=False, desired=True),
        DriftedAttribute(name="tags", recorded={}, observed={"a": "b"}, desired={}),
    ),
)
STRAY = Drift(address="", identity="key-9", kind="unmanaged")


def record(address: str, identity: str) -> Record:
    return Record(address=Address(address), identity=identity, attributes={})


RECORDED = Recorded(
    lineage="L",
    serial=1,
    environment="e",
    records={one.address: one for one in (record("key.orders", "key-1"), record("alias.orders", "alias/orders"))},
)


def present(identity: str, kind: str = "key", owner: str | None = None) -> Present:
    return Present(kind=kind, identity=identity, attributes={}, owner=owner)


def observed(*others: Present, gone: bool = False) -> Observed:
    objects = {"key-1": ABSENT if gone else present("key-1"), "alias/orders": present("alias/orders", "alias")}
    return Observed(environment="e", objects=objects, others=others)


def report(*drift: Drift, seen: Observed | None = None, **context: Any) -> DriftReport:
    return explain(drift, RECORDED, seen or observed(), Context(day=TODAY, **context))


def waiver(**said: Any) -> Waiver:
    usual = {"address": "key.orders", "owner": "ada", "reason": "why", "expires": TODAY, "span": SPAN}
    return Waiver(**{**usual, **said})


def test_no_drift_is_a_report_too() -> None:
    found = report()
    assert (found.findings, found.waived, found.checked, found.coverage) == ((), (), 2, 1.0)


def test_a_finding_has_its_verdicts_its_fingerprint_and_its_age() -> None:
    declared = Declared(address=ORDERS, attributes={"enabled": True, "tags": {"a": "b"}}, span=SPAN)
    memory = remember({}, "L", [DRIFT], "2026-05-01T00:00:00Z")
    (finding,) = report(DRIFT, desired={ORDERS: declared}, memory=memory).findings
    assert finding.verdicts == {"enabled": Verdict.REVERT, "tags": Verdict.ACCEPT}
    assert (len(finding.fingerprint), finding.first_seen) == (16, "2026-05-01T00:00:00Z")
    assert (finding.cause, finding.waiver) == (None, None)


def test_each_part_of_a_partly_waived_drift_has_its_own_cause_and_fingerprint() -> None:
    def newest(_: Collection[str]) -> Iterable[Event]:
        for action, actor in [("DisableKey", "ada"), ("TagResources", "bob")]:
            yield Event(action=action, subjects=frozenset({"key-1"}), actor=actor, time="t", request_id="r", source="s")

    found = report(DRIFT, waivers=(waiver(attribute="tags"),), newest=newest)
    ((left,), (waived,)) = found.findings, found.waived
    assert [one.name for one in left.drift.attributes] == ["enabled"]
    assert [one.name for one in waived.drift.attributes] == ["tags"]
    assert (left.cause and left.cause.actor, waived.cause and waived.cause.actor) == ("ada", "bob")
    assert left.fingerprint != waived.fingerprint
    assert waived.verdicts.keys() == {"tags"}


def test_waivers_that_nothing_matches_are_in_the_report() -> None:
    unused = waiver(address="key.other")
    assert report(DRIFT, waivers=(unused,)).unused == (unused,)


def test_coverage_counts_keys_and_no_other_objects() -> None:
    seen = observed(
        present("key-9"),
        present("key-other", owner="M/key.x/t"),
        present("key-default", "default_key"),
        present("key-service", "service_key"),
        present("alias/x", "alias"),
        present("kst-9", "instance"),
    )
    stray = replace(STRAY, identity="key-default")
    found = report(STRAY, stray, replace(STRAY, identity="alias/x"), seen=seen)
    assert (found.managed_keys, found.unmanaged_keys, found.coverage) == (2, 2, 0.5)


def test_a_vanished_key_is_not_a_managed_one() -> None:
    found = report(seen=observed(gone=True))
    assert (found.managed_keys, found.coverage) == (0, None)


def test_an_unmanaged_key_that_is_waived_is_still_unmanaged() -> None:
    found = report(STRAY, seen=observed(present("key-9")), waivers=(waiver(address="key-9"),))
    assert (found.findings, len(found.waived), found.unmanaged_keys) == ((), 1, 1)
