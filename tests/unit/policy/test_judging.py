from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from kmsplan.config.configuration import Waiver
from kmsplan.config.diagnostic import Span
from kmsplan.policy.judging import judge
from kmsplan.policy.report import PolicyReport, Severity
from kmsplan.policy.thing import Thing
from kmsplan.rule.definition import Chosen, Definition, Policy
from kmsplan.rule.fact import Subject

TODAY = date(2026, 6, 1)
SPAN = Span("kmsplan.yaml", 3, 5, 3, 9)


def rule(must: str = "key.enabled", *, name: str = "one", severity: str = "error", **more: Any) -> Chosen:
    definition = Definition(id=name, title=f"Rule {name}", judges=more.pop("judges", Subject.KEY), must=must, **more)
    return Chosen(definition=definition, severity=severity, packs=("own",))


def thing(address: str = "key.a", identity: str = "key-1", subject: Subject = Subject.KEY, **facts: Any) -> Thing:
    known = {name.replace("__", "."): value for name, value in facts.items()}
    return Thing(subject=subject, address=address, identity=identity, facts=known, span=SPAN)


def waiver(address: str, last: date = TODAY, name: str | None = "one") -> Waiver:
    return Waiver(address=address, owner="ada", reason="moving", expires=last, span=SPAN, rule=name)


def report(*rules: Chosen, things: list[Thing], waivers: tuple[Waiver, ...] = ()) -> PolicyReport:
    return judge(Policy(rules), things, waivers, TODAY)


ON: dict[str, Any] = {"key__enabled": True}
OFF: dict[str, Any] = {"key__enabled": False}


def test_every_outcome_is_counted() -> None:
    things = [thing("key.a", **ON), thing("key.b", **OFF), thing("key.c"), thing("key.d", **OFF)]
    (counts,) = report(rule(), things=things, waivers=(waiver("key.d"),)).judged
    assert (counts.held, counts.broken, counts.waived, counts.skipped) == (1, 1, 1, 1)
    assert counts.unknown == ("key.enabled",)


def test_what_a_rule_does_not_concern_is_not_counted() -> None:
    (counts,) = report(rule(when="key.bits > 128"), things=[thing(key__bits=128, **OFF)]).judged
    assert (counts.held, counts.broken, counts.waived, counts.skipped) == (0, 0, 0, 0)


def test_a_finding_says_what_is_the_case_and_where() -> None:
    found = report(rule("key.enabled", when="key.bits > 1"), things=[thing(key__bits=2, **OFF)])
    (finding,) = found.findings
    assert (finding.address, finding.identity, finding.span) == ("key.a", "key-1", SPAN)
    assert finding.message == "key.enabled is false"
    assert finding.evidence == {"key.bits": 2, "key.enabled": False}
    assert found.refused


def test_what_cannot_be_worked_out_is_broken() -> None:
    found = report(rule('key.tags["owner"] != ""'), things=[thing(key__tags={})])
    (finding,) = found.findings
    assert finding.message.startswith("it cannot be judged, which counts as broken: Key not found in map")
    assert found.refused


def test_nor_does_a_filter_that_fails_let_anybody_through() -> None:
    found = report(rule("true", when='key.tags["data"] == "pii"'), things=[thing(key__tags={})])
    assert len(found.findings) == 1


def test_a_filter_that_nobody_can_answer_skips() -> None:
    (counts,) = report(rule("false", when="observed.exists"), things=[thing()]).judged
    assert (counts.broken, counts.skipped, counts.unknown) == (0, 1, ("observed.exists",))


def test_only_an_error_refuses() -> None:
    for severity in Severity:
        found = report(rule(severity=severity.value), things=[thing(**OFF)])
        assert found.refused is (severity is Severity.ERROR)
        assert found.findings[0].rule.severity is severity


def test_findings_are_sorted_by_severity_then_address_then_rule() -> None:
    rules = [rule(name="z"), rule(name="a"), rule(name="n", severity="note"), rule(name="w", severity="warning")]
    found = report(*rules, things=[thing("key.b", **OFF), thing("key.a", **OFF)])
    assert [(one.rule.id, one.address) for one in found.findings] == [
        *(("a", "key.a"), ("z", "key.a"), ("a", "key.b"), ("z", "key.b")),
        *(("w", "key.a"), ("w", "key.b"), ("n", "key.a"), ("n", "key.b")),
    ]


