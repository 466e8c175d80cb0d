"""Fields of the API's answers to objects: what the cloud's provider makes of them, less what a state does not tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.kms.capability import KeyStorageMechanism
from kmsplan.kms.naming import ALIAS_PREFIX, parse_arn, parse_duration
from kmsplan.provider.alibaba import normal

if TYPE_CHECKING:
    from kmsplan.resource.value import Present

Row = Mapping[str, Any]
_ROTATES: Final = ("Enabled", "Suspended")
_SOMEBODY: Final = "0"
"""An account that nobody has: a key of which no maker is told is a user's, for Terraform makes none of a service."""


def _key(row: Row) -> Present:
    """Return a key.

    Raises:
        ValueError: with what about it cannot be read.
    """
    if row.get("AutomaticRotation") in _ROTATES and parse_duration(row.get("RotationInterval", "")) is None:
        raise ValueError("it rotates, and its rotation_interval is no duration")
    arn = parse_arn(row.get("Arn", ""))
    completed = {"Creator": _SOMEBODY, "Versions": None, **_mechanism(row), **row}
    try:
        present = normal.key(completed, _tags(row), arn.account if arn else "")
    except ValueError as error:
        raise ValueError("its policy is not JSON") from error
    return present if "DeletionProtection" in row else _without(present, "deletion_protection")


def _mechanism(row: Row) -> dict[str, str]:
    """Return how an HSM keeps a key. Terraform cannot say, so that it is the default; only the other way rotates."""
    if row.get("ProtectionLevel") != "HSM" or "DKMSInstanceId" not in row:
        return {}
    rotates = row.get("AutomaticRotation") in _ROTATES
    found = KeyStorageMechanism.HSM_ENCRYPTED_DATABASE if rotates else KeyStorageMechanism.HSM_INTERNAL
    return {"KeyStorageMechanism": found.value}


def _instance(row: Row) -> Present:
    """Return an instance.

    Raises:
        ValueError: with what about it cannot be read.
    """
    sizes = {"spec": row.get("Spec", 0), "key_quota": row.get("KeyNum", 0)}
    if any(isinstance(size, str) and not size.isdecimal() for size in sizes.values()):
        raise ValueError("its spec or key_num is no number")
    return _without(normal.instance(dict(row), _tags(row)), *(name for name, size in sizes.items() if not int(size)))


def _alias(row: Row) -> Present:
    """Return an alias; what it points at may be written as an ARN.

    Raises:
        ValueError: it is none.
    """
    if not row["AliasName"].startswith(ALIAS_PREFIX):
        raise ValueError(f"an alias is written {ALIAS_PREFIX}NAME")
    arn = parse_arn(row["KeyId"])
    return normal.alias({**row, "KeyId": arn.name if arn else row["KeyId"]})


PRESENT: Final[Mapping[str, Callable[[Row], Present]]] = MappingProxyType(
    {"key": _key, "instance": _instance, "alias": _alias}
)
"""By kind."""


def unmanaged(identity: str) -> Present:
    """Return an instance of which nothing is known but that keys are in it."""
    return _without(normal.instance({"InstanceId": identity}, {}), "spec", "key_quota")


def _tags(row: Row) -> dict[str, str]:
    return {str(name): str(value) for name, value in row.get("Tags", {}).items() if value is not None}


def _without(present: Present, *names: str) -> Present:
    """Return an object of which some attributes are not known."""
    return replace(present, attributes={name: value for name, value in present.attributes.items() if name not in names})
