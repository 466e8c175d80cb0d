from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmsplan.plan.stale import stale
from kmsplan.resource.value import Present, Unreadable
from tests.unit.plan.conftest import Small

if TYPE_CHECKING:
    from kmsplan.plan.plan import Plan


@pytest.fixture
def leaving() -> Small:
    """An empty instance that is to be released."""
    small = Small()
    small.declare("instance.old", type="software", deletion_protection=False)
    small.exists("instance.old", "kst-9")
    small.desired.clear()
    return small


def moved(small: Small, plan: Plan) -> tuple[str, ...]:
    return stale(plan, config_digest="config-1", recorded=small.recorded, observed=small.observed)


def key_in(instance: str) -> Present:
    return Present(kind="key", identity="key-5", attributes={"instance": instance})


def test_an_instance_is_not_released_while_a_key_of_others_cannot_be_read_which_may_be_in_it(leaving: Small) -> None:
    leaving.objects["key-5"] = Unreadable("Forbidden.NoPermission", "no permission")
    (change,) = leaving.plan().changes
    assert change.blocked == "a key in it must be gone first: key-5 could not be read"


@pytest.mark.parametrize("other", ["alias/orders", "kst-8"])
def test_what_is_no_key_and_cannot_be_read_is_in_no_instance(leaving: Small, other: str) -> None:
    leaving.objects[other] = Unreadable("Forbidden.NoPermission", "no permission")
    assert leaving.plan().changes[0].blocked is None


def test_a_saved_release_is_stale_once_the_instance_holds_a_key(leaving: Small) -> None:
    plan = leaving.plan()
    assert plan.changes[0].blocked is None
    assert moved(leaving, plan) == ()
    leaving.others = [key_in("kst-8")]
    assert moved(leaving, plan) == ()
    leaving.others = [key_in("kst-9")]
    assert moved(leaving, plan) == ("instance.old (kst-9): it holds key-5 now, which its release would destroy",)


def test_a_saved_release_is_stale_once_a_key_cannot_be_read_which_may_be_in_the_instance(leaving: Small) -> None:
    plan = leaving.plan()
    leaving.objects["key-5"] = Unreadable("Forbidden.NoPermission", "no permission")
    assert moved(leaving, plan) == ("instance.old (kst-9): it may hold key-5 now, which its release would destroy",)
