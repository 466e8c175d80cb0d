"""Dates that a plan would set, if it were applied now."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from kmsplan.inventory.due import Due, DueKind
from kmsplan.kms.naming import format_duration
from kmsplan.kms.operation import CreateKey, ScheduleKeyDeletion, UpdateRotationPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from kmsplan.plan.plan import Change, Plan


def plan_due(plan: Plan, now: datetime) -> tuple[Due, ...]:
    """Return them, sorted by time."""
    found = (due for change in plan.changes for due in _of(change, now))
    return tuple(sorted(found, key=lambda due: (due.at, due.address)))


def _of(change: Change, now: datetime) -> Iterator[Due]:
    for step in change.steps:
        match step.operation:
            case ScheduleKeyDeletion(window_days=days):
                yield Due(
                    at=now + timedelta(days=days),
                    kind=DueKind.DELETION,
                    address=change.address,
                    identity=change.identity or "",
                    summary=f"if the plan is applied now, its deletion window of {days}d ends",
                    remedy="until then: put it back into the configuration and apply",
                )
            case CreateKey(rotation=int(seconds)) | UpdateRotationPolicy(rotation=int(seconds)):
                yield Due(
                    at=now + timedelta(seconds=seconds),
                    kind=DueKind.ROTATION,
                    address=change.address,
                    identity=change.identity or "",
                    summary=f"if the plan is applied now, it first rotates after {format_duration(seconds)}",
                    remedy="nothing: the KMS does it",
                )