def test_a_rule_judges_its_subject_alone() -> None:
    found = report(
        rule("alias.managed", judges=Subject.ALIAS),
        things=[thing(**OFF), thing("alias.a", subject=Subject.ALIAS, alias__managed=False)],
    )
    assert [one.address for one in found.findings] == ["alias.a"]
    assert found.objects == 2


def test_verdicts_are_shared_only_where_everything_that_was_asked_is_the_same() -> None:
    values: list[dict[str, Any]] = [
        {"key__tags": {"a": "1"}},
        {"key__tags": {"a": "2"}},
        {"key__tags": {"a": "1"}},
        {"key__tags": {}},
        {},
    ]
    things = [thing(f"key.k{index}", **facts) for index, facts in enumerate(values)]
    found = report(rule('key.tags["a"] == "1"'), things=things)
    assert [one.address for one in found.findings] == ["key.k1", "key.k3"]
    assert (found.judged[0].held, found.judged[0].skipped) == (2, 1)


@pytest.mark.parametrize("address", ["key.a", "key-1", "key.*", "*-1", "key.[ab]", "?????"])
def test_a_waiver_means_an_address_an_identity_or_a_glob_of_either(address: str) -> None:
    found = report(rule(), things=[thing(**OFF)], waivers=(waiver(address),))
    assert (found.findings, found.unused) == ((), ())
    assert found.waived[0].waiver == waiver(address)


@pytest.mark.parametrize("address", ["key.", "key.A", "a", "key.ab", "KEY.*", "key-12", ""])
def test_it_means_nothing_else(address: str) -> None:
    found = report(rule(), things=[thing(**OFF)], waivers=(waiver(address),))
    assert found.refused
    assert found.unused == (waiver(address),)


def test_a_waiver_of_another_rule_or_of_drift_lets_nothing_pass() -> None:
    found = report(rule(), things=[thing(**OFF)], waivers=(waiver("key.a", name="two"), waiver("key.a", name=None)))
    assert found.refused
    assert found.unused == (waiver("key.a", name="two"),), "drift is not this report's business"


def test_one_that_has_ended_accepts_nothing_and_is_named() -> None:
    ended = waiver("key.a", date(2026, 5, 31))
    found = report(rule(), things=[thing(**OFF)], waivers=(ended,))
    assert found.refused
    assert found.findings[0].waiver == ended
    assert found.unused == (), "somebody has to look at it"


def test_of_several_the_one_that_counts_longest_counts() -> None:
    short, long = waiver("key.*", date(2026, 5, 1)), waiver("key.a", date(2026, 7, 1))
    found = report(rule(), things=[thing(**OFF)], waivers=(short, long))
    assert found.waived[0].waiver == long
    assert found.unused == ()


def test_a_waiver_is_used_only_where_the_rule_is_broken() -> None:
    assert report(rule(), things=[thing(**ON)], waivers=(waiver("key.a"),)).unused == (waiver("key.a"),)


def test_a_long_value_is_cut_in_the_message_and_whole_in_the_evidence() -> None:
    found = report(rule('key.description == ""'), things=[thing(key__description="x" * 1000)])
    (finding,) = found.findings
    assert len(finding.message) < 250
    assert finding.evidence["key.description"] == "x" * 1000


def test_a_time_is_evidence_too() -> None:
    moment = datetime(2026, 6, 1, tzinfo=UTC)
    found = report(rule('now < timestamp("2026-01-01T00:00:00Z")'), things=[thing(now=moment)])
    assert found.findings[0].evidence == {"now": "2026-06-01T00:00:00+00:00"}


def test_many_keys_are_judged_in_little_time() -> None:
    rules = [rule(f"key.enabled && size(key.tags) >= {number}", name=f"r{number}") for number in range(20)]
    things = [thing(f"key.k{number}", key__tags={"n": str(number % 7)}, **ON) for number in range(10_000)]
    found = report(*rules, things=things)
    assert sum(counts.held + counts.broken for counts in found.judged) == 200_000
