"""What a drift report says: every finding with its verdicts, who did it and since when it is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    from kmsplan.config.configuration import Waiver
    from kmsplan.plan.plan import Drift


class Verdict(StrEnum):
    """What the next apply makes of one drifted attribute."""

    REVERT = "revert"
    """The configuration asks for what was recorded: the next apply puts it back."""
    ACCEPT = "accept"
    """The configuration asks for what is there now: the next apply records it."""
    CONFLICT = "conflict"
    """The configuration asks for a third value: the next apply overwrites both."""
    UNDECLARED = "undeclared"
    """The configuration does not say what it is to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Who did it, and when: the audit trail's last entry that explains a finding."""

    actor: str
    time: str
    """RFC 3339, UTC."""
    action: str
    """The API's name: DisableKey, UntagResources, ..."""
    request_id: str
    source: str
    """Where it came from: an address, or the program's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One object's drift, explained."""

    drift: Drift
    fingerprint: str
    """16 hex digits: the same drift has the same one on every run and machine, whatever else drifts."""
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    """By attribute name."""
    cause: Cause | None = None
    """None where no trail was read, or it does not tell."""
    first_seen: str | None = None
    """RFC 3339: when a report first had this finding; None where reports are not remembered."""
    waiver: Waiver | None = None
    """Who accepts it until when; also one that has expired, which then accepts nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """Everything that differs, and how much was looked at."""

    findings: tuple[Finding, ...] = ()
    """Sorted by address, then identity: what somebody has to look at."""
    waived: tuple[Finding, ...] = ()
    """What a waiver accepts for now."""
    unused: tuple[Waiver, ...] = ()
    """Waivers that nothing matches any more."""
    checked: int = 0
    """How many recorded objects were compared."""
    managed_keys: int = 0
    """Keys that this configuration or another one manages."""
    unmanaged_keys: int = 0
    """Keys that nobody manages; those that cloud services keep for themselves are counted nowhere."""
    day: date | None = None
    """On which the waivers were judged."""

    @property
    def coverage(self) -> float | None:
        """Return the share of keys that are managed, from 0 to 1; None where there is no key."""
        keys = self.managed_keys + self.unmanaged_keys
        return self.managed_keys / keys if keys else None
