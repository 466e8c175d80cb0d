"""The way back of every operation, or why there is none."""

from __future__ import annotations

from typing import Any

import pytest

from kmsplan.kms import operation as op
from kmsplan.kms.operation import name_of
from kmsplan.kms.settling import OPERATIONS
from kmsplan.plan.diff import complete
from kmsplan.plan.inverse import INVERSES, Done
from kmsplan.resource import alias, instance, key
from kmsplan.resource.address import Address
from kmsplan.resource.kinds import KINDS
from kmsplan.resource.step import Effect, Status, Step

KEY = complete(KINDS["key"], {"instance": "instance.core", "usage": "ENCRYPT/DECRYPT", "deletion_protection": False})
CORE = complete(KINDS["instance"], {"type": "software"})
CHANGED: dict[str, Any] = {
    "description": "new",
    "rotation": 7_776_000,
    "tags": {"a": "2", "c": "3"},
    "policy": {"Version": "1", "Statement": []},
    "deletion_protection": True,
    "enabled": False,
}


def undone(address: str, identity: str, step: Step, before: Any) -> list[op.Operation]:
    inverse = INVERSES[name_of(step.operation)]
    assert inverse.steps is not None
    done = Done(address=Address(address), identity=identity, step=step, before=before)
    return [back.operation for back in inverse.steps(done)]


def test_every_operation_has_a_way_back_or_a_reason_why_not() -> None:
    assert set(INVERSES) == set(OPERATIONS)
    for name, inverse in INVERSES.items():
        assert (inverse.steps is None) == bool(inverse.reason), name
        assert inverse.steps is None or not inverse.keeps, name


def test_what_would_destroy_a_key_or_an_instance_to_be_undone_is_left() -> None:
    left = {name for name, inverse in INVERSES.items() if inverse.keeps}
    assert left == {"CreateInstance", "CreateKey", "CancelKeyDeletion"}


@pytest.mark.parametrize("name", CHANGED)
def test_what_a_step_sets_is_set_back_to_what_it_was(name: str) -> None:
    before = {**KEY, "tags": {"a": "1", "b": "2"}}
    reached = dict(before)
    steps = key.update("key-1", before, {**before, name: CHANGED[name]})
    back: list[Step] = []
    for step in steps:
        done = Done(address=Address("key.a"), identity="key-1", step=step, before=reached)
        reached = {**reached, **step.effect.attributes}
        inverse = INVERSES[name_of(step.operation)].steps
        assert inverse is not None
        back = [*inverse(done), *back]
    assert reached[name] == CHANGED[name]
    for step in back:
        reached = {**reached, **step.effect.attributes}
    assert reached == before


def test_a_scheduled_deletion_is_cancelled_and_a_disabled_key_disabled_again() -> None:
    disabled = {**KEY, "enabled": False}
    (step,) = key.delete("key-1", disabled)
    operations = undone("key.a", "key-1", step, disabled)
    assert [name_of(operation) for operation in operations] == ["CancelKeyDeletion", "DisableKey"]


@pytest.mark.parametrize(("address", "status"), [("key.a", Status.READY), ("key.a~1", Status.RETIRED)])
def test_a_cancelled_deletion_leaves_a_predecessor_a_predecessor(address: str, status: Status) -> None:
    (step,) = key.delete("key-1", KEY)
    inverse = INVERSES["ScheduleKeyDeletion"].steps
    assert inverse is not None
    first = inverse(Done(address=Address(address), identity="key-1", step=step, before=KEY))[0]
    assert first.effect.status is status


def test_an_alias_goes_back_where_it_pointed() -> None:
    before = {"key": "key.a~1"}
    (moved,) = alias.update("alias/a", before, {"key": "key.a"})
    assert undone("alias.a", "alias/a", moved, before) == [
        op.UpdateAlias(alias="alias/a", key=op.Reference("key.a~1")),
    ]
    (gone,) = alias.delete("alias/a", before)
    assert undone("alias.a", "alias/a", gone, before) == [
        op.CreateAlias(alias="alias/a", key=op.Reference("key.a~1")),
    ]


def test_an_instance_is_resized_back() -> None:
    (step,) = instance.update("kst-1", CORE, {**CORE, "spec": 2000})
    assert undone("instance.core", "kst-1", step, CORE) == [op.ModifyInstance(instance="kst-1", spec=1000)]


def test_an_owner_tag_that_was_put_back_stays() -> None:
    tag = op.TagResources(resource="key-1", resource_type="key", tags={"kmsplan:owner": "l/key.a/t"})
    assert undone("key.a", "key-1", Step(operation=tag, effect=Effect()), KEY) == []
