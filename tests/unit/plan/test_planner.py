"""What the golden cases do not show. See tests/case/plan for the cases themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kmsplan.config.configuration import Import
from kmsplan.kms.naming import OWNER_TAG
from kmsplan.kms.operation import TagResources
from kmsplan.plan.plan import Action, Reason
from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect, Status
from kmsplan.resource.value import ABSENT, Present, Unreadable

if TYPE_CHECKING:
    from tests.unit.plan.conftest import Small


def test_an_identity_that_was_not_read_is_not_taken_for_absent(small: Small) -> None:
    del small.objects["key-1"]
    (blocked,) = small.plan().blocked
    assert (blocked.address, blocked.reason) == ("key.orders", Reason.UNREADABLE)


def test_an_attribute_that_the_kms_does_not_tell_is_no_change(small: Small) -> None:
    present = small.see("key.orders")
    unread = {name: value for name, value in present.attributes.items() if name != "policy"}
    small.objects["key-1"] = replace(present, attributes=unread)
    assert small.plan().empty


def test_what_the_configuration_leaves_open_is_what_the_kms_chose(small: Small) -> None:
    small.see("key.orders", storage_mechanism="HsmInternal")
    plan = small.plan()
    assert plan.violations == ()
    (change,) = plan.effective
    assert (change.action, change.effect) == (Action.NO_OP, Effect(attributes={"storage_mechanism": "HsmInternal"}))


def test_a_change_that_only_settings_need_has_no_operation(small: Small) -> None:
    small.declare("key.orders", instance="instance.core", tags={"team": "payments"}, deletion_window=9)
    (change,) = small.plan().effective
    assert (change.action, change.steps, change.reason) == (Action.NO_OP, (), Reason.SETTING)
    assert change.effect == Effect(attributes={"deletion_window": 9})


def test_an_adopted_record_is_what_was_observed_with_the_declared_settings(fresh: Small) -> None:
    fresh.exists("instance.core", "kst-1")
    fresh.declare("key.orders", instance="instance.core", deletion_window=9)
    attributes = dict(fresh.desired[Address("key.orders")].attributes) | {"instance": "kst-1", "description": "old"}
    fresh.others = [Present(kind="key", identity="key-1", attributes=attributes, owner="L/key.orders/t")]
    change = next(change for change in fresh.plan().changes if change.address == "key.orders")
    assert (change.action, change.identity) == (Action.ADOPT, "key-1")
    assert change.effect is not None
    assert change.effect.attributes["description"] == "old"
    assert change.effect.attributes["instance"] == "instance.core"
    assert change.effect.attributes["deletion_window"] == 9


def test_a_lost_owner_tag_is_put_back_with_this_lineage(small: Small) -> None:
    small.objects["key-1"] = replace(small.see("key.orders"), owner=None)
    (change,) = small.plan().effective
    (step,) = change.steps
    assert step.operation == TagResources(
        resource="key-1", resource_type="key", tags={OWNER_TAG: "L/key.orders/restored"}
    )
    assert step.effect == Effect()


def test_an_owner_tag_with_a_former_address_follows_and_one_of_somebody_elses_does_not(small: Small) -> None:
    small.objects["key-1"] = replace(small.see("key.orders"), owner="L/key.old/t")
    (change,) = small.plan().effective
    assert (change.action, change.reason, change.attributes) == (Action.UPDATE, Reason.MOVED, ())
    (step,) = change.steps
    assert step.operation == TagResources(resource="key-1", resource_type="key", tags={OWNER_TAG: "L/key.orders/moved"})
    small.objects["key-1"] = replace(small.see("key.orders"), owner="M/key.old/t")
    assert small.plan().effective == ()


def test_the_record_of_a_vanished_object_moves_to_where_it_is_made_anew(small: Small) -> None:
    small.objects["key-1"] = ABSENT
    small.objects["alias/orders"] = ABSENT
    old = Address("key.old")
    small.records[old] = replace(small.records.pop(Address("key.orders")), address=old)
    plan = small.plan(moved={old: Address("key.orders")})
    change = next(change for change in plan.changes if change.address == "key.orders")
    assert (change.action, change.moved_from) == (Action.CREATE, "key.old")


def test_a_vanished_object_that_its_owner_tag_finds_again_is_adopted_not_made_again(small: Small) -> None:
    small.objects["key-1"] = ABSENT
    small.objects["alias/orders"] = ABSENT
    attributes = {**small.desired[Address("key.orders")].attributes, "instance": "kst-1"}
    small.others = [Present(kind="key", identity="key-2", attributes=attributes, owner="L/key.orders/t2")]
    change = next(change for change in small.plan().changes if change.address == "key.orders")
    assert (change.action, change.identity) == (Action.ADOPT, "key-2")


def test_an_older_object_with_the_same_owner_tag_is_left_alone(small: Small) -> None:
    small.objects["key-1"] = replace(small.see("key.orders"), computed={"creation_date": "2026-02-01T00:00:00Z"})
    small.others = [
        Present(
            kind="key",
            identity="key-0",
            attributes={"instance": "kst-1"},
            owner="L/key.orders/t0",
            computed={"creation_date": "2026-01-01T00:00:00Z"},
        )
    ]
    assert small.plan().empty


def test_a_key_whose_instance_vanished_while_it_stayed_is_refused(small: Small) -> None:
    small.objects["kst-1"] = ABSENT
    plan = small.plan()
    assert "P110" in {violation.code for violation in plan.violations}


def test_a_done_import_block_is_harmless_even_after_succession(small: Small) -> None:
    retired = Address("key.orders~1")
    record = small.records[Address("key.orders")]
    small.records[retired] = replace(
        record,
        address=retired,
        identity="key-0",
        status=Status.RETIRED,
        attributes={**record.attributes, "enabled": False},
    )
    small.see("key.orders~1")
    assert [change.address for change in small.plan().changes] == [retired]
    assert small.plan().empty


def test_an_unreadable_instance_holds_back_everything_that_needs_it(small: Small) -> None:
    small.declare("key.new", instance="instance.core")
    small.objects["kst-1"] = Unreadable("x", "no answer")
    plan = small.plan()
    assert {change.address for change in plan.blocked} == {"instance.core", "key.new"}
    assert not plan.effective
    assert not plan.complete


def test_targets_leave_problems_elsewhere_aside(small: Small) -> None:
    small.declare("key.new", instance="instance.core")
    small.declare("key.orders", instance="instance.core", spec="EC_P256", usage="SIGN/VERIFY")
    assert [violation.code for violation in small.plan().violations] == ["P110"]
    plan = small.plan(targets=("key.new",))
    assert plan.violations == ()
    assert [change.address for change in plan.effective] == ["key.new"]
    assert not plan.complete


def test_a_target_that_deletes_brings_its_aliases_along(small: Small) -> None:
    for address in ("key.orders", "alias.orders"):
        del small.desired[Address(address)]
    record = small.records[Address("key.orders")]
    small.records[Address("key.orders")] = replace(
        record, attributes={**record.attributes, "deletion_protection": False}
    )
    small.see("key.orders")
    plan = small.plan(targets=("key.orders",))
    assert [change.address for change in plan.effective] == ["alias.orders", "key.orders"]


@pytest.mark.parametrize("pattern", ["key.orders", "key.*", "key.order?", "*.orders"])
def test_excluding_a_key_excludes_what_needs_it(fresh: Small, pattern: str) -> None:
    assert [change.address for change in fresh.plan(excludes=(pattern,)).effective] == ["instance.core"]


def test_targets_and_excludes_combine(fresh: Small) -> None:
    plan = fresh.plan(targets=("alias.orders",), excludes=("alias.*",))
    assert [change.address for change in plan.effective] == ["instance.core", "key.orders"]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("key.orders", "key.other", "still declared"),
        ("key.gone", "key.other", None),
        ("key.loose", "key.x~1", "for replaced keys"),
        ("key.loose", "key.taken", "recorded already"),
    ],
)
def test_a_record_never_moves_onto_another_or_away_from_its_declaration(
    small: Small, old: str, new: str, problem: str | None
) -> None:
    record = small.records[Address("key.orders")]
    for address in (Address("key.taken"), Address("key.loose")):
        small.records[address] = replace(record, address=address, identity=f"{address}-id", status=Status.RETIRED)
        small.see(address)
    plan = small.plan(moved={Address(old): Address(new)})
    moves = [violation.detail for violation in plan.violations if violation.code == "P114"]
    assert [problem in detail for detail in moves if problem] == ([True] if problem else [])
    assert bool(moves) == (problem is not None)


def test_a_predecessor_never_moves_onto_another(small: Small) -> None:
    record = small.records.pop(Address("key.orders"))
    del small.desired[Address("key.orders")]
    for name in ("key.old", "key.old~1", "key.orders~1"):
        address = Address(name)
        status = Status.READY if name == "key.old" else Status.RETIRED
        small.records[address] = replace(record, address=address, identity=f"{name}-id", status=status)
        small.see(name)
    plan = small.plan(moved={Address("key.old"): Address("key.orders")})
    (found,) = [violation for violation in plan.violations if violation.code == "P114"]
    assert "key.orders~1 is recorded already" in found.detail


def test_an_import_that_cannot_be_read_is_blocked(small: Small) -> None:
    small.declare("key.new", instance="instance.core")
    small.objects["key-9"] = Unreadable("x", "no answer")
    plan = small.plan(imports=(Import(address=Address("key.new"), identity="key-9"),))
    assert [change.address for change in plan.blocked] == ["key.new"]
    assert plan.violations == ()


def test_an_alias_is_imported_under_its_own_name_only(small: Small) -> None:
    small.declare("alias.new", key="key.orders")
    small.objects["alias/other"] = Present(kind="alias", identity="alias/other", attributes={"key": "key-1"})
    plan = small.plan(imports=(Import(address=Address("alias.new"), identity="alias/other"),))
    (found,) = plan.violations
    assert (found.code, "alias.other" in found.detail) == ("P107", True)


def test_forgetting_what_is_gone_says_that_it_is_gone(small: Small) -> None:
    small.objects["alias/orders"] = ABSENT
    del small.desired[Address("alias.orders")]
    (change,) = small.plan(removed=frozenset({Address("alias.orders")})).effective
    assert (change.action, change.reason) == (Action.FORGET, Reason.REMOVED)
    assert change.note is not None


@pytest.mark.parametrize("wish", ["delete", "replace"])
def test_a_key_whose_hsm_does_not_answer_is_neither_deleted_nor_replaced(small: Small, wish: str) -> None:
    unprotected = {"instance": "instance.core", "deletion_protection": False}
    small.declare("key.orders", **unprotected)
    small.exists("key.orders", "key-1")
    small.objects["key-1"] = replace(small.see("key.orders"), state="Unavailable")
    if wish == "delete":
        del small.desired[Address("key.orders")]
        del small.desired[Address("alias.orders")]
    else:
        small.declare("key.orders", spec="EC_P256", usage="SIGN/VERIFY", on_replace="succeed", **unprotected)
    plan = small.plan()
    assert [change.address for change in plan.blocked] == ["key.orders"]
    assert "Unavailable" in str(plan.blocked[0].blocked)
    assert plan.violations == ()


def test_what_another_configuration_took_over_is_not_deleted(small: Small) -> None:
    small.objects["key-1"] = replace(small.see("key.orders"), owner="M/key.theirs/t")
    del small.desired[Address("key.orders")]
    del small.desired[Address("alias.orders")]
    found = {violation.address: violation.code for violation in small.plan().violations}
    assert found == {"key.orders": "P106", "alias.orders": "P108"}
    (violation,) = small.plan(targets=("alias.orders",)).violations
    assert violation.code == "P108", "no target leads past it"


@pytest.mark.parametrize("declared", [True, False])
def test_an_alias_that_was_made_anew_for_another_configurations_key_is_theirs(small: Small, *, declared: bool) -> None:
    """Aliases carry no owner tag, and this one is recorded here; neither moved nor deleted, it goes by name alone."""
    address, theirs = Address("alias.orders"), Present(kind="key", identity="key-7", attributes={}, owner="M/key.x/t")
    small.others.append(replace(theirs, attributes={**small.records[Address("key.orders")].attributes}))
    small.see("alias.orders", key="key-7")
    if not declared:
        del small.desired[address]
    (violation,) = small.plan().violations
    assert (violation.code, "owned by M/key.x/t" in violation.detail) == ("P108", True)
    small.desired.pop(address, None)
    (change,) = small.plan(removed=frozenset({address})).effective
    assert (change.action, change.steps) == (Action.FORGET, ())


def test_an_alias_that_was_moved_to_a_key_that_nobody_owns_moves_back(small: Small) -> None:
    small.see("alias.orders", key="key-7")
    (change,) = small.plan().effective
    assert (change.address, change.action, change.reason) == ("alias.orders", Action.UPDATE, Reason.DRIFTED)


def test_a_record_that_an_older_kmsplan_wrote_takes_settings_that_it_does_not_have(small: Small) -> None:
    record = small.records[Address("key.orders")]
    older = {name: value for name, value in record.attributes.items() if name not in ("used_by", "grace")}
    small.records[Address("key.orders")] = replace(record, attributes=older)
    assert small.plan().empty
    small.declare("key.orders", instance="instance.core", tags={"team": "payments"}, used_by=["billing"])
    (change,) = small.plan().effective
    assert (change.reason, change.effect) == (Reason.SETTING, Effect(attributes={"used_by": ["billing"]}))


def test_predecessors_are_numbered_in_the_order_of_their_ends_whichever_of_them_are_gone(small: Small) -> None:
    second = Address("key.orders~2")
    record = small.records[Address("key.orders")]
    attributes = {**record.attributes, "enabled": False}
    small.records[second] = replace(
        record, address=second, identity="key-0", status=Status.RETIRED, attributes=attributes
    )
    small.see(second)
    small.declare(
        "key.orders", instance="instance.core", tags={"team": "payments"}, spec="EC_P256", on_replace="succeed"
    )
    assert "key.orders~3" in {change.address for change in small.plan().changes}


def test_an_alias_that_moves_to_a_successor_that_is_not_to_work_asks_for_no_test(small: Small) -> None:
    small.declare(
        "key.orders",
        instance="instance.core",
        tags={"team": "payments"},
        spec="EC_P256",
        on_replace="succeed",
        enabled=False,
    )
    assert {change.tests for change in small.plan().changes} == {None}


@pytest.mark.parametrize("wish", ["disable", "delete", "replace"])
def test_an_alias_that_cannot_be_read_holds_the_key_that_it_was_recorded_at(small: Small, wish: str) -> None:
    """Nobody knows that it has left; what it names would stop working for whoever calls by it."""
    small.declare("key.orders", instance="instance.core", deletion_protection=False, on_replace="succeed")
    small.exists("key.orders", "key-1")
    small.objects["alias/orders"] = Unreadable("Connection.Lost", "no answer")
    wanted = {"instance": "instance.core", "deletion_protection": False}
    if wish == "disable":
        small.declare("key.orders", enabled=False, **wanted)
    elif wish == "replace":
        small.declare("key.orders", spec="EC_P256", usage="SIGN/VERIFY", on_replace="succeed", **wanted)
    else:
        del small.desired[Address("key.orders")], small.desired[Address("alias.orders")]
    plan = small.plan()
    stopped = [
        change for change in plan.effective if change.identity == "key-1" and change.action is not Action.REPLACE
    ]
    assert stopped == []
    assert "alias.orders" in {change.address for change in plan.blocked}


def test_an_alias_that_cannot_be_read_is_left_alone_where_its_key_is_gone(small: Small) -> None:
    small.objects |= {"alias/orders": Unreadable("Connection.Lost", "no answer"), "key-1": ABSENT}
    plan = small.plan()
    assert [change.address for change in plan.blocked] == ["alias.orders"]
    assert [(change.address, change.reason) for change in plan.effective] == [("key.orders", Reason.VANISHED)]
