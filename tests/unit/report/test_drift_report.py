from __future__ import annotations

import json
from pathlib import Path

import jsonschema

from kmsplan.drift.report import DriftReport, Finding
from kmsplan.plan.plan import Drift, DriftedAttribute
from kmsplan.report.drift_json import drift_json
from kmsplan.report.drift_text import NO_DRIFT, drift_text
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


def report(drift: tuple[Drift, ...], checked: int = 0) -> DriftReport:
    return DriftReport(findings=tuple(Finding(drift=one, fingerprint="") for one in drift), checked=checked)


def test_drift_reads_as_what_was_and_what_is() -> None:
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
        "      ~ rotation = 90d -> null\n"
        "        # declared: 30d\n"
        "      ~ tags = {\n"
        '          ~ "a"     = "1" -> "2"\n'
        '          + "b\\x1b" = "3"\n'
        "        }\n"
        '      ~ state = "Enabled" -> "Unavailable"\n'
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


def test_no_drift_says_so() -> None:
    assert drift_text(report(()), Scene()) == f"{NO_DRIFT}\n"


def test_the_document_is_what_the_schema_says() -> None:
    document = json.loads(drift_json(report(DRIFT, checked=4), Scene()))
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert (document["checked"], document["summary"]["changed"], document["summary"]["unmanaged"]) == (4, 1, 1)
    assert document["drift"][0]["address"] is None
    assert document["drift"][2]["attributes"][0] == {
        "name": "enabled",
        "recorded": True,
        "observed": False,
        "desired": True,
    }


def test_an_empty_document_is_a_document_too() -> None:
    document = json.loads(drift_json(report(()), Scene()))
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert set(document["summary"].values()) == {0}
