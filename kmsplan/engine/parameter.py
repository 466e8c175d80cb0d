"""What the parameters of control-plane operations must be, by their names on the wire: one table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from kmsplan.kms.capability import (
    DELETION_WINDOW_DAYS,
    INSTANCE_SPECS,
    KEY_QUOTA,
    ROTATION_DAYS,
    KeyStorageMechanism,
    Origin,
)
from kmsplan.kms.error import KmsError
from kmsplan.kms.naming import DAY, DESCRIPTION_LENGTH, POLICY_BYTES, TAG_LIMIT, alias_problem, tag_problem
from kmsplan.kms.spec import INSTANCE_TYPES, KeySpec, KeyUsage

Check = Callable[[Any], str | None]
"""Returns what is wrong with a value, or None."""


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


def _description(value: Any) -> str | None:
    if is_text(value) and len(value) <= DESCRIPTION_LENGTH:
        return None
    return f"it is a text of at most {DESCRIPTION_LENGTH} characters"


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


def _tags(value: Any) -> str | None:
    if not isinstance(value, Mapping) or not all(isinstance(part, str) for pair in value.items() for part in pair):
        return "it maps text to text"
    if len(value) > TAG_LIMIT:
        return f"a resource has at most {TAG_LIMIT} tags, these are {len(value)}"
    return next((problem for name, text in value.items() if (problem := tag_problem(name, text))), None)


def _names(value: Any) -> str | None:
    return None if isinstance(value, tuple) and not any(map(_text, value)) else "it is a list of names"


def _policy(value: Any) -> str | None:
    if not isinstance(value, Mapping):
        return "it is a JSON object"
    try:
        size = len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError):
        return "it holds something that is no JSON"
    return None if size <= POLICY_BYTES else f"it has {size} bytes, and at most {POLICY_BYTES} are allowed"


def _hsm(value: Any) -> str | None:
    if isinstance(value, Mapping) and value.keys() == {"module", "token"} and not any(map(_text, value.values())):
        return None
    return "it names a PKCS#11 module and a token, and nothing else"


_CHECKS: Final[Mapping[str, Check]] = MappingProxyType(
    {
        "AliasName": _alias,
        "DKMSInstanceId": _text,
        "Description": _description,
        "EnableDeletionProtection": _flag,
        "Hsm": _hsm,
        "KeyId": _text,
        "KeyNum": _between(*KEY_QUOTA, "key versions"),
        "KeySpec": _one_of(KeySpec),
        "KeyStorageMechanism": _one_of(KeyStorageMechanism),
        "KeyUsage": _one_of(KeyUsage),
        "KmsInstanceId": _text,
        "Origin": _one_of(Origin),
        "PendingWindowInDays": _between(*DELETION_WINDOW_DAYS, "days"),
        "Policy": _policy,
        "ProductType": _one_of(tuple(key_type.value for key_type in INSTANCE_TYPES)),
        "ResourceId": _text,
        "ResourceType": _one_of(("key", "instance")),
        "RotationInterval": _between(*ROTATION_DAYS, "seconds", DAY),
        "Spec": _one_of(INSTANCE_SPECS),
        "Tag": _tags,
        "TagKey": _names,
        "Tags": _tags,
    }
)


def check(values: Mapping[str, Any]) -> None:
    """Check the parameters of an operation.

    Raises:
        KmsError: InvalidParameter, naming the first that is wrong and why.
    """
    for name, value in values.items():
        problem = _CHECKS[name](value)
        if problem:
            raise invalid(name, problem)


def invalid(name: str, problem: str) -> KmsError:
    """Return the error for a parameter that is wrong."""
    return KmsError("InvalidParameter", f"The specified parameter {name!r} is not valid: {problem}.")
