"""Operations as calls: the action and its parameters, in the forms that the API takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.kms import operation as op
from kmsplan.kms.policy import default_policy
from kmsplan.kms.wire import parameters

if TYPE_CHECKING:
    from kmsplan.kms.operation import Operation

ACTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {"CreateInstance": "CreateKmsInstance", "ModifyInstance": "ModifyKmsInstance"}
)
"""Operations whose action has another name. The cloud sells instances through another API (BssOpenApi), and so has
neither; a served kmsplan engine has both."""
MADE: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = MappingProxyType(
    {
        "CreateKey": lambda answer: answer["KeyMetadata"]["KeyId"],
        "CreateKeyVersion": lambda answer: answer["KeyVersion"]["KeyVersionId"],
        "CreateInstance": lambda answer: answer["KmsInstance"]["InstanceId"],
    }
)
"""By operation: the id of what it made, in its answer."""


def request(operation: Operation, *, account: str, region: str) -> tuple[str, dict[str, Any]]:
    """Return an operation's action and parameters.

    Args:
        operation: with every reference resolved.
        account: the account's number, which a key's default policy names.
        region: where the KMS is.
    """
    name = op.name_of(operation)
    values = parameters(operation)
    special = _FORMS.get(name)
    return ACTIONS.get(name, name), special(values, account, region) if special else _plain(values)


def compact(value: Any) -> str:
    """Return JSON as the SDKs send it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: compact(value) if isinstance(value, dict) else value for name, value in values.items()}


def _duration(seconds: int) -> str:
    return f"{seconds}s"


def _tag_list(tags: Mapping[str, str]) -> str:
    return compact([{"TagKey": key, "TagValue": value} for key, value in tags.items()])


def _create_key(values: dict[str, Any], account: str, region: str) -> dict[str, Any]:
    del account, region
    query = {**_plain(values), "Tags": _tag_list(values["Tags"])}
    if "RotationInterval" in values:
        query |= {"EnableAutomaticRotation": True, "RotationInterval": _duration(values["RotationInterval"])}
    return query


def _create_instance(values: dict[str, Any], account: str, region: str) -> dict[str, Any]:
    del account, region
    return {**_plain(values), "Tags": _tag_list(values["Tags"])}


def _rotation(values: dict[str, Any], account: str, region: str) -> dict[str, Any]:
    del account, region
    seconds = values.get("RotationInterval")
    given = {} if seconds is None else {"RotationInterval": _duration(seconds)}
    return {"KeyId": values["KeyId"], "EnableAutomaticRotation": seconds is not None, **given}


def _policy(values: dict[str, Any], account: str, region: str) -> dict[str, Any]:
    """Return a policy; the API has no way to remove one, so none is the one that a key starts with."""
    del region
    policy = values.get("Policy")
    text = compact(default_policy(account) if policy is None else policy)
    return {"KeyId": values["KeyId"], "PolicyName": "default", "Policy": text}


def _tag(values: dict[str, Any], account: str, region: str) -> dict[str, Any]:
    del account
    tags = [{"Key": key, "Value": value} for key, value in values["Tag"].items()]
    return {**values, "RegionId": region, "ResourceId": _several(values["ResourceId"]), "Tag": tags}


def _untag(values: dict[str, Any], account: str, region: str) -> dict[str, Any]:
    del account
    return {
        **values,
        "RegionId": region,
        "ResourceId": _several(values["ResourceId"]),
        "TagKey": list(values["TagKey"]),
    }


def _several(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _tag_one(values: dict[str, Any], account: str, region: str) -> dict[str, Any]:
    del account, region
    return {"KeyId": values["KeyId"], "Tags": _tag_list(values["Tags"])}


def _untag_one(values: dict[str, Any], account: str, region: str) -> dict[str, Any]:
    del account, region
    return {"KeyId": values["KeyId"], "TagKeys": compact(list(values["TagKeys"]))}


def _connect(values: dict[str, Any], account: str, region: str) -> dict[str, Any]:
    del account, region
    return {**values, **{name: ",".join(values[name]) for name in ("VSwitchIds", "ZoneIds")}}


def _bind(values: dict[str, Any], account: str, region: str) -> dict[str, Any]:
    del account, region
    return {**values, "BindVpcs": compact(list(values["BindVpcs"]))}


def _release(values: dict[str, Any], account: str, region: str) -> dict[str, Any]:
    """Return a release; the API takes the word, not a truth value."""
    del account, region
    force = values.get("ForceDeleteWithoutBackup")
    return {**values, **({} if force is None else {"ForceDeleteWithoutBackup": "true" if force else "false"})}


_FORMS: Final[Mapping[str, Callable[[dict[str, Any], str, str], dict[str, Any]]]] = MappingProxyType(
    {
        "CreateKey": _create_key,
        "CreateInstance": _create_instance,
        "UpdateRotationPolicy": _rotation,
        "SetKeyPolicy": _policy,
        "TagResources": _tag,
        "UntagResources": _untag,
        "TagResource": _tag_one,
        "UntagResource": _untag_one,
        "ConnectKmsInstance": _connect,
        "UpdateKmsInstanceBindVpc": _bind,
        "ReleaseKmsInstance": _release,
    }
)
"""Operations whose parameters are not sent as they stand."""
