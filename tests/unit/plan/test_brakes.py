from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from kmsplan.kms.naming import Owner
from kmsplan.plan.brakes import find_brakes
from kmsplan.plan.owning import owner_step
from kmsplan.plan.plan import Action, Allowances, Change, Plan, Reason, Violation
from kmsplan.resource.address import Address
from kmsplan.resource.value import Observed, Present

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = 86_400


def key(number: int, action: Action = Action.UPDATE, **said: Any) -> Change:
    return Change(
        address=Address(f"key.k{number}"),
        action=action,
        identity=f"key-{number}",
        **{"reason": Reason.CHANGED, "before": {}, "after": {}, **said},
    )


def disabling(**before: Any) -> Change:
    return key(1, before={"enabled": True, **before}, after={"enabled": False}, attributes=("enabled",))


def brakes(
    *changes: Change, keys: int = 1, present: tuple[Present, ...] = (), interrupted: int = 0, **allowed: Any
) -> tuple[Violation, ...]:
    observed = Observed(environment="e", objects={}, others=present)
    plan = Plan(lineage="", serial=0, environment="e", config_digest="", changes=changes, keys=keys)
    return find_brakes(plan, observed, now=NOW, allowances=Allowances(**allowed), allowed=interrupted)


def codes(*changes: Change, **said: Any) -> list[str]:
    return [brake.code for brake in brakes(*changes, **said)]


def seen(**computed: Any) -> tuple[Present, ...]:
    return (Present(kind="key", identity="key-1", attributes={}, computed=computed),)


@pytest.mark.parametrize(("allowed", "expected"), [(0, ["P201"]), (1, []), (2, ["P201"])])
def test_the_number_of_deletions_is_the_allowed_one_exactly(allowed: int, expected: list[str]) -> None:
    assert codes(key(1, Action.DELETE), delete=allowed) == expected


def test_an_allowance_without_any_deletion_is_refused_while_there_is_something_to_do() -> None:
    assert codes(key(1, Action.CREATE), delete=1) == ["P201"]
    assert codes(delete=1) == []


@pytest.mark.parametrize(("expected", "codes_"), [(0, ["P201"]), (1, []), (2, []), (3, []), (4, ["P201"])])
def test_what_is_left_of_an_interrupted_run_goes_with_the_number_it_had(expected: int, codes_: list[str]) -> None:
    """The very same command again; or the number of what is left, or of what was left in between."""
    assert codes(key(1, Action.DELETE), interrupted=3, delete=expected) == codes_


def test_instances_count_and_aliases_do_not() -> None:
    instance = Change(address=Address("instance.core"), action=Action.DELETE, reason=Reason.DESTROY)
    alias = Change(address=Address("alias.a"), action=Action.DELETE, reason=Reason.DESTROY)
    assert codes(instance, alias, delete=1, release=("instance.core",)) == []


def test_an_instance_is_released_by_its_own_name_only() -> None:
    core, spare = (
        Change(address=Address(f"instance.{name}"), action=Action.DELETE, reason=Reason.DESTROY, identity=f"kst-{name}")
        for name in ("core", "spare")
    )
    (found,) = brakes(core, delete=1)
    assert (found.code, found.address, found.brake) == ("P204", "instance.core", True)
    assert "--allow-release instance.core" in found.detail
    assert "kst-core" in found.detail
    assert [brake.address for brake in brakes(core, spare, delete=2, release=("instance.core",))] == ["instance.spare"]
    assert codes(replace(core, blocked="keys are in it"), delete=0) == []
    assert codes(replace(core, action=Action.FORGET)) == []


def test_blocked_deletions_are_not_counted() -> None:
    assert codes(key(1, Action.DELETE, blocked="no"), key(2, Action.CREATE)) == []


def test_the_flag_to_pass_is_named() -> None:
    (found,) = brakes(key(1, Action.DELETE))
    assert "--allow-delete 1" in found.detail
    assert "key.k1" in found.detail
    assert found.brake


@pytest.mark.parametrize(
    ("changed", "keys", "expected"),
    [(3, 10, []), (4, 10, ["P202"]), (9, 9, []), (31, 100, ["P202"]), (30, 100, [])],
)
def test_more_than_three_in_ten_of_ten_or_more_keys_is_mass(changed: int, keys: int, expected: list[str]) -> None:
    assert codes(*map(key, range(changed)), keys=keys) == expected


def test_owner_tags_that_follow_moves_are_no_mass() -> None:
    mark = owner_step("key-1", Owner("l", "key.k1", "moved"))
    assert codes(*(key(number, steps=(mark,)) for number in range(10)), keys=10) == []
    assert codes(*(key(number, steps=(mark,), attributes=("tags",)) for number in range(10)), keys=10) == ["P202"]


def test_many_keys_that_are_gone_are_not_made_anew_as_if_that_were_nothing() -> None:
    anew = [key(number, Action.CREATE, reason=Reason.VANISHED) for number in range(4)]
    (found,) = brakes(*anew, keys=10)
    assert found.code == "P202"
    assert "an old backup" in found.detail
    assert codes(*anew[:3], keys=10) == codes(*anew, keys=10, mass=True) == []


def test_mass_is_let_go_by_its_flag_and_creations_do_not_count() -> None:
    assert codes(*map(key, range(10)), keys=10, mass=True) == []
    assert codes(*(key(number, Action.CREATE) for number in range(50)), keys=10) == []


