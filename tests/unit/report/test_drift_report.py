from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from kmsplan.config.configuration import Waiver
from kmsplan.config.diagnostic import Span
from kmsplan.drift.report import Cause, DriftReport, Finding, Verdict
from kmsplan.plan.plan import Drift, DriftedAttribute
from kmsplan.plan.schema import KINDS_OF_DRIFT
from kmsplan.report.drift_json import drift_json
from kmsplan.report.drift_text import NO_DRIFT, WAIVED_ONLY, drift_text
from kmsplan.report.scene import Scene

SCHEMA = json.loads((Path(__file__).parents[3] / "schemas" / "drift.json").read_text())
DRIFT = (
    Drift(address="", identity="key-9", kind="unmanaged", detail="its state is Enabled"),
    Drift(address="alias.orders", identity="alias/orders", kind="vanished"),
    Drift(
        address="key.orders",
        identity="key-1",
        kind="changed",
        attributes=(
            DriftedAttribute(name="enabled", recorded=True, observed=False, desired=True),
            DriftedAttribute(name="rotation", recorded=7_776_000, observed=None, desired=2_592_000),
            DriftedAttribute(name="tags", recorded={"a": "1"}, observed={"a": "2", "b\x1b": "3"}),
            DriftedAttribute(name="state", recorded="Enabled", observed="Unavailable"),
        ),
    ),
    Drift(address="key.signer", identity="key-2", kind="pending_deletion", detail="its deletion is scheduled"),
    Drift(address="key.silent", identity="key-3", kind="unreadable", detail="no answer (x)"),
)


VERDICTS = {
    "enabled": Verdict.REVERT,
    "rotation": Verdict.CONFLICT,
    "tags": Verdict.ACCEPT,
    "state": Verdict.UNDECLARED,
}
CAUSE = Cause(
    actor="ada@desk",
    time="2026-01-01T00:00:00Z",
    action="DisableKey",
    request_id="r-1",
    source="10.0.0.1",
)
SCENE = Scene(folder="conf")


def waiver(**said: Any) -> Waiver:
    usual = {"address": "key.*", "owner": "ada", "reason": "until the move", "expires": date(2026, 6, 1)}
    return Waiver(**{**usual, "span": Span("waivers.yaml", 7, 3, 7, 9), **said})


def finding(drift: Drift, **said: Any) -> Finding:
    names = [one.name for one in drift.attributes]
    verdicts = {name: VERDICTS.get(name, Verdict.REVERT) for name in names}
    return Finding(drift=drift, fingerprint="0123456789abcdef", verdicts=verdicts, **said)


def report(drift: tuple[Drift, ...], **said: Any) -> DriftReport:
    return DriftReport(findings=tuple(map(finding, drift)), **said)


def test_drift_reads_as_what_was_and_what_is_and_what_becomes_of_it() -> None:
    assert drift_text(report(DRIFT), Scene()) == (
        "The KMS differs from what the last apply left:\n"
        "\n"
        "  # key-9 is not managed\n"
        "  # its state is Enabled\n"
        "\n"
        "  # alias.orders (alias/orders) has vanished\n"
        "\n"
        "  # key.orders (key-1) has changed\n"
        '  ~ key "orders" {\n'
        "      ~ enabled = true -> false\n"
        "        # revert: the next apply puts it back\n"
        "      ~ rotation = 90d -> null\n"
        "        # declared: 30d\n"
        "        # conflict: the next apply makes it what is declared\n"
        "      ~ tags = {\n"
        '          ~ "a"     = "1" -> "2"\n'
        '          + "b\\x1b" = "3"\n'
        "        }\n"
        "        # accept: it is as declared, the next apply records it\n"
        '      ~ state = "Enabled" -> "Unavailable"\n'
        "        # undeclared: the configuration does not say what it is to be\n"
        "    }\n"
        "\n"
        "  # key.signer (key-2) was scheduled for deletion by somebody else\n"
        "  # its deletion is scheduled\n"
        "\n"
        "  # key.silent (key-3) could not be read\n"
        "  # no answer (x)\n"
        "\n"
        "Drift: 1 changed, 1 vanished, 1 pending deletion, 1 unmanaged, 1 unreadable.\n"
    )


def test_every_kind_and_every_verdict_has_words() -> None:
    text = drift_text(report(DRIFT), Scene())
    assert {one.kind for one in DRIFT} == set(KINDS_OF_DRIFT)
    assert [verdict for verdict in Verdict if f"# {verdict}: " not in text] == []


def test_a_conflict_with_a_declared_nothing_says_so() -> None:
    drifted = DriftedAttribute(name="rotation", recorded=7_776_000, observed=2_592_000)
    found = finding(Drift(address="key.a", identity="key-1", kind="changed", attributes=(drifted,)))
    text = drift_text(DriftReport(findings=(found,)), Scene())
    assert "# declared: null\n        # conflict" in text


def test_a_finding_tells_who_did_it_since_when_and_whose_waiver_has_expired() -> None:
    expired = waiver(attribute="tags")
    found = finding(DRIFT[1], cause=CAUSE, first_seen="2026-01-02T00:00:00Z", waiver=expired)
    assert drift_text(DriftReport(findings=(found,)), SCENE) == (
        "The KMS differs from what the last apply left:\n"
        "\n"
        "  # alias.orders (alias/orders) has vanished\n"
        "  # by ada@desk at 2026-01-01T00:00:00Z with DisableKey (10.0.0.1, request r-1)\n"
        "  # first seen 2026-01-02T00:00:00Z\n"
        "  # waiver of tags of ada expired on 2026-06-01 (conf/waivers.yaml:7)\n"
        "\n"
        "Drift: 1 vanished.\n"
    )


