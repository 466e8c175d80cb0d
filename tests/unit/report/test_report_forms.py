"""Forms that others read: they are valid, whole, and never longer than their reader takes."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from kmsplan.apply.schema import outcome_schema
from kmsplan.config.diagnostic import Span
from kmsplan.plan.blast import CHANGING
from kmsplan.plan.plan import Action, Change, Plan, Reason
from kmsplan.plan.planfile import digest
from kmsplan.report.fitting import COMMENT, SUMMARY, all_of, some_of
from kmsplan.report.form import Subject, forms, render
from kmsplan.report.remark import Fingerprints
from kmsplan.report.risk import Risk, risk_of
from kmsplan.report.sarif import MOST_RESULTS
from kmsplan.resource.address import Address
from tests.reports import HOSTILE, MAKERS, NOTHING, change, drift, many, plan, policy, scene

if TYPE_CHECKING:
    from kmsplan.report.scene import Scene

SCHEMAS = Path(__file__).parents[2] / "schema"
REMARKED = [(subject, form) for subject in MAKERS for form in ("sarif", "gitlab-codequality") if form in forms(subject)]
TEXTS = st.text(max_size=20) | st.just(HOSTILE)


@cache
def sarif_schema() -> Any:
    # jsonschema_rs refuses one of its patterns.
    return jsonschema.Draft4Validator(json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_text()))


@cache
def junit_schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(SCHEMAS / "junit-10.xsd"))


def sarif(subject: Subject, value: Any, where: Scene | None = None) -> Any:
    document = json.loads(render(subject, "sarif", value, where or scene()))
    sarif_schema().validate(document)
    return document["runs"][0]


def quality(subject: Subject, value: Any) -> Any:
    document = json.loads(render(subject, "gitlab-codequality", value, scene()))
    schema = json.loads((SCHEMAS / "gitlab-codequality.json").read_text())
    jsonschema_rs.validator_for(schema).validate(document)
    return document


@pytest.mark.parametrize("subject", [one for one in MAKERS if "sarif" in forms(one)])
@settings(max_examples=20, deadline=None)
@given(text=TEXTS)
def test_sarif_is_what_its_schema_says(subject: Subject, text: str) -> None:
    run = sarif(subject, MAKERS[subject](text))
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    assert sarif(subject, NOTHING[subject])["results"] == []


@pytest.mark.parametrize("subject", list(MAKERS))
@settings(max_examples=20, deadline=None)
@given(text=TEXTS)
def test_junit_is_what_its_schema_says(subject: Subject, text: str) -> None:
    for value in (MAKERS[subject](text), NOTHING[subject]):
        root = etree.fromstring(render(subject, "junit", value, scene()).encode())
        junit_schema().assertValid(root)
        (suite,) = root
        cases = suite.findall("testcase")
        found = Counter(child.tag for case in cases for child in case)
        assert cases
        counted = [suite.get(name) for name in ("tests", "failures", "errors", "skipped")]
        assert counted == [str(len(cases)), *(str(found[tag]) for tag in ("failure", "error", "skipped"))]


@pytest.mark.parametrize("subject", [one for one in MAKERS if "gitlab-codequality" in forms(one)])
@settings(max_examples=20, deadline=None)
@given(text=TEXTS)
def test_code_quality_is_what_the_documentation_says(subject: Subject, text: str) -> None:
    found = [entry["fingerprint"] for entry in quality(subject, MAKERS[subject](text))]
    assert len(set(found)) == len(found)
    assert quality(subject, NOTHING[subject]) == []


@settings(max_examples=20, deadline=None)
@given(text=TEXTS)
def test_the_document_of_an_apply_is_what_its_schema_says(text: str) -> None:
    schema = jsonschema_rs.validator_for(outcome_schema())
    for value in (MAKERS[Subject.OUTCOME](text), NOTHING[Subject.OUTCOME]):
        schema.validate(json.loads(render(Subject.OUTCOME, "json", value, scene())))


def test_findings_are_located_where_the_object_is_declared() -> None:
    results = sarif(Subject.POLICY, policy())["results"]
    physical = results[0]["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == "conf/kmsplan.yaml"
    assert physical["region"] == {"startLine": 4, "startColumn": 3}
    nowhere = results[-1]["locations"][0]["physicalLocation"]
    assert nowhere["artifactLocation"]["uri"] == "conf/kmsplan.yaml"
    assert nowhere["region"]["startLine"] == 1


def test_a_path_becomes_a_uri() -> None:
    where = replace(scene("my conf"), places={Address("key.orders"): Span("a b#1.yaml", 2, 1, 2, 2)})
    uri = sarif(Subject.DRIFT, drift(), where)["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"][
        "uri"
    ]
    assert uri == "my%20conf/a%20b%231.yaml"


@pytest.mark.parametrize(("subject", "form"), REMARKED)
def test_a_fingerprint_stays_when_lines_move(subject: Subject, form: str) -> None:
    def prints(shift: int) -> list[str]:
        places = {
            name: replace(span, line=span.line + shift, end_line=span.end_line + shift)
            for name, span in scene().places.items()
        }
        document = json.loads(render(subject, form, MAKERS[subject]("payments"), replace(scene(), places=places)))
        if form == "sarif":
            return [result["partialFingerprints"]["kmsplan/v1"] for result in document["runs"][0]["results"]]
        return [entry["fingerprint"] for entry in document]

    assert prints(0) == prints(100)
    assert len(set(prints(0))) == len(prints(0)) > 0


def test_two_remarks_of_one_rule_and_object_have_two_fingerprints() -> None:
    prints = Fingerprints()
    assert len({prints.of("P109", "key.a"), prints.of("P109", "key.a"), prints.of("P109", "key.b")}) == 3


def test_what_the_plan_will_do_is_no_defect() -> None:
    rules = {result["ruleId"] for result in sarif(Subject.PLAN, plan())["results"]}
    assert rules == {"P109", "P201", "plan-unreadable"}


def test_more_results_than_code_scanning_takes_are_cut_and_counted() -> None:
    run = json.loads(render(Subject.POLICY, "sarif", many(Subject.POLICY, MOST_RESULTS + 7), scene()))["runs"][0]
    (notification,) = run["invocations"][0]["toolExecutionNotifications"]
    assert len(run["results"]) == MOST_RESULTS
    assert notification["message"]["text"].startswith("7 more results are left out")


def test_github_is_told_the_worst_ten_of_a_kind_and_how_many_more() -> None:
    lines = render(Subject.PLAN, "github", many(Subject.PLAN, 90), scene()).splitlines()
    kinds = [line.split(" ")[0] for line in lines]
    assert kinds == ["::error"] * 10 + ["::warning"] * 10 + ["::notice"]
    assert lines[9] == "::error title=kmsplan plan::21 more that GitHub would not show, the next at key.k000029."


@pytest.mark.parametrize("subject", list(MAKERS))
@pytest.mark.parametrize("form", ["github", "azure"])
def test_annotations_have_the_worst_first(subject: Subject, form: str) -> None:
    lines = render(subject, form, MAKERS[subject]("x"), scene()).splitlines()
    heads = [re.match(r"::(\w+)|##vso\[task.logissue type=(\w+)|", line) for line in lines]
    words = [head and (head[1] or head[2]) for head in heads]
    ranks = [{"error": 0, "warning": 1}.get(str(word), 2) for word in words]
    assert ranks == sorted(ranks)
    assert ranks[0] == 0


@pytest.mark.parametrize("count", [0, 1, 40, 400, 4_000, 20_000])
def test_a_plan_of_any_size_fits_into_a_comment_and_a_summary(count: int) -> None:
    value = many(Subject.PLAN, count)
    assert len(render(Subject.PLAN, "markdown", value, scene()).encode()) <= COMMENT.limit < 60_000
    assert len(render(Subject.PLAN, "github-summary", value, scene()).encode()) <= SUMMARY.limit < 1 << 20


@pytest.mark.parametrize("subject", list(MAKERS))
def test_a_hundred_thousand_of_anything_fit_into_a_comment(subject: Subject) -> None:
    markdown = render(subject, "markdown", many(subject, 100_000), scene())
    assert len(markdown.encode()) <= COMMENT.limit
    assert markdown.count("<details>") == markdown.count("</details>")
    assert markdown.rstrip().endswith("</sub>")
    assert " more" in markdown


STAGES = {
    10: "10 changes</summary>",
    100: "100 changes, without attributes that stay as they are</summary>",
    400: "400 changes, attribute names only</summary>",
    2_000: "2000 changes, addresses only</summary>",
}


@pytest.mark.parametrize("count", STAGES)
def test_a_plan_gets_shorter_in_stages(count: int) -> None:
    value = many(Subject.PLAN, 3 * count)
    same = {"enabled": True, "description": "d" * 600}
    changes = tuple(
        replace(one, before={**one.before, **same}, after={**one.after, **same}, attributes=("tags",), blast=None)
        for one in value.changes
        if one.action is Action.UPDATE and one.before and one.after
    )
    markdown = render(Subject.PLAN, "markdown", replace(value, changes=changes, violations=()), scene())
    assert STAGES[count] in markdown


def test_what_a_cut_list_leaves_out_is_counted() -> None:
    markdown = render(Subject.PLAN, "markdown", many(Subject.PLAN, 9_000), scene())
    listed = sum(line.startswith(("!   key.k", "-   key.k", "+   key.k")) for line in markdown.splitlines())
    (left,) = (line for line in markdown.splitlines() if line.endswith("more are not listed"))
    assert listed + int(left.split()[0]) == 9_000
    assert "| key | 3000 | 3000 | 3000 |" in markdown


def test_the_gravest_risks_are_listed_first() -> None:
    markdown = render(Subject.PLAN, "markdown", many(Subject.PLAN, 9_000), scene())
    first = next(line for line in markdown.splitlines() if line.startswith("| **"))
    assert first.startswith("| **destroy** | <code>key.k000002</code> | is scheduled for deletion |")


def test_the_risks_stand_outside_what_is_folded() -> None:
    top = render(Subject.PLAN, "markdown", plan(), scene()).partition("<details>")[0]
    assert [risk for risk in Risk if f"**{risk.value}**" not in top] == []
    assert "used by: billing" in top


@pytest.mark.parametrize(
    ("address", "action", "before", "after", "expected"),
    [
        ("key.a", Action.DELETE, {}, None, Risk.DESTROY),
        ("alias.a", Action.DELETE, {}, None, Risk.DESTROY),
        ("key.a", Action.UPDATE, {"enabled": True}, {"enabled": False}, Risk.DISABLE),
        ("key.a", Action.UPDATE, {"enabled": False}, {"enabled": True}, None),
        ("key.a", Action.ADOPT, {"enabled": True}, {"enabled": False}, Risk.DISABLE),
        ("key.a", Action.UPDATE, {"imported": "never"}, {"imported": "2026-07-01T00:00:00Z"}, Risk.EXPIRE),
        ("key.a", Action.UPDATE, {"imported": "2026-07-01T00:00:00Z"}, {"imported": "never"}, None),
        ("key.a", Action.UPDATE, {"imported": "absent"}, {"imported": "2026-07-01T00:00:00Z"}, None),
        ("key.a", Action.REPLACE, {}, {}, Risk.REPLACE),
        ("key.a", Action.UPDATE, {"deletion_protection": True}, {"deletion_protection": False}, Risk.UNPROTECT),
        ("key.a", Action.UPDATE, {"deletion_protection": False}, {"deletion_protection": True}, None),
        ("alias.a", Action.UPDATE, {"key": "key.a"}, {"key": "key.b"}, Risk.MOVE),
        ("key.a", Action.ADOPT, {"deletion_protection": True}, {"deletion_protection": False}, Risk.UNPROTECT),
        ("alias.a", Action.ADOPT, {"key": "key.a"}, {"key": "key.b"}, Risk.MOVE),
        ("key.a", Action.CREATE, None, {}, None),
    ],
)
def test_each_change_has_its_gravest_risk(
    address: str, action: Action, before: Any, after: Any, expected: Risk | None
) -> None:
    names = tuple(after or ()) if action in CHANGING else ()
    one = change(address, action, Reason.CHANGED, before=before, after=after, attributes=names)
    assert risk_of(one) is expected
    assert risk_of(replace(one, blocked="no answer")) is None


def test_the_next_command_carries_out_exactly_this_plan() -> None:
    made = Change(address=Address("key.a"), action=Action.DELETE, reason=Reason.DESTROY, identity="key-1", before={})
    value = Plan(lineage="L", serial=1, environment="e", config_digest="c", changes=(made,))
    markdown = render(Subject.PLAN, "markdown", value, scene())
    assert f"<code>kmsplan apply --digest sha256:{digest(value)}</code>" in markdown
    assert f"digest=sha256:{digest(value)}\n" in render(Subject.PLAN, "github-output", value, scene())


def test_rows_are_taken_whole_or_not_at_all() -> None:
    rows = ["aaaa\n", "éé\n", "cc\n"]
    assert some_of(rows, 3, 100, lambda more: f"{more} more") == "aaaa\néé\ncc\n"
    assert some_of(rows, 3, 10, lambda more: f"{more} more") == "aaaa\néé\n1 more"
    assert some_of(rows, 3, 9, lambda more: f"{more} more") == "aaaa\n2 more"
    assert all_of(rows, 13) == "aaaa\néé\ncc\n"
    assert all_of(rows, 12) is None
