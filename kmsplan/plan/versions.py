"""`rotation: {min_versions: N}`: versions of asymmetric keys, which the KMS makes when asked, one in seven days."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kmsplan.kms.capability import VERSION_INTERVAL_DAYS
from kmsplan.resource.key import version_step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.resource.step import Step
    from kmsplan.resource.value import Present

INTERVAL: Final = timedelta(days=VERSION_INTERVAL_DAYS)


class Growth(NamedTuple):
    """What an apply does for a key that has too few versions."""

    step: Step | None
    """One version more; None where the KMS makes the next one later."""
    versions: int
    """How many there will be then."""
    note: str


def growth(present: Present, after: Mapping[str, Any], now: datetime) -> Growth | None:
    """Return what is to be done for a key's versions; None where it has enough, or cannot be given any now.

    A disabled key is given none, and one whose versions could not be counted is left alone.
    """
    wanted, versions = after.get("min_versions"), present.attributes.get("versions")
    if wanted is None or versions is None or versions >= wanted or not after.get("enabled", True):
        return None
    due = _due(present)
    if due is not None and now < due:
        return Growth(
            None,
            versions,
            f"it has {versions} of {wanted} versions; the next one can be made from {due:%Y-%m-%dT%H:%M:%SZ} on",
        )
    left = wanted - versions - 1
    later = f"; {left} more to come, {VERSION_INTERVAL_DAYS} days apart" if left else ""
    return Growth(version_step(present.identity, versions), versions + 1, f"version {versions + 1} of {wanted}{later}")


def later_note(attributes: Mapping[str, Any]) -> str | None:
    """Return what is to be said of a new key that is to have more than one version."""
    wanted = attributes.get("min_versions") or 1
    if wanted < 2:  # noqa: PLR2004 - every key is made with one
        return None
    return f"it is made with 1 of {wanted} versions; the others follow, {VERSION_INTERVAL_DAYS} days apart"


def _due(present: Present) -> datetime | None:
    """Return when the KMS takes CreateKeyVersion again; None where it gave no date."""
    last = present.computed.get("last_rotation_date") or present.computed.get("creation_date")
    try:
        return datetime.fromisoformat(last) + INTERVAL if isinstance(last, str) else None
    except ValueError:
        return None
