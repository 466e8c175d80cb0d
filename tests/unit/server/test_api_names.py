"""Through the wire: by which names keys go and what kind they have to be, lists in pages, tags, protection."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from kmsplan.server.action.table import ROWS
from tests.calls import CALLS, CRYPTO

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.calls import Parameters, Stage

QUESTION: Final = {"RegionId": "local", "ResourceType": "key"}


BY_ALIAS: Final = (
    *sorted(CRYPTO.keys() - {"Decrypt", "ExportDataKey", "ReEncrypt"}),
    "DescribeKey",
    "DescribeKeyVersion",
    "ListKeyVersions",
    "CreateKeyVersion",
)
BY_ID: Final = (
    "CancelKeyDeletion",
    "CreateAlias",
    "DeleteKeyMaterial",
    "DisableKey",
    "EnableKey",
    "GetKeyPolicy",
    "GetParametersForImport",
    "ImportKeyMaterial",
    "ListAliasesByKeyId",
    "ListResourceTags",
    "ListTagResources",
    "ScheduleKeyDeletion",
    "SetDeletionProtection",
    "SetKeyPolicy",
    "TagResource",
    "TagResources",
    "UntagResource",
    "UntagResources",
    "UpdateAlias",
    "UpdateKeyDescription",
    "UpdateRotationPolicy",
)


def _renamed(stage: Stage, action: str, name: Callable[[str], str]) -> Parameters:
    """Return a call in which the key goes by another name."""
    sent = CALLS[action](stage)
    return {key: name(value) if key in {"KeyId", "ResourceId.1"} else value for key, value in sent.items()}


def test_every_action_that_names_a_key_says_how() -> None:
    naming = {action for action in CALLS if {of.name for of in ROWS[action].parameters} & {"KeyId", "ResourceId"}}
    assert naming == {*BY_ALIAS, *BY_ID}


@pytest.mark.parametrize("action", BY_ALIAS)
def test_an_alias_names_a_key_that_is_used_or_described(stage: Stage, action: str) -> None:
    prefix = stage.api.engine.describe_key(stage.aes).arn.partition("key/")[0]
    for kind in (str, prefix.__add__):
        sent = _renamed(stage, action, lambda key, kind=kind: kind(stage.alias(key)))  # type: ignore[misc]
        stage.api.ok(action, **sent)


@pytest.mark.parametrize("action", BY_ID)
def test_where_an_id_is_needed_an_alias_is_refused(stage: Stage, action: str) -> None:
    prefix = stage.api.engine.describe_key(stage.aes).arn.partition("key/")[0]
    alias = stage.alias(stage.aes)
    for name in (alias, prefix + alias):
        reply = stage.api.call(action, _renamed(stage, action, lambda _, name=name: name))  # type: ignore[misc]
        assert (reply.status, reply.code) == (400, "Unsupported.Alias"), reply.json


@pytest.mark.parametrize("action", sorted({*BY_ALIAS, *BY_ID} - {"CancelKeyDeletion"}))
def test_an_arn_names_a_key_everywhere(stage: Stage, action: str) -> None:
    prefix = stage.api.engine.describe_key(stage.aes).arn.partition("key/")[0]
    stage.api.ok(action, **_renamed(stage, action, lambda key: f"{prefix}key/{key}"))


@pytest.mark.parametrize("action", sorted({*BY_ALIAS, *BY_ID} - {"ListTagResources"}))
def test_a_key_that_is_not_there_is_not_found(stage: Stage, action: str) -> None:
    reply = stage.api.call(action, _renamed(stage, action, lambda _: "key-none"))
    assert (reply.status, reply.code) == (404, "Forbidden.KeyNotFound")


def test_lists_are_read_in_pages(stage: Stage) -> None:
    first, whole = stage.api.ok("ListKeys", PageSize="2"), stage.api.ok("ListKeys", PageSize="100")
    assert (first["PageNumber"], first["PageSize"], len(first["Keys"]["Key"])) == (1, 2, 2)
    second = stage.api.ok("ListKeys", PageSize="2", PageNumber="2")
    assert first["Keys"]["Key"] + second["Keys"]["Key"] == whole["Keys"]["Key"][:4]
    beyond = stage.api.ok("ListKeys", PageNumber="100000")
    assert (beyond["Keys"]["Key"], beyond["TotalCount"]) == ([], whole["TotalCount"])
    assert stage.api.ok("ListKmsInstances")["PageSize"] == 20


def test_two_hundred_tags_come_at_a_time_and_a_token_with_them(stage: Stage) -> None:
    home = stage.new_instance()
    tags = json.dumps([{"TagKey": f"many-{number}", "TagValue": ""} for number in range(20)])
    for _ in range(11):
        stage.api.ok("CreateKey", DKMSInstanceId=home, Tags=tags)
    rows: list[dict[str, str]] = []
    token, pages = "", 0
    while token or not pages:
        answer = stage.api.ok("ListTagResources", **QUESTION, **{"Tag.1.Key": "many-0"}, NextToken=token)
        rows += answer["TagResources"]["TagResource"]
        token, pages = answer["NextToken"], pages + 1
    assert (pages, len({(row["ResourceId"], row["TagKey"]) for row in rows}), len(rows)) == (2, 220, 220)


def test_all_removes_every_tag_and_is_passed_over_where_tags_are_named(stage: Stage) -> None:
    key = stage.fresh()
    named = {**QUESTION, "ResourceId.1": key}
    stage.api.ok("TagResources", **named, **{"Tag.1.Key": "k1", "Tag.2.Key": "k2"})
    stage.api.ok("UntagResources", **named, **{"TagKey.1": "k1"}, All="true")
    assert [tag["TagKey"] for tag in stage.api.ok("ListResourceTags", KeyId=key)["Tags"]["Tag"]] == ["k2", "kept"]
    assert stage.api.call("UntagResources", named).code == "InvalidParameter"
    stage.api.ok("UntagResources", **named, All="True")
    assert stage.api.ok("ListResourceTags", KeyId=key)["Tags"]["Tag"] == []


def test_the_older_tagging_actions_tag_keys_alone_and_name_one(stage: Stage) -> None:
    for action, tags in (("TagResource", {"Tags": '[{"TagKey":"a"}]'}), ("UntagResource", {"TagKeys": "a"})):
        assert stage.api.call(action, tags).code == "MissingParameter"
        for other in ("SecretName", "CertificateId"):
            assert stage.api.call(action, {**tags, other: "x"}).code == "UnsupportedOperation"
            assert stage.api.call(action, {**tags, other: "x", "KeyId": stage.other}).code == "UnsupportedOperation"


def test_protection_names_one_resource_in_one_of_three_ways(stage: Stage) -> None:
    api, on, home = stage.api, {"EnableDeletionProtection": "true"}, stage.new_instance()
    arn = api.engine.describe_instance(home).arn
    assert api.call("SetDeletionProtection", on).code == "MissingParameter"
    both = {**on, "KeyId": stage.other, "KmsInstanceId": home}
    assert api.call("SetDeletionProtection", both).code == "InvalidParameter"
    for wrong, code in (
        ("x", "InvalidParameter"),
        (arn.replace("keystore", "secret"), "InvalidParameter"),
        (arn.replace(api.engine.account, "1" * 16), "Forbidden.DKMSInstanceNotFound"),
        (arn.replace(":local:", ":elsewhere:"), "Forbidden.DKMSInstanceNotFound"),
        (arn.replace(":local:", ":elsewhere:").replace(f"keystore/{home}", "key/key-none"), "Forbidden.KeyNotFound"),
    ):
        assert api.call("SetDeletionProtection", {**on, "ProtectedResourceArn": wrong}).code == code
    assert api.ok("GetKmsInstance", KmsInstanceId=home)["KmsInstance"]["DeletionProtection"] is False
    api.ok("SetDeletionProtection", **on, ProtectedResourceArn=arn, DeletionProtectionDescription="why")
    reply = api.call("ReleaseKmsInstance", {"KmsInstanceId": home})
    assert (reply.status, reply.code) == (403, "Forbidden.DeletionProtected")
    api.ok("SetDeletionProtection", **on, KmsInstanceId=home, DeletionProtectionDescription="")
    seen = api.ok("GetKmsInstance", KmsInstanceId=home)["KmsInstance"]
    assert (seen["DeletionProtection"], seen["DeletionProtectionDescription"]) == (True, "")


@pytest.mark.parametrize("action", ["AsymmetricSign", "AsymmetricVerify", "AsymmetricEncrypt", "AsymmetricDecrypt"])
def test_a_key_of_another_kind_is_refused_in_the_words_of_each_page(stage: Stage, action: str) -> None:
    wrong = {"KeyId": stage.aes, "KeyVersionId": stage.version(stage.aes)}
    reply = stage.api.call(action, {**CALLS[action](stage), **wrong})
    assert (reply.status, reply.code) == (400, "Rejected.UnsupportedOperation")
    reply = stage.api.call("Encrypt", {"KeyId": stage.signing["KeyId"], "Plaintext": "x"})
    assert (reply.status, reply.code) == (400, "UnsupportedOperation")


def test_what_is_asked_for_an_enclave_is_refused(stage: Stage) -> None:
    for action in ("Decrypt", "GenerateDataKey", "AsymmetricDecrypt"):
        reply = stage.api.call(action, {**CALLS[action](stage), "Recipient": "x"})
        assert (reply.status, reply.code) == (400, "UnsupportedOperation")
