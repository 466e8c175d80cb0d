from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.plan.plan import GLYPHS, Action, Allowances

if TYPE_CHECKING:
    from tests.unit.plan.conftest import Small


def test_every_action_has_a_glyph() -> None:
    assert set(GLYPHS) == set(Action)
    assert len(set(GLYPHS.values())) == len(Action)


def test_a_plan_without_changes_is_empty_and_not_applyable(small: Small) -> None:
    plan = small.plan()
    assert plan.empty
    assert plan.complete
    assert not plan.applyable
    assert [one.address for one in plan.unchanged] == ["alias.orders", "instance.core", "key.orders"]


def test_changes_are_sorted_and_applyable(fresh: Small) -> None:
    plan = fresh.plan()
    assert [change.address for change in plan.effective] == ["alias.orders", "instance.core", "key.orders"]
    assert plan.applyable
    assert not plan.empty


def test_a_violation_makes_a_plan_not_applyable(small: Small) -> None:
    del small.desired[next(address for address in small.desired if address == "key.orders")]
    del small.desired[next(address for address in small.desired if address == "alias.orders")]
    plan = small.plan()
    assert [violation.code for violation in plan.violations] == ["P109"]
    assert not plan.applyable


def test_a_plan_keeps_what_it_was_made_from(small: Small) -> None:
    allowances = Allowances(delete=2, mass=True, in_use=("key.b", "key.a"))
    plan = small.plan(allowances=allowances, targets=("key.*",))
    assert (plan.lineage, plan.serial, plan.environment, plan.config_digest) == ("L", 3, "kms/1", "config-1")
    assert plan.allowances == Allowances(delete=2, mass=True, in_use=("key.a", "key.b"))
    assert plan.targets == ("key.*",)
    assert plan.keys == 1
