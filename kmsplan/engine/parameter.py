"""What the parameters of control-plane operations must be, by their names on the wire: one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from kmsplan.kms.capability import (
    DELETION_WINDOW_DAYS,
    INSTANCE_SPECS,
    KEY_QUOTA,
    ROTATION_DAYS,
    ROTATION_UPDATE_DAYS,
    KeyStorageMechanism,
    Origin,
)
from kmsplan.kms.error import KmsError
from kmsplan.kms.external import fingerprint_problem, is_external_key, path_problem, url_problem
from kmsplan.kms.hsmobject import ID_BYTES, is_hsm_object
from kmsplan.kms.naming import (
    DAY,
    DESCRIPTION_LENGTH,
    INSTANCE_NAME_LENGTH,
    OLD_TAG_LIMIT,
    TAG_LIMIT,
    TAGGED_LIMIT,
    alias_problem,
    tag_problem,
)
from kmsplan.kms.policy import condition_problem, policy_problem
from kmsplan.kms.spec import INSTANCE_TYPES, KeySpec, KeyUsage

Check = Callable[[Any], str | None]
"""Returns what is wrong with a value, or None."""
_PLACES: Final = 3
"""Zones and vSwitches of an instance at most."""


def is_text(value: Any) -> bool:
    """Return whether a value is a text that can be written as UTF-8; half a surrogate pair cannot."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


def _text(value: Any) -> str | None:
    return None if is_text(value) and value else "it is a non-empty text"


def _flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else "it is true or false"


def _up_to(length: int) -> Check:
    def check(value: Any) -> str | None:
        if is_text(value) and len(value) <= length:
            return None
        return f"it is a text of at most {length} characters"

    return check


def _name(value: Any) -> str | None:
    return _text(value) or _up_to(INSTANCE_NAME_LENGTH)(value)


def _one_of(allowed: type[StrEnum] | tuple[Any, ...]) -> Check:
    values = tuple(str(item) if isinstance(item, str) else item for item in allowed)
    known = frozenset(values)

    def check(value: Any) -> str | None:
        if isinstance(value, str | int) and not isinstance(value, bool) and value in known:
            return None
        return f"it is one of {', '.join(map(str, values))}"

    return check


def _between(low: int, high: int, what: str, unit: int = 1) -> Check:
    def check(value: Any) -> str | None:
        if isinstance(value, int) and not isinstance(value, bool) and low * unit <= value <= high * unit:
            return None
        return f"it is a whole number of {what} from {low * unit} to {high * unit}"

    return check


def _alias(value: Any) -> str | None:
    return alias_problem(value) if isinstance(value, str) else "it is a text"


def _tags(limit: int) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, Mapping) or not all(isinstance(part, str) for pair in value.items() for part in pair):
            return "it maps text to text"
        if len(value) > limit:
            return f"at most {limit} tags are allowed, these are {len(value)}"
        return next((problem for name, text in value.items() if (problem := tag_problem(name, text))), None)

    return check


def _names(low: int, high: int) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, tuple) or any(map(_text, value)):
            return "it is a list of names"
        return None if low <= len(value) <= high else f"it is a list of {low} to {high} names, these are {len(value)}"

    return check


def _resources(value: Any) -> str | None:
    return _names(1, TAGGED_LIMIT)(value) if isinstance(value, tuple) else _text(value)


def _policy(value: Any) -> str | None:
    return policy_problem(value) or condition_problem(value)


def _hsm(value: Any) -> str | None:
    if isinstance(value, Mapping) and value.keys() == {"module", "token"} and not any(map(_text, value.values())):
        return None
    return "it names a PKCS#11 module and a token, and nothing else"


def _proxy(value: Any) -> str | None:
    """Check where a key manager's proxy is."""
    if not isinstance(value, Mapping) or not value.keys() >= {"url", "path"} or value.keys() - _PROXY.keys():
        return "it has url and path, and may have fingerprint; it has nothing else"
    return next((problem for name, of in _PROXY.items() if name in value and (problem := of(value[name]))), None)


_PROXY: Final[Mapping[str, Check]] = {
    "url": lambda value: _text(value) or url_problem(value),
    "path": lambda value: _text(value) or path_problem(value),
    "fingerprint": lambda value: _text(value) or fingerprint_problem(value),
}


