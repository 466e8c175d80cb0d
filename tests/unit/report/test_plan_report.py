"""What the golden cases under tests/case/plan do not show of a plan's text and JSON."""

from __future__ import annotations

import json
import re

import pytest

from kmsplan.plan.plan import Action, Change, Drift, Plan, Reason, Unchanged, Violation
from kmsplan.report.counts import counts
from kmsplan.report.plan_json import ACTIONS, plan_json
from kmsplan.report.plan_text import plan_text, summary_line
from kmsplan.report.scene import Scene
from kmsplan.report.style import Style
from kmsplan.resource.address import Address

BLANK = Plan(lineage="L", serial=1, environment="e", config_digest="c", changes=())


def change(action: Action, number: int = 1, kind: str = "key", **said: object) -> Change:
    where = Address(f"{kind}.k{number}")
    return Change(address=where, action=action, reason=Reason.CHANGED, identity="id", **said)  # type: ignore[arg-type]


def plan(*changes: Change, **said: object) -> Plan:
    return Plan(lineage="L", serial=1, environment="e", config_digest="c", changes=changes, **said)  # type: ignore[arg-type]


def test_no_changes_is_said_in_the_words_that_pipelines_look_for() -> None:
    assert plan_text(BLANK, Scene()) == "No changes. Your keys match the configuration.\n"


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (Action.CREATE, (1, 0, 0)),
        (Action.REPLACE, (1, 0, 0)),
        (Action.UPDATE, (0, 1, 0)),
        (Action.RESTORE, (0, 1, 0)),
        (Action.DELETE, (0, 0, 1)),
        (Action.ADOPT, (0, 0, 0)),
        (Action.FORGET, (0, 0, 0)),
    ],
)
def test_the_summary_line_is_the_one_that_tools_parse(action: Action, expected: tuple[int, int, int]) -> None:
    found = re.match(r"^Plan: (\d+) to add, (\d+) to change, (\d+) to destroy\.$", summary_line(plan(change(action))))
    assert found is not None
    assert tuple(map(int, found.groups())) == expected


def test_blocked_changes_are_counted_apart() -> None:
    found = counts([change(Action.CREATE), change(Action.DELETE, 2, blocked="no")])
    assert (found.add, found.destroy, found.blocked, found.also) == (1, 0, 1, ((1, "blocked"),))


def test_only_keys_are_scheduled_for_deletion() -> None:
    assert counts([change(Action.DELETE), change(Action.DELETE, kind="alias")]).scheduled == 1


def test_the_legend_has_only_the_symbols_in_use() -> None:
    text = plan_text(plan(change(Action.FORGET), change(Action.CREATE, 2, after={}, blocked="no")), Scene())
    legend = text.split("\n\n")[0]
    assert ". forget" in legend
    assert "+ create" not in legend


def test_colour_is_all_that_colour_adds() -> None:
    full = plan(
        change(Action.CREATE, after={"enabled": True, "tags": {"a": "1"}}, note="n"),
        change(Action.UPDATE, 2, before={"enabled": True}, after={"enabled": False}, attributes=("enabled",)),
        change(Action.DELETE, 3, before={"enabled": True}),
        change(Action.REPLACE, 4, before={"spec": "a"}, after={"spec": "b"}, attributes=("spec",)),
        change(Action.NO_OP, 5, blocked="cannot be read"),
        drift=(Drift(address="key.k2", identity="id", kind="vanished"),),
        violations=(Violation(code="P109", address=Address("key.k3"), summary="s", detail="d"),),
    )
    plain, coloured = plan_text(full, Scene()), plan_text(full, Scene(style=Style(color=True)))
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    assert "\x1b[1;31mError:\x1b[0m" in coloured


def test_unmanaged_objects_are_no_news_for_a_plan() -> None:
    noise = Drift(address="", identity="key-9", kind="unmanaged")
    assert "outside of kmsplan" not in plan_text(plan(drift=(noise,)), Scene())


def test_policies_show_only_where_they_differ() -> None:
    before = {"policy": {"Statement": [{"Effect": "Allow", "Action": ["a", "b"]}], "Version": "1"}}
    after = {"policy": {"Statement": [{"Effect": "Deny", "Action": ["a"]}], "Version": "1", "Id\x1b": "x"}}
    text = plan_text(plan(change(Action.UPDATE, before=before, after=after, attributes=("policy",))), Scene())
    assert '          + Id\\x1b = "x"\n' in text
    assert '          - Statement[0].Action[1] = "b"\n' in text
    assert '          ~ Statement[0].Effect = "Allow" -> "Deny"\n' in text
    assert "Version" not in text


def test_a_policy_against_none_shows_whole() -> None:
    after = {"policy": {"Version": "1"}}
    changed = change(Action.UPDATE, before={"policy": None}, after=after, attributes=("policy",))
    assert '~ policy   = null -> {"Version": "1"}' in plan_text(plan(changed), Scene())


def test_every_action_has_terraforms_words() -> None:
    assert set(ACTIONS) == set(Action)
    assert ACTIONS[Action.REPLACE] == ("create", "forget")
    assert "delete" not in ACTIONS[Action.REPLACE]


def test_pipelines_see_an_update_where_what_is_adopted_is_changed_as_well() -> None:
    before, after = {"enabled": True}, {"enabled": False}
    changed = change(Action.ADOPT, 1, before=before, after=after, attributes=("enabled",))
    document = json.loads(plan_json(plan(changed, change(Action.ADOPT, 2)), Scene()))
    assert [one["change"]["actions"] for one in document["resource_changes"]] == [["update"], ["no-op"]]
    assert [one["change"]["action"] for one in document["resource_changes"]] == ["adopt", "adopt"]


def test_the_document_lists_unchanged_objects_among_the_changes() -> None:
    same = Unchanged(Address("key.a"), "key-1", {"enabled": True})
    made = plan(change(Action.CREATE, after={}, unknown=("identity",)), unchanged=(same,))
    document = json.loads(plan_json(made, Scene()))
    assert [entry["address"] for entry in document["resource_changes"]] == ["key.a", "key.k1"]
    assert document["resource_changes"][0]["change"]["actions"] == ["no-op"]
    assert document["resource_changes"][0]["change"]["after"] == {"enabled": True}
    assert document["resource_changes"][1]["change"]["after_unknown"] == {"identity": True}
    assert document["summary"]["actions"]["no-op"] == 1
    assert (document["applyable"], document["complete"]) == (True, True)


def test_what_is_risky_is_named_again_behind_changes_that_are_too_many_to_read() -> None:
    creations = tuple(change(Action.CREATE, number) for number in range(10_000))
    gone = Change(address=Address("key.a"), action=Action.DELETE, reason=Reason.NOT_IN_CONFIGURATION, before={})
    moved = Change(
        address=Address("alias.a"),
        action=Action.UPDATE,
        reason=Reason.CHANGED,
        before={"key": "key.a"},
        after={"key": "key.k1"},
        attributes=("key",),
    )
    end = plan_text(plan(moved, gone, *creations), Scene()).splitlines()[-2:]
    assert end == ["The plan destroys: key.a.", "The plan moves an alias: alias.a."]
    assert "The plan destroys" not in plan_text(plan(moved, gone), Scene())
