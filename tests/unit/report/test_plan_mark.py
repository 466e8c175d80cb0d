"""How changes are marked, and the dates that a plan would set."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kmsplan.inventory.due import DueKind
from kmsplan.plan.plan import Action, Change, Plan, Reason
from kmsplan.report.plan_due import plan_due
from kmsplan.report.plan_mark import by_risk, mark_of
from kmsplan.resource.address import Address
from tests.browser.specimen import NOW, plan


def change(action: Action, address: str = "key.a", **said: Any) -> Change:
    return Change(address=Address(address), action=action, reason=Reason.CHANGED, **said)


@pytest.mark.parametrize(
    ("changed", "glyph", "word"),
    [
        (change(Action.CREATE), "+", "create"),
        (change(Action.DELETE), "-", "schedule deletion"),
        (change(Action.DELETE, "alias.a"), "-", "delete"),
        (change(Action.REPLACE), "-/+", "replace"),
        (change(Action.UPDATE, after={"enabled": True}, attributes=("enabled",)), "~", "update"),
        (change(Action.UPDATE, after={"enabled": False}, attributes=("enabled",)), "~", "disable"),
        (change(Action.UPDATE, after={"enabled": False}, attributes=("tags",)), "~", "update"),
        (
            change(Action.UPDATE, after={"deletion_protection": False}, attributes=("deletion_protection",)),
            "~",
            "unprotect",
        ),
        (change(Action.DELETE, blocked="why"), "!", "blocked"),
        (change(Action.NO_OP), "=", "record"),
    ],
)
def test_a_change_is_marked_by_what_it_takes_away(changed: Change, glyph: str, word: str) -> None:
    assert (mark_of(changed).glyph, mark_of(changed).word) == (glyph, word)


def test_every_action_has_a_mark_and_no_two_share_one() -> None:
    assert len({mark_of(change(action)) for action in Action}) == len(Action)


def test_what_takes_away_comes_before_what_gives() -> None:
    changes = (
        change(Action.CREATE, "key.a"),
        change(Action.UPDATE, "key.b"),
        change(Action.DELETE, "key.c"),
        change(Action.REPLACE, "key.d"),
        change(Action.NO_OP, "key.e"),
    )
    made = Plan(lineage="L", serial=1, environment="e", config_digest="c", changes=changes)
    assert [one.address for one, _ in by_risk(made)] == ["key.c", "key.d", "key.b", "key.a"]


def test_dates_follow_from_operations_and_what_is_blocked_sets_none() -> None:
    found = plan_due(plan(), NOW)
    assert [(due.kind, due.address, due.at - NOW) for due in found] == [
        (DueKind.ROTATION, "key.new", timedelta(days=1)),
        (DueKind.DELETION, "key.gone", timedelta(days=30)),
    ]
