from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.kms.operation import (
    ConnectKmsInstance,
    SetDeletionProtection,
    UpdateKmsInstance,
    UpdateKmsInstanceBindVpc,
)
from tests.engines import new_instance

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.service import Engine
    from kmsplan.kms.error import KmsError
    from kmsplan.kms.operation import Operation

NETWORK: dict[str, Any] = {"vpc": "vpc-1", "switches": ("vsw-1",), "zones": ("z-a", "z-b")}


def vpc(name: str, **changed: Any) -> dict[str, Any]:
    return {"VpcId": name, "VSwitchId": "vsw-9", "RegionId": "local", "VpcOwnerId": 1234567890123456, **changed}


def test_a_software_instance_is_put_into_a_network_once(
    engine: Engine, instance: str, refusal: Callable[[Operation], KmsError]
) -> None:
    for _ in range(2):
        engine.execute(ConnectKmsInstance(instance=instance, **NETWORK))
    view = engine.describe_instance(instance)
    assert (view.status, view.vpc_id, view.vswitch_ids, view.zone_ids) == (
        "Connected",
        "vpc-1",
        ("vsw-1",),
        ("z-a", "z-b"),
    )
    error = refusal(ConnectKmsInstance(instance=instance, **{**NETWORK, "vpc": "vpc-2"}))
    assert (error.code, "vpc-1" in error.message) == ("UnsupportedOperation", True)
    assert engine.describe_instance(instance) == view


def test_a_hardware_instance_is_connected_elsewhere(vault: str, refusal: Callable[[Operation], KmsError]) -> None:
    assert refusal(ConnectKmsInstance(instance=vault, **NETWORK)).code == "UnsupportedOperation"


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"provider": "Other"}, "KMProvider"),
        ({"vpc": ""}, "VpcId"),
        ({"switches": ()}, "VSwitchIds"),
        ({"switches": ("",)}, "VSwitchIds"),
        ({"zones": ()}, "ZoneIds"),
        ({"zones": ("a", "b", "c", "d")}, "ZoneIds"),
    ],
)
def test_a_network_that_is_none_is_refused(
    instance: str, refusal: Callable[[Operation], KmsError], changed: dict[str, Any], name: str
) -> None:
    error = refusal(ConnectKmsInstance(instance=instance, **{**NETWORK, **changed}))
    assert (error.code, f'"{name}"' in error.message) == ("InvalidParameter", True)


def test_further_networks_are_replaced_as_a_whole(engine: Engine, instance: str) -> None:
    engine.execute(UpdateKmsInstanceBindVpc(instance=instance, vpcs=(vpc("a"), vpc("b"))))
    engine.execute(UpdateKmsInstanceBindVpc(instance=instance, vpcs=(vpc("c"),)))
    assert engine.describe_instance(instance).bind_vpcs == (vpc("c"),)
    assert engine.instance_quotas(instance, "vpc")[0].used == 1
    engine.execute(UpdateKmsInstanceBindVpc(instance=instance, vpcs=()))
    assert engine.describe_instance(instance).bind_vpcs == ()


@pytest.mark.parametrize(
    "wrong",
    [
        vpc("a", RegionId="elsewhere"),
        vpc("a", VpcOwnerId="1"),
        vpc("a", VpcOwnerId=True),
        vpc("a", VpcOwnerId=2**63),
        vpc("a", VSwitchId=""),
        vpc("a", Extra="x"),
        {"VpcId": "a"},
        "vpc-1",
    ],
)
def test_a_further_network_that_is_none_is_refused(
    engine: Engine, instance: str, refusal: Callable[[Operation], KmsError], wrong: Any
) -> None:
    error = refusal(UpdateKmsInstanceBindVpc(instance=instance, vpcs=(wrong,)))
    assert (error.code, "BindVpcs" in error.message) == ("InvalidParameter", True)
    assert engine.describe_instance(instance).bind_vpcs == ()


def test_an_instance_has_a_name_that_others_may_have_too(
    engine: Engine, instance: str, refusal: Callable[[Operation], KmsError]
) -> None:
    other = new_instance(engine)
    for place in (instance, other):
        engine.execute(UpdateKmsInstance(instance=place, name="x" * 128))
        assert engine.describe_instance(place).name == "x" * 128
    for name in ("", "x" * 129):
        assert refusal(UpdateKmsInstance(instance=instance, name=name)).code == "InvalidParameter"


def test_protection_tells_why_until_it_ends(engine: Engine, instance: str) -> None:
    def told() -> tuple[bool, str]:
        view = engine.describe_instance(instance)
        return view.deletion_protection, view.protection_reason

    engine.execute(SetDeletionProtection(instance=instance, enable=True, description="payments"))
    assert told() == (True, "payments")
    engine.execute(SetDeletionProtection(instance=instance, enable=True))
    assert told() == (True, "payments")
    engine.execute(SetDeletionProtection(instance=instance, enable=True, description=""))
    assert told() == (True, "")
    engine.execute(SetDeletionProtection(instance=instance, enable=False, description="never mind"))
    assert told() == (False, "")


def test_what_is_said_of_an_instance_does_not_undo_the_rest(engine: Engine, instance: str) -> None:
    engine.execute(UpdateKmsInstance(instance=instance, name="core"))
    engine.execute(ConnectKmsInstance(instance=instance, **NETWORK))
    engine.execute(UpdateKmsInstanceBindVpc(instance=instance, vpcs=(vpc("a"),)))
    engine.execute(SetDeletionProtection(instance=instance, enable=True, description="payments"))
    view = engine.describe_instance(instance)
    assert (view.name, view.vpc_id, view.bind_vpcs, view.protection_reason) == (
        "core",
        "vpc-1",
        (vpc("a"),),
        "payments",
    )


@pytest.mark.parametrize("spec", [200, 1000, 2000, 4000, 8000, 10_000, 20_000])
def test_an_instance_comes_in_many_sizes(engine: Engine, spec: int) -> None:
    place = new_instance(engine, spec=spec)
    assert engine.instance_quotas(place, "qps")[0].quota == spec


def test_an_instance_that_is_not_there_is_not_found(refusal: Callable[[Operation], KmsError]) -> None:
    for operation in (
        ConnectKmsInstance(instance="kst-none", **NETWORK),
        UpdateKmsInstance(instance="kst-none", name="x"),
        UpdateKmsInstanceBindVpc(instance="kst-none", vpcs=()),
        SetDeletionProtection(instance="kst-none", enable=True),
    ):
        assert refusal(operation).code == "Forbidden.DKMSInstanceNotFound"