def test_what_is_waived_stands_apart_and_is_counted_beside() -> None:
    waived = (finding(DRIFT[2], waiver=waiver()), finding(DRIFT[1], waiver=waiver()))
    unused = (waiver(address="key.gone", attribute="tags", owner="bob"),)
    text = drift_text(DriftReport(findings=(finding(DRIFT[0]),), waived=waived, unused=unused), SCENE)
    assert text.partition("Waived:")[2] == (
        "\n\n"
        "  # key.orders: enabled, rotation, tags, state\n"
        "  # ada, until 2026-06-01 (conf/waivers.yaml:7): until the move\n"
        "  # alias.orders: has vanished\n"
        "  # ada, until 2026-06-01 (conf/waivers.yaml:7): until the move\n"
        "\n"
        "Waivers that nothing matches any more:\n"
        "\n"
        "  # key.gone tags: bob, until 2026-06-01 (conf/waivers.yaml:7): until the move\n"
        "\n"
        "Drift: 1 unmanaged, 2 waived.\n"
    )


def test_drift_that_is_waived_whole_is_no_drift_but_not_nothing() -> None:
    text = drift_text(DriftReport(waived=(finding(DRIFT[1], waiver=waiver()),)), SCENE)
    assert text.endswith(f"\n{WAIVED_ONLY}\n")


@pytest.mark.parametrize(
    ("managed", "unmanaged", "line"),
    [
        (12, 3, "Coverage: 12 of 15 keys are managed (80 %)."),
        (0, 2, "Coverage: 0 of 2 keys are managed (0 %)."),
        (999, 1, "Coverage: 999 of 1000 keys are managed (99 %)."),
    ],
)
def test_coverage_is_told_where_it_is_not_whole(managed: int, unmanaged: int, line: str) -> None:
    text = drift_text(report(DRIFT[:1], managed_keys=managed, unmanaged_keys=unmanaged), Scene())
    assert f"\n{line}\nDrift: 1 unmanaged.\n" in text


def test_text_of_others_stays_on_its_line() -> None:
    evil = "\x1b[31m\n::error::x\u202e"
    drift = replace(DRIFT[2], address="key.a", identity=evil, detail=evil)
    cause = Cause(actor=evil, time=evil, action=evil, request_id=evil, source=evil)
    said = waiver(owner=evil, reason=evil, attribute=evil, address=evil, span=Span(evil, 1, 1, 1, 1))
    found = finding(drift, cause=cause, waiver=said)
    text = drift_text(DriftReport(findings=(found,), waived=(found,), unused=(said,)), Scene())
    assert not any(character in text for character in "\x1b\u202e")
    assert not any(line.startswith("::") for line in text.splitlines())


def test_ten_thousand_findings_are_told_in_two_seconds() -> None:
    found = finding(DRIFT[2], cause=CAUSE, waiver=waiver())
    whole = DriftReport(findings=(found,) * 10_000, waived=(found,) * 10_000)
    begun = time.process_time()
    drift_text(whole, SCENE)
    drift_json(whole, SCENE)
    assert time.process_time() - begun < 4


def test_no_drift_says_so() -> None:
    assert drift_text(report(()), Scene()) == f"{NO_DRIFT}\n"


def test_the_document_is_what_the_schema_says() -> None:
    waived = finding(DRIFT[1], cause=CAUSE, first_seen="2026-01-02T00:00:00Z", waiver=waiver())
    whole = report(
        DRIFT,
        checked=4,
        waived=(waived,),
        unused=(waiver(attribute="tags"),),
        managed_keys=2,
        unmanaged_keys=1,
        day=date(2026, 6, 1),
    )
    document = json.loads(drift_json(whole, SCENE))
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert (document["checked"], document["day"]) == (4, "2026-06-01")
    assert document["drift"][0]["address"] is None
    assert document["drift"][2]["attributes"][0] == {
        "name": "enabled",
        "recorded": True,
        "observed": False,
        "desired": True,
        "verdict": "revert",
    }
    assert document["waived"][0]["cause"] == {
        "actor": "ada@desk",
        "time": "2026-01-01T00:00:00Z",
        "action": "DisableKey",
        "request_id": "r-1",
        "source": "10.0.0.1",
    }
    assert document["waived"][0]["first_seen"] == "2026-01-02T00:00:00Z"
    assert document["unused_waivers"] == [
        {
            "address": "key.*",
            "attribute": "tags",
            "owner": "ada",
            "reason": "until the move",
            "expires": "2026-06-01",
            "place": "conf/waivers.yaml:7",
        }
    ]
    assert document["coverage"] == {"managed_keys": 2, "unmanaged_keys": 1, "percent": 66.7}
    assert document["summary"] == {
        "changed": 1,
        "vanished": 1,
        "pending_deletion": 1,
        "unmanaged": 1,
        "unreadable": 1,
        "waived": 1,
    }


def test_an_empty_document_is_a_document_too() -> None:
    document = json.loads(drift_json(report(()), Scene()))
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert set(document["summary"].values()) == {0}
    assert document["coverage"]["percent"] is None
