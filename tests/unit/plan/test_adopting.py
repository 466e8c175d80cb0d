"""Adopting: what another configuration gives up, what is marked before there is a state, and adopting alone."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.config.configuration import Import
from kmsplan.kms.naming import OWNER_TAG
from kmsplan.kms.operation import TagResources, name_of
from kmsplan.kms.wire import parameters
from kmsplan.plan.adopting import only_adopted
from kmsplan.plan.plan import Action
from kmsplan.resource.address import Address
from kmsplan.resource.step import Status
from kmsplan.resource.value import Present

if TYPE_CHECKING:
    from kmsplan.plan.plan import Plan

    from .conftest import Small

KEY = Address("key.legacy")
THEIRS = "9a9a/key.theirs/t1"


def legacy(small: Small, **of: Any) -> Present:
    """A key that nobody has recorded, and that differs from its declaration in tags."""
    declared = small.declare(KEY, instance="instance.core", tags={"team": "payments"})
    attributes = {**declared.attributes, "instance": "kst-1", "tags": {}}
    found = Present(kind="key", identity="key-9", attributes=attributes, **of)
    small.objects["key-9"] = found
    return found


def marks(plan: Plan) -> list[str]:
    (change,) = (one for one in plan.changes if one.address == KEY)
    operations = [step.operation for step in change.steps]
    return [one.tags[OWNER_TAG] for one in operations if isinstance(one, TagResources) and OWNER_TAG in one.tags]


@pytest.mark.parametrize("owner", [None, "0b0b"])
def test_what_another_configuration_owns_is_refused_unless_its_lineage_is_named(
    small: Small, owner: str | None
) -> None:
    legacy(small, owner=THEIRS)
    plan = small.plan(imports=(Import(address=KEY, identity="key-9", owner=owner),))
    (violation,) = plan.violations
    assert violation.code == "P106"
    assert "owner: 9a9a" in violation.detail


def test_another_name_of_a_key_is_no_second_key(small: Small) -> None:
    """Over the API a key answers to its ARN, too: adopted under both, it would be deleted with either declaration."""
    arn = "acs:kms:cn-hangzhou:1:key/key-1"
    small.declare(KEY, instance="instance.core")
    small.objects[arn] = dataclasses.replace(small.see("key.orders"), owner=None)
    plan = small.plan(imports=(Import(address=KEY, identity=arn),))
    (violation,) = plan.violations
    assert violation.code == "P107"
    assert "another name of key-1" in violation.detail


def test_a_key_that_is_disabled_as_it_is_adopted_shows_who_would_notice_and_what_ends(small: Small) -> None:
    legacy(small)
    small.declare(KEY, instance="instance.core", enabled=False)
    small.others.append(Present(kind="alias", identity="alias/theirs", attributes={"key": "key-9"}))
    plan = small.plan(imports=(Import(address=KEY, identity="key-9"),))
    (change,) = (one for one in plan.changes if one.address == KEY)
    assert change.blast is not None
    assert change.blast.unmanaged == ("alias/theirs",)
    assert "while it is disabled" in str(change.note)
    assert [violation.code for violation in plan.violations] == ["P203"]


def test_what_is_given_up_gets_the_owner_tag_of_this_configuration(small: Small) -> None:
    legacy(small, owner=THEIRS)
    plan = small.plan(imports=(Import(address=KEY, identity="key-9", owner="9a9a"),))
    assert plan.violations == ()
    assert marks(plan) == ["L/key.legacy/imported"]
    (change,) = (one for one in plan.changes if one.address == KEY)
    assert THEIRS in str(change.note)


def test_an_adoption_that_was_cut_off_before_the_owner_tag_was_written_is_finished(small: Small) -> None:
    legacy(small)
    small.exists(KEY, "key-9")
    small.objects["key-9"] = dataclasses.replace(small.see(KEY), owner=THEIRS)
    given_up = (Import(address=KEY, identity="key-9", owner="9a9a"),)
    assert [violation.code for violation in small.plan().violations] == ["P106"]
    assert marks(small.plan(imports=given_up)) == ["L/key.legacy/restored"]


def test_without_a_state_the_owner_tag_waits_for_its_lineage(fresh: Small) -> None:
    fresh.lineage = fresh.environment = ""
    fresh.declare("instance.core", type="software")
    attributes = {**fresh.desired[Address("instance.core")].attributes}
    fresh.objects["kst-1"] = Present(kind="instance", identity="kst-1", attributes=attributes)
    plan = fresh.plan(imports=(Import(address=Address("instance.core"), identity="kst-1"),))
    (change,) = (one for one in plan.changes if one.address == "instance.core")
    (step,) = change.steps
    assert parameters(step.operation)["Tag"] == {OWNER_TAG: "/instance.core/imported"}


def test_adopting_alone_leaves_what_differs(small: Small) -> None:
    legacy(small)
    plan = only_adopted(small.plan(imports=(Import(address=KEY, identity="key-9"),)), KEY)
    (change,) = plan.changes
    assert (change.action, change.attributes) == (Action.ADOPT, ("tags",))
    assert [name_of(step.operation) for step in change.steps] == ["TagResources"]
    assert marks(plan) == ["L/key.legacy/imported"]
    assert change.effect is not None
    assert change.effect.attributes["tags"] == {}
    assert plan.violations == ()


def test_a_key_that_waits_for_its_deletion_is_recorded_as_that_and_not_touched(small: Small) -> None:
    legacy(small, state="PendingDeletion")
    (change,) = only_adopted(small.plan(imports=(Import(address=KEY, identity="key-9"),)), KEY).changes
    assert change.steps == ()
    assert change.effect is not None
    assert change.effect.status is Status.PENDING_DELETION


def test_rules_about_other_objects_do_not_hold_an_adoption_back(small: Small) -> None:
    legacy(small)
    small.declare("key.broken", instance="instance.core", spec="RSA_2048")
    plan = small.plan(imports=(Import(address=KEY, identity="key-9"),))
    assert [violation.address for violation in plan.violations] == ["key.broken"]
    assert only_adopted(plan, KEY).violations == ()
