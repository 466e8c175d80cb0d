"""Through the wire: a life of an instance, from its order to its release; and whose KMS it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.engine.access.role import Role

if TYPE_CHECKING:
    from tests.calls import Stage
    from tests.wire import Api


@pytest.fixture
def instance(served: Api) -> str:
    """A software instance without keys."""
    made = served.ok("CreateKmsInstance", ProductType="software", Spec="1000", KeyNum="100")
    return str(made["KmsInstance"]["InstanceId"])


def _seen(served: Api, instance: str) -> dict[str, Any]:
    found: dict[str, Any] = served.ok("GetKmsInstance", KmsInstanceId=instance)["KmsInstance"]
    return found


def test_an_instance_is_made_as_it_was_ordered_and_listed(served: Api) -> None:
    made = served.ok("CreateKmsInstance", ProductType="software", Spec="2000", KeyNum="150")
    instance = str(made["KmsInstance"]["InstanceId"])
    seen = _seen(served, instance)
    assert (seen["Spec"], seen["KeyNum"], seen["InstanceType"], seen["Status"]) == (2000, 150, "software", "Connected")
    asked = json.dumps([{"Key": "KmsInstanceId", "Values": [instance]}])
    (row,) = served.ok("ListKmsInstances", Filters=asked)["KmsInstances"]["KmsInstance"]
    assert (row["KmsInstanceId"], row["KmsInstanceArn"].endswith(f":keystore/{instance}")) == (instance, True)


def test_a_larger_instance_has_more_room(served: Api, instance: str) -> None:
    served.ok("ModifyKmsInstance", KmsInstanceId=instance, KeyNum="300", Spec="2000")
    served.ok("CreateKey", DKMSInstanceId=instance)
    quotas = served.ok("GetKmsInstanceQuotaInfos", KmsInstanceId=instance)["KmsInstanceQuotaInfos"]
    told = {row["ResourceType"]: (row["ResourceQuota"], row["UsedQuantity"]) for row in quotas}
    assert (told["key"], told["qps"]) == ((300, 1), (2000, 0))
    together = served.ok("GetKmsInstanceQuotaInfos", ResourceType="key")
    (row,) = together["KmsInstanceQuotaInfos"]
    assert (together["KmsInstanceId"], row["ResourceQuota"] > 300, row["UsedQuantity"] >= 1) == ("", True, True)


def test_an_instance_has_a_name_and_networks(served: Api, instance: str) -> None:
    served.ok("UpdateKmsInstance", KmsInstanceId=instance, InstanceName="payments")
    network = {"KMProvider": "Aliyun", "VpcId": "vpc-1", "VSwitchIds": "vsw-1", "ZoneIds": "zone-a,zone-b"}
    served.ok("ConnectKmsInstance", KmsInstanceId=instance, **network)
    further = [{"VpcId": "vpc-2", "VSwitchId": "vsw-2", "RegionId": "local", "VpcOwnerId": 1}]
    served.ok("UpdateKmsInstanceBindVpc", KmsInstanceId=instance, BindVpcs=json.dumps(further))
    seen = _seen(served, instance)
    assert (seen["InstanceName"], seen["VpcId"], seen["ZoneIds"]) == ("payments", "vpc-1", ["zone-a", "zone-b"])
    assert seen["BindVpcs"]["BindVpc"] == [{**further[0], "VpcOwnerId": "1"}]


def test_an_instance_is_released_with_its_keys_only_by_force(served: Api, instance: str) -> None:
    key = served.ok("CreateKey", DKMSInstanceId=instance)["KeyMetadata"]["KeyId"]
    refused = served.call("ReleaseKmsInstance", {"KmsInstanceId": instance})
    assert (refused.status, refused.code) == (409, "Rejected.InstanceNotEmpty")
    served.ok("ReleaseKmsInstance", KmsInstanceId=instance, ForceDeleteWithoutBackup="true")
    gone = served.call("GetKmsInstance", {"KmsInstanceId": instance})
    assert (gone.status, gone.code) == (404, "Forbidden.DKMSInstanceNotFound")
    assert served.call("DescribeKey", {"KeyId": key}).code == "Forbidden.KeyNotFound"


def test_whoever_may_call_is_told_whose_kms_it_is(stage: Stage) -> None:
    engine = stage.api.engine
    for role, user in ((Role.AUDITOR, "root"), (Role.SERVICE, "role/oss")):
        reply = stage.api.call("GetCallerIdentity", key=engine.access.create(role=role, user=user))
        assert (reply.status, reply.json["AccountId"]) == (200, engine.account)
