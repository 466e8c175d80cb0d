from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmsplan.engine import reading
from kmsplan.engine.reading.view import Filter
from kmsplan.kms.error import KmsError
from tests.engines import new_instance, new_key

if TYPE_CHECKING:
    from kmsplan.engine.service import Engine


def test_instances_are_listed_and_the_homes_of_other_keys_are_not(engine: Engine) -> None:
    made = sorted(new_instance(engine) for _ in range(3))
    page = engine.list_instances()
    assert ([item.instance_id for item in page.items], page.total, page.size) == (made, 3, 20)
    assert page.items[0].arn == f"acs:kms:local:{engine.account}:keystore/{made[0]}"
    assert [item.instance_id for item in engine.list_instances(page=2, size=2).items] == made[2:]


def test_instances_are_filtered(engine: Engine) -> None:
    software, hardware = new_instance(engine, tags={"a": "b"}), new_instance(engine, "hardware")

    def left(*filters: Filter) -> list[str]:
        return [item.instance_id for item in engine.list_instances(filters).items]

    assert left(Filter("InstanceType", ("hardware",))) == [hardware]
    assert left(Filter("KmsInstanceId", (software, "kmsplan-default"))) == [software]
    assert left(Filter("TagKey", ("a",)), Filter("TagValue", ("b",))) == [software]
    assert left(Filter("TagKey", ("a",)), Filter("TagValue", ("c",))) == []
    assert sorted(left(Filter("Status", ("Connected",)))) == sorted([software, hardware])
    with pytest.raises(KmsError, match="Filters"):
        left(Filter("Name", ("x",)))


@pytest.mark.parametrize(("home", "version"), [("software", "3"), ("hardware", "5")])
def test_a_new_instance_is_described_whole(engine: Engine, home: str, version: str) -> None:
    place = new_instance(engine, home, spec=2000, key_quota=500)
    new_key(engine, place)
    view = engine.describe_instance(place)
    assert (view.type, view.product_version, view.status, view.spec) == (home, version, "Connected", 2000)
    assert (view.key_quota, view.versions, view.created) == (500, 1, "2026-01-01T00:00:00Z")
    assert (view.name, view.vpc_id, view.vswitch_ids, view.zone_ids, view.bind_vpcs) == ("", "", (), (), ())
    assert (view.deletion_protection, view.protection_reason) == (False, "")


def test_quotas_tell_what_is_used(engine: Engine, instance: str) -> None:
    new_key(engine, instance, origin="EXTERNAL")
    new_key(engine, instance)
    quotas = engine.instance_quotas(instance)
    assert [tuple(quota) for quota in quotas] == [
        ("key", 1000, 1),
        ("secret", 0, 0),
        ("qps", 1000, 0),
        ("vpc", 10_000, 0),
    ]
    assert engine.instance_quotas(instance, "key") == quotas[:1]
    with pytest.raises(KmsError, match="ResourceType"):
        engine.instance_quotas(instance, "keys")


def test_quotas_of_all_instances_are_added_up_without_those_that_nobody_sees(engine: Engine, instance: str) -> None:
    other = new_instance(engine, key_quota=500)
    for place in (instance, instance, other):
        new_key(engine, place)
    assert [tuple(quota) for quota in engine.instance_quotas(None)] == [
        ("key", 1500, 3),
        ("secret", 0, 0),
        ("qps", 2000, 0),
        ("vpc", 20_000, 0),
    ]
    assert engine.instance_quotas(None, "key") == (("key", 1500, 3),)


@pytest.mark.parametrize("name", ["", "kst-none", "kmsplan-default", "kmsplan-service", "ü"])
def test_an_instance_that_is_not_there_is_not_found(engine: Engine, name: str) -> None:
    for ask in (engine.describe_instance, engine.instance_quotas):
        with pytest.raises(KmsError) as caught:
            ask(name)
        assert caught.value.code == "Forbidden.DKMSInstanceNotFound"


def test_the_account_is_open_from_the_start(engine: Engine) -> None:
    assert (engine.account_status(), engine.regions(), engine.default_instance()) == ("Enabled", ("local",), "")
    with pytest.raises(KmsError) as caught:
        engine.open_service()
    assert caught.value.code == "Forbidden.Opened"


def test_what_answers_is_imported_when_it_is_asked() -> None:
    assert reading.key.POLICY_NAME == "default"
    with pytest.raises(AttributeError):
        _ = reading.nothing