def _external_key(value: Any) -> str | None:
    if isinstance(value, str) and is_external_key(value):
        return None
    return "it is made of up to 128 letters, digits, '.', '_' and '-'"


def _hsm_object(value: Any) -> str | None:
    if isinstance(value, str) and is_hsm_object(value):
        return None
    return f"it is a CKA_ID: 1 to {ID_BYTES} bytes in hexadecimal digits, two for each"


def _where_found(value: Any) -> str | None:
    return None if isinstance(value, Mapping) else "it says where material is found"


_VPC: Final = {
    "VpcId": _text,
    "VSwitchId": _text,
    "RegionId": _text,
    "VpcOwnerId": _between(0, 2**63 - 1, "an account"),
}


def _vpcs(value: Any) -> str | None:
    if not isinstance(value, tuple) or not all(isinstance(vpc, Mapping) and vpc.keys() == _VPC.keys() for vpc in value):
        return f"it is a list of objects with {', '.join(_VPC)}"
    problems = (f"{name}: {problem}" for vpc in value for name, of in _VPC.items() if (problem := of(vpc[name])))
    return next(problems, None)


_CHECKS: Final[Mapping[str, Check]] = MappingProxyType(
    {
        "AliasName": _alias,
        "All": _flag,
        "BindVpcs": _vpcs,
        "DKMSInstanceId": _text,
        "DeletionProtectionDescription": _up_to(DESCRIPTION_LENGTH),
        "Description": _up_to(DESCRIPTION_LENGTH),
        "EnableDeletionProtection": _flag,
        "ExternalKeyId": _external_key,
        "ForceDeleteWithoutBackup": _flag,
        "Hsm": _hsm,
        "HsmObject": _hsm_object,
        "InstanceName": _name,
        "KMProvider": _one_of(("Aliyun",)),
        "KeyId": _text,
        "KeyMaterialExpireUnix": _between(0, 2**63 - 1, "seconds"),
        "KeyNum": _between(*KEY_QUOTA, "key versions"),
        "KeySpec": _one_of(KeySpec),
        "KeyStorageMechanism": _one_of(KeyStorageMechanism),
        "KeyUsage": _one_of(KeyUsage),
        "KmsInstanceId": _text,
        "Material": _where_found,
        "Origin": _one_of(Origin),
        "PendingWindowInDays": _between(*DELETION_WINDOW_DAYS, "days"),
        "Policy": _policy,
        "ProductType": _one_of(tuple(key_type.value for key_type in INSTANCE_TYPES)),
        "Proxy": _proxy,
        "ProtectionLevel": _one_of(("SOFTWARE", "HSM")),
        "ResourceId": _resources,
        "ResourceType": _one_of(("key", "instance")),
        "RotationInterval": _between(*ROTATION_DAYS, "seconds", DAY),
        "Spec": _one_of(INSTANCE_SPECS),
        "Tag": _tags(TAG_LIMIT),
        "TagKey": _names(0, TAG_LIMIT),
        "TagKeys": _names(1, TAG_LIMIT),
        "Tags": _tags(TAG_LIMIT),
        "VSwitchIds": _names(1, _PLACES),
        "VpcId": _text,
        "ZoneIds": _names(1, _PLACES),
    }
)
_OF_ACTIONS: Final[Mapping[tuple[str, str], Check]] = MappingProxyType(
    {
        ("TagResource", "Tags"): _tags(OLD_TAG_LIMIT),
        ("UpdateRotationPolicy", "RotationInterval"): _between(*ROTATION_UPDATE_DAYS, "seconds", DAY),
    }
)
"""Where an action has another limit than the rest."""


def check(action: str, values: Mapping[str, Any]) -> None:
    """Check the parameters of an operation.

    Raises:
        KmsError: InvalidParameter, naming the first that is wrong and why.
    """
    for name, value in values.items():
        problem = _OF_ACTIONS.get((action, name), _CHECKS[name])(value)
        if problem:
            raise invalid(name, problem)


def invalid(name: str, problem: str) -> KmsError:
    """Return the error for a parameter that is wrong."""
    return KmsError("InvalidParameter", f'The specified parameter "{name}" is not valid: {problem}.')
