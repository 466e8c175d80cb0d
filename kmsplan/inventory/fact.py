"""Single facts of a key, from what its KMS tells: a value, None where there is none, or that nobody knows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from kmsplan.kms.capability import KeyStorageMechanism, Origin
from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.spec import SPECS, KeyType
from kmsplan.plan.usage import instant
from kmsplan.resource.material import ABSENT, NEVER

if TYPE_CHECKING:
    from kmsplan.resource.value import Present

Told: TypeAlias = Mapping[str, Any]
"""Attributes of a key, and what only the KMS decides."""
UNKNOWN: Final = object()
"""What nobody could tell."""
_ASYMMETRIC: Final = frozenset(spec.value for spec, facts in SPECS.items() if not facts.symmetric)
"""Whose versions are used by name: the API calls none of them primary."""
_LEVELS: Final[Mapping[str, str]] = MappingProxyType(
    {"HSM": KeyType.HARDWARE.value, "SOFTWARE": KeyType.SOFTWARE.value}
)
"""By the API's ProtectionLevel."""


def moment(value: Any) -> Any:
    """Return an instant in UTC; what is not there, or is none, is not known."""
    try:
        found = instant(value)
    except ValueError:
        return UNKNOWN
    return UNKNOWN if found is None else found.astimezone(UTC)


def protection(type_: str | None, told: Told) -> Any:
    """Return what protects a key's material: as the type of its instance says, or else the key itself."""
    if type_ is not None:
        return type_
    if told.get("storage_mechanism") in tuple(KeyStorageMechanism):
        return KeyType.HARDWARE.value
    return _LEVELS.get(told.get("protection_level") or "", UNKNOWN)


def expires(told: Told) -> Any:
    """Return when imported material expires; None where it does not, or there is none."""
    if told.get("origin") == Origin.KMS:
        return None
    imported = told.get("imported", UNKNOWN)
    return None if imported in (None, NEVER, ABSENT) else UNKNOWN if imported is UNKNOWN else moment(imported)


def versions(present: Present, told: Told, created: Any) -> dict[str, Any]:
    """Return the versions, and when the newest was made where that was not with the key."""
    primary, count = told.get("primary_version"), told.get("version_count")
    waiting = primary is None and present.state == KeyState.PENDING_IMPORT
    if count is None:
        count = 0 if waiting else UNKNOWN
    last = None if waiting or count == 1 else moment(told.get("last_rotation_date"))
    return {
        "versions": count,
        "primary_version": primary or (None if waiting or told.get("spec") in _ASYMMETRIC else UNKNOWN),
        "last_rotation": None if last is not UNKNOWN and last == created else last,
    }


def rotation(present: Present, told: Told) -> dict[str, Any]:
    """Return the period, and when the next one is: a key that is not enabled does not rotate."""
    period = told.get("rotation", UNKNOWN)
    if period is UNKNOWN:
        return {"rotation_seconds": UNKNOWN, "next_rotation": UNKNOWN}
    rotates = period is not None and present.state == KeyState.ENABLED
    return {
        "rotation_seconds": period,
        "next_rotation": moment(told.get("next_rotation_date")) if rotates else None,
    }


def use(told: Told) -> dict[str, Any]:
    """Return the last use, and since when uses are noted: without the latter, no use told is not known."""
    last, since = moment(told.get("last_used")), moment(told.get("tracked_since"))
    return {
        "last_used": None if last is UNKNOWN and since is not UNKNOWN else last,
        "tracked_since": since,
    }
