from __future__ import annotations

from typing import Any

import pytest

from kmsplan.drift.unmanaged import unmanaged
from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect
from kmsplan.resource.value import Observed, Present
from kmsplan.state.record import Pending, Recorded


def found(*others: Present, pending: tuple[Pending, ...] = ()) -> list[tuple[str, str]]:
    recorded = Recorded(lineage="L", serial=1, environment="e", pending=pending)
    observed = Observed(environment="e", objects={}, others=others)
    return [(drift.identity, drift.detail) for drift in unmanaged(recorded, observed, {"key-1": "key.orders"})]


def key(identity: str = "key-9", kind: str = "key", owner: str | None = None) -> Present:
    return Present(kind=kind, identity=identity, attributes={}, owner=owner)


def alias(identity: str, target: str) -> Present:
    return Present(kind="alias", identity=identity, attributes={"key": target})


def pending(operation: str, token: str | None = None, **parameters: Any) -> Pending:
    return Pending(
        sequence=1,
        address=Address("key.new"),
        operation=operation,
        parameters=parameters,
        token=token,
        identity=None,
        effect=Effect(),
    )


def test_an_object_that_nobody_owns_is_unmanaged() -> None:
    assert found(key()) == [("key-9", "its state is Enabled")]
    assert [identity for identity, _ in found(key("kst-9", "instance"))] == ["kst-9"]


def test_an_owned_object_that_is_not_recorded_says_how_to_get_it_back() -> None:
    ((identity, detail),) = found(key(owner="L/key.lost/t"))
    assert identity == "key-9"
    assert "key.lost" in detail
    assert "state rebuild" in detail


def test_another_configurations_objects_are_managed_by_it() -> None:
    assert found(key(owner="M/key.theirs/t"), alias("alias/theirs", "key-9")) == []


def test_an_unmanaged_alias_says_what_it_points_at() -> None:
    assert found(alias("alias/new", "key-1")) == [("alias/new", "it points at key.orders")]
    assert found(alias("alias/new", "key-7")) == [("alias/new", "it points at key-7")]


@pytest.mark.parametrize(
    "present", [key("key-s", "service_key"), alias("alias/acs/oss", "key-s")], ids=["key", "alias"]
)
def test_what_cloud_services_keep_for_themselves_is_left_out(present: Present) -> None:
    assert found(present) == []


def test_what_an_interrupted_operation_may_just_have_made_is_left_out() -> None:
    assert found(key(owner="L/key.new/t7"), pending=(pending("CreateKey", "t7"),)) == []
    assert found(alias("alias/a", "key-1"), pending=(pending("CreateAlias", AliasName="alias/a"),)) == []
    assert len(found(key(owner="L/key.new/t8"), pending=(pending("CreateKey", "t7"),))) == 1
