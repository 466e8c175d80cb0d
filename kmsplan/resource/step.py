"""A step: one operation and what becomes of the record when it has succeeded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kmsplan.kms.operation import Operation
    from kmsplan.resource.address import Address


class Status(StrEnum):
    """Where a recorded object stands."""

    READY = "ready"
    PENDING_DELETION = "pending_deletion"
    RETIRED = "retired"
    """A replaced key: disabled, kept, never deleted by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a successful operation changes in the record of its address."""

    attributes: Mapping[str, Any] = field(default_factory=dict)
    status: Status | None = None
    removes: bool = False
    """The object is gone, and so is its record."""
    retires: Address | None = None
    """The record that stood at this address before moves here as retired; the new object takes its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One operation of a change."""

    operation: Operation
    effect: Effect
