from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kmsplan.plan.stale import stale
from kmsplan.resource.value import ABSENT, Present, Unreadable

if TYPE_CHECKING:
    from kmsplan.plan.plan import Plan
    from tests.unit.plan.conftest import Small


@pytest.fixture
def changing(small: Small) -> Small:
    """One key's tags are to change, another key is to stay."""
    small.declare("key.other", instance="instance.core")
    small.exists("key.other", "key-2")
    small.declare("key.orders", instance="instance.core", tags={"team": "billing"})
    return small


def moved(plan: Plan, small: Small, config_digest: str = "config-1") -> tuple[str, ...]:
    return stale(plan, config_digest=config_digest, recorded=small.recorded, observed=small.observed)


def test_a_plan_holds_while_nothing_has_moved(changing: Small) -> None:
    assert moved(changing.plan(), changing) == ()


def test_what_the_plan_does_not_touch_may_move(changing: Small) -> None:
    plan = changing.plan()
    changing.see("key.other", description="moved")
    changing.see("alias.orders", key="key-2")
    assert moved(plan, changing) == ()


def test_a_touched_object_that_changed_is_named(changing: Small) -> None:
    plan = changing.plan()
    changing.see("key.orders", description="moved")
    (found,) = moved(plan, changing)
    assert "key.orders" in found
    assert "changed" in found


def test_what_a_touched_object_refers_to_counts_too(changing: Small) -> None:
    plan = changing.plan()
    changing.see("instance.core", key_quota=500)
    (found,) = moved(plan, changing)
    assert "instance.core" in found


def test_a_touched_object_that_is_gone_or_unreadable_is_named(changing: Small) -> None:
    plan = changing.plan()
    changing.objects["key-1"] = ABSENT
    assert moved(plan, changing) == ("key.orders (key-1): it is gone",)
    changing.objects["key-1"] = Unreadable("Rejected.Unavailable", "no answer")
    assert "can no longer be read" in moved(plan, changing)[0]


def test_an_alias_that_exists_by_now_is_named(fresh: Small) -> None:
    plan = fresh.plan()
    fresh.others = [Present(kind="alias", identity="alias/orders", attributes={"key": "key-9"})]
    assert moved(plan, fresh) == ("alias.orders (alias/orders): it exists now",)


def test_a_vanished_object_that_is_back_is_named(small: Small) -> None:
    present = small.objects.pop("key-1")
    small.objects["key-1"] = ABSENT
    plan = small.plan()
    small.objects["key-1"] = present
    assert "key.orders (key-1): it exists now" in moved(plan, small)


def test_serial_lineage_environment_and_configuration_are_named(changing: Small) -> None:
    plan = changing.plan()
    assert "configuration" in moved(plan, changing, "config-2")[0]
    changing.serial = 4
    assert "serial 4" in moved(plan, changing)[0]
    changing.serial, changing.environment = 3, "kms/2"
    assert "kms/2" in moved(plan, changing)[0]
    other = replace(changing.recorded, lineage="M", environment=plan.environment)
    observed = replace(changing.observed, environment=plan.environment)
    (found,) = stale(plan, config_digest="config-1", recorded=other, observed=observed)
    assert "lineage" in found
