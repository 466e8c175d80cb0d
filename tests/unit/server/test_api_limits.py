"""Limits through the wire: what is just allowed, and what is one too many."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

from tests.calls import CALLS

if TYPE_CHECKING:
    from tests.calls import Parameters, Stage


class Limit(NamedTuple):
    """A limit: what is just allowed, and what is just not."""

    action: str
    parameter: str
    """As a refusal names it."""
    most: Parameters
    more: Parameters


def _one(action: str, parameter: str, most: str, more: str, **others: str) -> Limit:
    return Limit(action, parameter, {**others, parameter: most}, {**others, parameter: more})


def _each(count: int, name: str = "ResourceId", end: str = "", value: str = "key-none") -> Parameters:
    return {f"{name}.{number}{end}": f"{value}{number}" for number in range(1, count + 1)}


def _filters(entries: int, values: int) -> str:
    return json.dumps([{"Key": "KeyState", "Values": ["Enabled"] * values}] * entries)


def _tags(count: int, *, key: int = 2, value: int = 1) -> str:
    return json.dumps([{"TagKey": str(number).ljust(key, "k"), "TagValue": "v" * value} for number in range(count)])


def _policy(size: int) -> str:
    allow = {"Effect": "Allow", "Principal": {"RAM": [f"acs:ram::{ACCOUNT}:*"]}, "Action": ["kms:*"], "Resource": ["*"]}
    policy: dict[str, Any] = {"Version": "1", "Statement": [allow]}
    actions = allow["Action"]
    assert isinstance(actions, list)
    actions.append("kms:")
    actions[1] += "x" * (size - len(json.dumps(policy, separators=(",", ":"))))
    return json.dumps(policy, separators=(",", ":")).replace(ACCOUNT, "ACCOUNT")


def _context(size: int) -> str:
    return json.dumps({"a": "b" * (size - len('{"a":""}'))}, separators=(",", ":"))


def _b64(size: int) -> str:
    return b64encode(bytes(size)).decode()


ACCOUNT: Final = "1" * 16
_QUESTION: Final = {"RegionId": "local", "ResourceType": "key"}
LIMITS: Final = (
    _one("CreateKey", "Description", "ü" * 8192, "ü" * 8193),
    _one("CreateKey", "Tags", _tags(20), _tags(21)),
    _one("CreateKey", "Tags", _tags(1, key=128), _tags(1, key=129)),
    _one("CreateKey", "Tags", _tags(1, value=128), _tags(1, value=129)),
    _one("CreateKey", "Policy", _policy(32_768), _policy(32_769)),
    _one("CreateKey", "RotationInterval", "7d", "604799s", EnableAutomaticRotation="true"),
    _one("CreateKey", "RotationInterval", "365d", "31536001s", EnableAutomaticRotation="true"),
    _one("CreateKey", "Origin", "Aliyun_KMS", "aliyun_kms"),
    _one("UpdateRotationPolicy", "RotationInterval", "730d", "63072001s", KeyId="KEY", EnableAutomaticRotation="true"),
    _one("UpdateRotationPolicy", "RotationInterval", "7d", "6d", KeyId="KEY", EnableAutomaticRotation="true"),
    _one("UpdateKeyDescription", "Description", "d" * 8192, "d" * 8193, KeyId="KEY"),
    _one("UpdateKeyDescription", "Description", "", "d" * 8193, KeyId="KEY"),
    _one("SetKeyPolicy", "Policy", _policy(32_768), _policy(32_769), KeyId="KEY"),
    _one("ScheduleKeyDeletion", "PendingWindowInDays", "7", "6", KeyId="KEY"),
    _one("ScheduleKeyDeletion", "PendingWindowInDays", "366", "367", KeyId="KEY"),
    _one(
        "SetDeletionProtection",
        "DeletionProtectionDescription",
        "d" * 8192,
        "d" * 8193,
        KeyId="KEY",
        EnableDeletionProtection="true",
    ),
    _one("ListKeys", "Filters", _filters(10, 10), _filters(11, 1)),
    _one("ListKeys", "Filters", _filters(0, 0), _filters(1, 11)),
    _one("ListKeys", "PageNumber", "1", "0"),
    _one("ListKeys", "PageNumber", str(2**31 - 1), str(2**31)),
    *(
        limit
        for action, others in {
            "ListKeys": {},
            "ListKeyVersions": {"KeyId": "KEY"},
            "ListAliases": {},
            "ListAliasesByKeyId": {"KeyId": "KEY"},
            "ListKmsInstances": {},
        }.items()
        for limit in (
            _one(action, "PageSize", "100", "101", **others),
            _one(action, "PageSize", "1", "0", **others),
        )
    ),
    _one("CreateAlias", "AliasName", f"alias/{'a' * 249}", f"alias/{'a' * 250}", KeyId="KEY"),
    _one("CreateAlias", "AliasName", "alias/-_/Z9", "alias/ü", KeyId="KEY"),
    _one("CreateAlias", "AliasName", "alias/ac", "alias/acs/x", KeyId="KEY"),
    _one("TagResource", "Tags", _tags(10), _tags(11), KeyId="KEY"),
    _one("TagResource", "Tags", '[{"TagKey":"Aliyun"}]', '[{"TagKey":"aliyun"}]', KeyId="KEY"),
    _one("UntagResource", "TagKeys", ",".join("a" * 20), ",".join("a" * 21), KeyId="KEY"),
    Limit(
        "TagResources",
        "Tag",
        {**_QUESTION, "ResourceId.1": "KEY", **_each(20, "Tag", ".Key", "k")},
        {**_QUESTION, "ResourceId.1": "KEY", **_each(21, "Tag", ".Key", "k")},
    ),
    Limit(
        "UntagResources",
        "TagKey",
        {**_QUESTION, "ResourceId.1": "KEY", **_each(20, "TagKey", value="k")},
        {**_QUESTION, "ResourceId.1": "KEY", **_each(21, "TagKey", value="k")},
    ),
    Limit("ListTagResources", "ResourceId", {**_QUESTION, **_each(50)}, {**_QUESTION, **_each(51)}),
    Limit(
        "ListTagResources",
        "Tag",
        {**_QUESTION, **_each(20, "Tag", ".Key", "k")},
        {**_QUESTION, **_each(21, "Tag", ".Key", "k")},
    ),
    _one("ListTagResources", "ResourceType", "instance", "Instance", RegionId="local"),
    _one("ListTagResources", "NextToken", "", "x", **_QUESTION),
    _one("Encrypt", "Plaintext", "p" * 6144, "p" * 6145, KeyId="KEY"),
    _one("Encrypt", "Plaintext", "ü" * 3072, "ü" * 3073, KeyId="KEY"),
    _one("Encrypt", "EncryptionContext", _context(8192), _context(8193), KeyId="KEY", Plaintext="x"),
    _one("GenerateDataKey", "NumberOfBytes", "1", "0", KeyId="KEY"),
    _one("GenerateDataKey", "NumberOfBytes", "1024", "1025", KeyId="KEY"),
    _one("GenerateDataKey", "KeySpec", "AES_128", "AES_192", KeyId="KEY"),
    _one("GetRandomPassword", "PasswordLength", "8", "7"),
    _one("GetRandomPassword", "PasswordLength", "128", "129"),
    _one("UpdateKmsInstance", "InstanceName", "n" * 128, "n" * 129, KmsInstanceId="INSTANCE"),
    _one("GetKmsInstanceQuotaInfos", "ResourceType", "qps", "QPS", KmsInstanceId="INSTANCE"),
    _one("CreateKmsInstance", "KeyNum", "100", "99", ProductType="software", Spec="1000"),
    _one("CreateKmsInstance", "Spec", "200", "201", ProductType="software", KeyNum="100"),
)


def _filled(stage: Stage, sent: Parameters) -> Parameters:
    """Return parameters with what stands for a key without tags, an instance and the account filled in."""
    stands = {"INSTANCE": stage.instance}
    if "KEY" in sent.values():
        stands["KEY"] = stage.api.ok("CreateKey", DKMSInstanceId=stage.instance)["KeyMetadata"]["KeyId"]
    account = stage.api.engine.account
    return {name: stands.get(value, value).replace("ACCOUNT", account) for name, value in sent.items()}


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.action} {limit.parameter}")
def test_a_limit_is_reached_and_not_passed(stage: Stage, limit: Limit) -> None:
    home = {"DKMSInstanceId": stage.instance} if limit.action == "CreateKey" else {}
    refused = stage.api.call(limit.action, {**home, **_filled(stage, limit.more)})
    assert (refused.status, refused.code) == (400, "InvalidParameter"), refused.json
    assert f'The specified parameter "{limit.parameter}" is not valid' in refused.json["Message"]
    stage.api.ok(limit.action, **home, **_filled(stage, limit.most))


@pytest.mark.parametrize("size", [31, 33, 0])
def test_a_digest_has_the_length_of_its_algorithm(stage: Stage, size: int) -> None:
    for action in ("AsymmetricSign", "AsymmetricVerify"):
        sent = {**CALLS[action](stage), "Digest": _b64(size) or "=" * 4}
        reply = stage.api.call(action, sent)
        assert reply.code == "InvalidParameter"
        assert 'parameter "Digest"' in reply.json["Message"]


@pytest.mark.parametrize(("algorithm", "most"), [("RSAES_OAEP_SHA_256", 190), ("RSAES_OAEP_SHA_1", 214)])
def test_rsa_encrypts_as_much_as_its_padding_leaves(stage: Stage, algorithm: str, most: int) -> None:
    sent = {**CALLS["AsymmetricEncrypt"](stage), "Algorithm": algorithm}
    stage.api.ok("AsymmetricEncrypt", **{**sent, "Plaintext": _b64(most)})
    assert stage.api.call("AsymmetricEncrypt", {**sent, "Plaintext": _b64(most + 1)}).code == "InvalidParameter"


def test_a_resource_has_twenty_tags(stage: Stage) -> None:
    key = stage.fresh()  # with one of them
    stage.api.ok("TagResources", **_QUESTION, **{"ResourceId.1": key}, **_each(19, "Tag", ".Key", "k"))
    reply = stage.api.call("TagResource", {"KeyId": key, "Tags": '[{"TagKey":"more"}]'})
    assert (reply.status, reply.code) == (400, "Rejected.LimitExceeded")


def test_material_ends_in_the_future(stage: Stage) -> None:
    now = int(stage.api.lab.clock().timestamp())
    sent = stage.material(stage.imported())
    for moment in (str(now - 1), str(now), "-1", "253402300800"):
        reply = stage.api.call("ImportKeyMaterial", {**sent, "KeyMaterialExpireUnix": moment})
        assert (reply.status, reply.code) == (400, "InvalidParameter")
        assert '"KeyMaterialExpireUnix"' in reply.json["Message"]
    stage.api.ok("ImportKeyMaterial", **sent, KeyMaterialExpireUnix=str(now + 1))
    stage.api.ok("ImportKeyMaterial", **sent, KeyMaterialExpireUnix="0")


def test_number_of_bytes_wins_over_the_spec_and_the_default_is_32(stage: Stage) -> None:
    def length(**options: str) -> int:
        answer = stage.api.ok("GenerateDataKey", KeyId=stage.other, **options)
        return len(b64decode(answer["Plaintext"]))

    assert [length(), length(KeySpec="AES_128"), length(KeySpec="AES_128", NumberOfBytes="5")] == [32, 16, 5]


def test_rotation_needs_an_interval_where_it_is_turned_on_and_none_where_it_is_not(stage: Stage) -> None:
    for action, home in (("CreateKey", {"DKMSInstanceId": stage.instance}), ("UpdateRotationPolicy", {})):
        sent = home or {"KeyId": stage.other}
        reply = stage.api.call(action, {**sent, "EnableAutomaticRotation": "true"})
        assert (reply.status, reply.code) == (400, "MissingParameter")
        assert '"RotationInterval"' in reply.json["Message"]
        stage.api.ok(action, **sent, EnableAutomaticRotation="false", RotationInterval="1s")
