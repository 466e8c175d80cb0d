"""What the provider sends is what `alibabacloud_kms20160120` sends for the same call, action by action."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from alibabacloud_kms20160120 import client as kms_client
from alibabacloud_kms20160120 import models
from alibabacloud_tea_openapi.utils_models import Config

from kmsplan.kms import operation as op
from kmsplan.kms.operation import name_of
from kmsplan.kms.settling import OPERATIONS
from kmsplan.provider.alibaba.channel import SdkChannel
from kmsplan.provider.alibaba.request import request
from kmsplan.provider.alibaba.settings import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY, INSTANCE = "key-aaaaaaaaaaaaaaaaaaaaa", "kst-aaaaaaaaaaaaaaaaaaaaa"
POLICY = {"Version": "1", "Statement": []}
NOT_IN_THE_SDK = {"CreateInstance", "ModifyInstance", "UpdateKmsInstance"}
SENT_ELSEWHERE = {"ImportKeyMaterial"}

CALLS: tuple[op.Operation, ...] = (
    op.CreateKey(
        instance=INSTANCE,
        spec="Aliyun_AES_256",
        usage="ENCRYPT/DECRYPT",
        origin="Aliyun_KMS",
        storage_mechanism="HsmEncryptedDatabase",
        description="für 100 % + 'x'",
        rotation=86_400,
        policy=POLICY,
        tags={"a": "ü b", "c": ""},
        protection_level="HSM",
    ),
    op.CreateKey(instance=INSTANCE, spec="EC_P256", usage="SIGN/VERIFY", origin="EXTERNAL"),
    op.CreateKeyVersion(key=KEY),
    op.EnableKey(key=KEY),
    op.DisableKey(key=KEY),
    op.ScheduleKeyDeletion(key=KEY, window_days=30),
    op.CancelKeyDeletion(key=KEY),
    op.DeleteKeyMaterial(key=KEY),
    op.SetDeletionProtection(key=KEY, enable=True, description="why"),
    op.SetDeletionProtection(instance=INSTANCE, enable=False),
    op.UpdateKeyDescription(key=KEY, description=""),
    op.UpdateRotationPolicy(key=KEY, rotation=604_800),
    op.UpdateRotationPolicy(key=KEY),
    op.SetKeyPolicy(key=KEY, policy=POLICY),
    op.SetKeyPolicy(key=KEY),
    op.TagResource(key=KEY, tags={"a": "b"}),
    op.UntagResource(key=KEY, tag_keys=("a", "b")),
    op.TagResources(resource=KEY, resource_type="key", tags={str(number): "x" for number in range(20)}),
    op.UntagResources(resource=(KEY, KEY), resource_type="key", tag_keys=("a", "b")),
    op.UntagResources(resource=INSTANCE, resource_type="instance", tag_keys=(), every=True),
    op.CreateAlias(alias="alias/a", key=KEY),
    op.UpdateAlias(alias="alias/a", key=KEY),
    op.DeleteAlias(alias="alias/a"),
    op.ConnectKmsInstance(instance=INSTANCE, vpc="vpc-1", switches=("vsw-1",), zones=("cn-1", "cn-2")),
    op.UpdateKmsInstanceBindVpc(instance=INSTANCE, vpcs=({"VpcId": "vpc-1", "VpcOwnerId": 1234567890123456},)),
    op.ReleaseKmsInstance(instance=INSTANCE, force=True),
    op.ReleaseKmsInstance(instance=INSTANCE),
)
READS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("DescribeKey", {"KeyId": KEY}),
    ("GetKeyPolicy", {"KeyId": KEY, "PolicyName": "default"}),
    ("ListKeyVersions", {"KeyId": KEY, "PageNumber": 1, "PageSize": 1}),
    ("ListKeys", {"PageNumber": 2, "PageSize": 100, "Filters": '[{"Key":"TagKey","Values":["a"]}]'}),
    ("ListAliases", {"PageNumber": 1, "PageSize": 100}),
    ("ListKmsInstances", {"PageNumber": 1, "PageSize": 100}),
    ("GetKmsInstance", {"KmsInstanceId": INSTANCE}),
    (
        "ListTagResources",
        {"RegionId": "cn-hangzhou", "ResourceType": "key", "ResourceId": [KEY, KEY], "NextToken": "t"},
    ),
    (
        "GetParametersForImport",
        {"KeyId": KEY, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"},
    ),
    (
        "ImportKeyMaterial",
        {"KeyId": KEY, "EncryptedKeyMaterial": "aa+/", "ImportToken": "bb==", "KeyMaterialExpireUnix": 0},
    ),
)


class Sent:
    """Takes the place of the call over the network."""

    def __init__(self) -> None:
        self.parameters: dict[str, Any] = {}
        self.query: dict[str, str] = {}

    def __call__(self, parameters: Any, sent: Any, runtime: Any) -> dict[str, Any]:
        del runtime
        self.parameters = parameters.to_map()
        self.query = {name: str(value) for name, value in sent.query.items()}
        return {"body": {}, "headers": {}, "statusCode": 200}


def by_provider(action: str, query: Mapping[str, Any]) -> Sent:
    channel, sent = SdkChannel(settings({"region": "cn-hangzhou"})), Sent()
    for client in channel._clients.values():
        client.call_api = sent
    channel.call(action, query)
    channel.close()
    return sent


def by_sdk(action: str, query: Mapping[str, Any]) -> Sent:
    config = Config(access_key_id="id", access_key_secret="secret", region_id="cn-hangzhou")
    client, sent = kms_client.Client(config), Sent()
    client.call_api = sent
    method = re.sub(r"(?<!^)(?=[A-Z])", "_", action).lower()
    getattr(client, method)(getattr(models, f"{action}Request")().from_map(dict(query)))
    return sent


@pytest.mark.parametrize("operation", CALLS, ids=name_of)
def test_a_change_is_sent_as_the_sdk_sends_it(operation: op.Operation) -> None:
    action, query = request(operation, account="1234567890123456", region="cn-hangzhou")
    ours, theirs = by_provider(action, query), by_sdk(action, query)
    assert (ours.parameters, ours.query) == (theirs.parameters, theirs.query)


@pytest.mark.parametrize(("action", "query"), READS, ids=[action for action, _ in READS])
def test_a_question_is_sent_as_the_sdk_sends_it(action: str, query: dict[str, Any]) -> None:
    ours, theirs = by_provider(action, query), by_sdk(action, query)
    assert (ours.parameters, ours.query) == (theirs.parameters, theirs.query)


def test_every_operation_is_compared_that_the_sdk_knows() -> None:
    assert {name_of(call) for call in CALLS} | NOT_IN_THE_SDK | SENT_ELSEWHERE == set(OPERATIONS)
    for name in NOT_IN_THE_SDK:
        assert not hasattr(models, f"{name}Request")
