from __future__ import annotations

import json
from datetime import UTC, date, datetime

import jsonschema

from kmsplan.config.configuration import Waiver
from kmsplan.config.diagnostic import Span
from kmsplan.config.packs import catalogue, packs
from kmsplan.policy.report import Finding, Judged, PolicyReport, Rule, Severity
from kmsplan.policy.schema import policy_schema
from kmsplan.report.policy_json import policy_json
from kmsplan.report.policy_text import EVIDENCE, policy_text
from kmsplan.report.rules_json import rules_json
from kmsplan.report.rules_text import chosen_text, rule_text, rules_text
from kmsplan.report.scene import Scene
from kmsplan.report.style import Style
from kmsplan.rule.definition import Chosen, Definition
from kmsplan.rule.fact import Subject

HOSTILE = "\x1b[2J<script>|`*\n::error::\u202e=1+1"
SPAN = Span("kmsplan.yaml", 4, 3, 4, 9)
RULE = Rule(
    id="R101",
    title="Keys that can rotate do",
    severity=Severity.ERROR,
    remedy="Declare a period.",
    pack="baseline, pci-dss",
    clauses=("PCI DSS v4.0.1, 3.7.4",),
)
WAIVER = Waiver(address="key.*", owner="ada", reason="moving", expires=date(2026, 5, 31), span=SPAN, rule="R101")
FINDING = Finding(
    rule=RULE,
    address="key.a",
    identity="key-1",
    message="key.rotation_days is 0",
    evidence={"key.rotation_days": 0},
    span=SPAN,
)
UNMANAGED = Finding(rule=RULE, address="", identity="key-2", message="key.rotation_days is 0", waiver=WAIVER)
REPORT = PolicyReport(
    findings=(FINDING, UNMANAGED),
    waived=(Finding(rule=RULE, address="key.b", message="key.rotation_days is 0", waiver=WAIVER),),
    unused=(WAIVER,),
    judged=(Judged(rule=RULE, held=1, broken=2, waived=1, skipped=3, unknown=("observed.state",)),),
    objects=7,
)
SCENE = Scene(now=datetime(2026, 6, 1, tzinfo=UTC), folder="keys", environment="embedded/1")


def test_text_says_what_where_why_and_what_to_do() -> None:
    assert policy_text(REPORT, SCENE) == (
        "Error: Keys that can rotate do (R101, baseline, pci-dss)\n"
        "  on keys/kmsplan.yaml:4:3, key.a\n"
        "  key.rotation_days is 0\n"
        "  Declare a period.\n"
        "  after PCI DSS v4.0.1, 3.7.4\n"
        "\n"
        "Error: Keys that can rotate do (R101, baseline, pci-dss)\n"
        "  on key-2 (not managed)\n"
        "  key.rotation_days is 0\n"
        "  Declare a period.\n"
        "  after PCI DSS v4.0.1, 3.7.4\n"
        "  the waiver of ada ended on 2026-05-31: moving\n"
        "\n"
        "Waived:\n"
        "  R101 key.b, until 2026-05-31 by ada: moving (key.rotation_days is 0)\n"
        "\n"
        "Waivers that nothing matches any more:\n"
        "  kmsplan.yaml:4: R101 key.*, by ada until 2026-05-31\n"
        "\n"
        "Not known, and so not judged:\n"
        "  R101 at 3 objects: observed.state\n"
        "\n"
        "2 errors. 1 waived. (1 rule over 7 objects)\n" + EVIDENCE + "\n"
    )


def test_nothing_to_say_is_said_in_one_line() -> None:
    text = policy_text(PolicyReport(judged=(Judged(rule=RULE, held=1, broken=0, waived=0, skipped=0),)), SCENE)
    assert text.splitlines() == ["No rule is broken. (1 rule over 0 objects)", EVIDENCE]
    assert "ompliant" not in text


def hostile() -> PolicyReport:
    rule = Rule(id="own", title=HOSTILE, severity=Severity.NOTE, remedy=HOSTILE, pack=HOSTILE, clauses=(HOSTILE,))
    waiver = Waiver(address=HOSTILE, owner=HOSTILE, reason=HOSTILE, expires=date(2026, 5, 31), span=SPAN, rule="own")
    finding = Finding(
        rule=rule,
        address=HOSTILE,
        identity=HOSTILE,
        message=HOSTILE,
        evidence={"key.tags": {HOSTILE: HOSTILE}},
        span=SPAN,
        waiver=waiver,
    )
    judged = Judged(rule=rule, held=0, broken=1, waived=1, skipped=1, unknown=(HOSTILE,))
    return PolicyReport(findings=(finding,), waived=(finding,), unused=(waiver,), judged=(judged,))


def test_what_others_wrote_steers_no_terminal_and_forges_no_line() -> None:
    text = policy_text(hostile(), SCENE)
    assert all(line.isprintable() for line in text.splitlines())
    assert not any(line.startswith(("::", "=")) for line in text.splitlines())


def test_json_is_as_the_schema_says() -> None:
    for report in (REPORT, PolicyReport(), hostile()):
        document = json.loads(policy_json(report, SCENE))
        jsonschema.validate(document, policy_schema())
    found = json.loads(policy_json(REPORT, SCENE))
    assert found["findings"][0]["where"] == "keys/kmsplan.yaml:4:3"
    assert found["findings"][1]["address"] is None
    assert found["summary"] == {"error": 2, "warning": 0, "note": 0, "waived": 1, "skipped": 3}
    assert found["rules"][0]["packs"] == ["baseline", "pci-dss"]
    assert found["refused"] is True


def test_the_list_names_every_pack_and_rule() -> None:
    text = rules_text(catalogue(), packs(), Style())
    assert [name for name in packs() if f"  {name} " not in text] == []
    assert [rule for rule in catalogue() if f"  {rule}  " not in text] == []
    document = json.loads(rules_json(catalogue(), packs()))
    assert [rule["id"] for rule in document["rules"]] == list(catalogue())
    assert document["packs"][0]["name"] == "baseline"


def test_a_rule_is_explained_with_its_parameters_and_packs() -> None:
    text = rule_text(catalogue()["R102"], packs(), Style())
    assert "params.rotation_days  The longest rotation period, in days. Default: 365." in text
    assert "in strict: error; rotation_days: 90" in text
    assert "after PCI DSS v4.0.1, 3.7.4" in text


def test_a_rule_of_ones_own_is_explained_without_being_obeyed() -> None:
    definition = Definition(
        id="own", title=HOSTILE, judges=Subject.KEY, must=f'key.name != "{HOSTILE}"', remedy=HOSTILE
    )
    chosen = Chosen(definition=definition, severity="error", packs=(HOSTILE,), clauses=(HOSTILE,))
    assert all(line.isprintable() for line in chosen_text(chosen, Style()).splitlines())