@pytest.mark.parametrize(
    ("attributes", "protected", "expected"),
    [
        (("deletion_protection",), True, []),
        (("deletion_protection",), False, ["P202"]),
        (("tags", "deletion_protection"), True, ["P202"]),
    ],
)
def test_turning_protection_on_does_not_count_and_off_does(
    attributes: tuple[str, ...], expected: list[str], *, protected: bool
) -> None:
    said: dict[str, Any] = {"attributes": attributes, "after": {"deletion_protection": protected}}
    assert codes(*(key(number, **said) for number in range(10)), keys=10) == expected


def test_a_key_with_an_alias_is_not_disabled_without_its_name() -> None:
    alias = Present(kind="alias", identity="alias/theirs", attributes={"key": "key-1"})
    (found,) = brakes(disabling(), present=(alias,))
    assert (found.code, found.address) == ("P203", "key.k1")
    assert "alias/theirs" in found.detail
    assert "--allow-in-use key.k1" in found.detail
    assert codes(disabling(), present=(alias,), in_use=("key.k1",)) == []
    assert codes(disabling(), present=(alias,), in_use=("key.k2",)) == ["P203"]


def test_an_alias_that_leaves_in_the_same_plan_does_not_hold_the_key() -> None:
    alias = Present(kind="alias", identity="alias/a", attributes={"key": "key-1"})
    gone = Change(address=Address("alias.a"), action=Action.DELETE, reason=Reason.DESTROY, identity="alias/a")
    moved = Change(
        address=Address("alias.a"),
        action=Action.UPDATE,
        reason=Reason.CHANGED,
        identity="alias/a",
        attributes=("key",),
    )
    assert codes(disabling(), gone, present=(alias,)) == []
    assert codes(disabling(), moved, present=(alias,)) == []


@pytest.mark.parametrize("action", [Action.CREATE, Action.UPDATE, Action.ADOPT])
def test_an_alias_that_comes_in_the_same_plan_holds_the_key(action: Action) -> None:
    coming = Change(
        address=Address("alias.a"),
        action=action,
        reason=Reason.CHANGED,
        identity="alias/a",
        after={"key": "key.k1"},
        attributes=("key",),
    )
    (found,) = brakes(disabling(), coming)
    assert (found.code, "alias/a" in found.detail) == ("P203", True)


def test_a_key_that_is_disabled_as_it_is_adopted_is_a_key_in_use_like_any_other() -> None:
    alias = Present(kind="alias", identity="alias/theirs", attributes={"key": "key-1"})
    assert codes(replace(disabling(), action=Action.ADOPT), present=(alias,)) == ["P203"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("never", "2026-06-02T00:00:00Z", ["P203"]),
        ("2027-01-01T00:00:00Z", "2026-06-02T00:00:00Z", ["P203"]),
        ("2026-06-02T00:00:00Z", "2027-01-01T00:00:00Z", []),
        ("2026-06-02T00:00:00Z", "never", []),
        ("absent", "2026-06-02T00:00:00Z", []),
    ],
)
def test_material_of_a_key_in_use_is_not_let_expire_sooner_without_its_name(
    before: str, after: str, expected: list[str]
) -> None:
    alias = Present(kind="alias", identity="alias/a", attributes={"key": "key-1"})
    change = key(1, before={"imported": before}, after={"imported": after}, attributes=("imported",))
    found = brakes(change, present=(alias,))
    assert [brake.code for brake in found] == expected
    assert all("let the material of key.k1 expire at 2026-06-02T00:00:00Z" in brake.detail for brake in found)
    assert codes(change, present=(alias,), in_use=("key.k1",)) == []


@pytest.mark.parametrize(
    ("computed", "expected"),
    [
        ({"last_used": "2026-05-30T00:00:00Z", "tracked_since": "2020-01-01T00:00:00Z"}, ["P203"]),
        ({"last_used": "2026-05-01T00:00:00Z", "tracked_since": "2020-01-01T00:00:00Z"}, []),
        ({"last_used": "2026-05-30T00:00:00"}, ["P203"]),
        ({"last_used": datetime(2026, 5, 30, tzinfo=UTC)}, ["P203"]),
        ({"last_used": None, "tracked_since": "2026-05-30T00:00:00Z"}, ["P203"]),
        ({"last_used": None, "tracked_since": "2026-01-01T00:00:00Z"}, []),
        ({"last_used": None, "tracked_since": None}, ["P203"]),
        ({}, ["P203"]),
    ],
)
def test_recent_or_unknown_use_holds_a_key(computed: dict[str, Any], expected: list[str]) -> None:
    assert codes(disabling(unused_for=7 * DAY), present=seen(**computed)) == expected


def test_without_unused_for_use_does_not_matter() -> None:
    assert codes(disabling(), present=seen(last_used="2026-06-01T00:00:00Z")) == []


def test_the_longer_of_recorded_and_declared_counts_so_that_one_plan_cannot_lower_it() -> None:
    change = key(
        1,
        before={"enabled": True, "unused_for": 90 * DAY},
        after={"enabled": False, "unused_for": DAY},
        attributes=("enabled",),
    )
    used = seen(last_used="2026-05-01T00:00:00Z", tracked_since="2020-01-01T00:00:00Z")
    assert codes(change, present=used) == ["P203"]


def test_deleting_is_stopping_too() -> None:
    deleted = key(1, Action.DELETE, before={"enabled": False, "unused_for": DAY}, after=None)
    assert codes(deleted, delete=1, present=seen()) == ["P203"]


def test_allowances_join() -> None:
    joined = Allowances(delete=1, in_use=("a",)).joined(Allowances(delete=3, mass=True, in_use=("b", "a")))
    assert joined == Allowances(delete=3, mass=True, in_use=("a", "b"))
    assert Allowances(delete=1).joined(Allowances()) == Allowances(delete=1)
