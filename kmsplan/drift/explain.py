"""Drift to a drift report: each finding with its verdicts, its cause, its age and whoever answers for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kmsplan.drift.cause import causes
from kmsplan.drift.coverage import coverage
from kmsplan.drift.fingerprint import fingerprint
from kmsplan.drift.memory import first_seen
from kmsplan.drift.report import DriftReport, Finding
from kmsplan.drift.unmanaged import UNMANAGED
from kmsplan.drift.verdict import verdicts
from kmsplan.drift.waiving import Waivers

if TYPE_CHECKING:
    from datetime import date

    from kmsplan.config.configuration import Declared, Waiver
    from kmsplan.drift.memory import Memory
    from kmsplan.drift.report import Cause
    from kmsplan.drift.waiving import Judged
    from kmsplan.kms.trail import Event
    from kmsplan.plan.plan import Drift
    from kmsplan.resource.address import Address
    from kmsplan.resource.value import Observed
    from kmsplan.state.record import Recorded

Newest = Callable[[Collection[str]], Iterable["Event"]]
"""Yields an audit trail's entries of some actions, the newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What drift is explained with; only the day is always there."""

    day: date
    """On which waivers are judged."""
    desired: Mapping[Address, Declared] = field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()
    newest: Newest | None = None
    """None where no audit trail can be read."""
    memory: Memory = field(default_factory=dict)


def explain(drift: Collection[Drift], recorded: Recorded, observed: Observed, context: Context) -> DriftReport:
    """Return the report on drift that was found between `recorded` and `observed`."""
    waivers = Waivers(context.waivers, context.day)
    judged = [part for one in drift for part in waivers.judge(one)]
    found = causes((part.drift for part in judged), context.newest) if context.newest else {}
    findings = [_finding(part, recorded, context, found.get(at)) for at, part in enumerate(judged)]
    keys = coverage(recorded, observed, {one.identity for one in drift if one.kind == UNMANAGED})
    return DriftReport(
        findings=tuple(finding for finding, part in zip(findings, judged, strict=True) if not part.waived),
        waived=tuple(finding for finding, part in zip(findings, judged, strict=True) if part.waived),
        unused=waivers.unused,
        checked=len(recorded.records),
        managed_keys=keys.managed,
        unmanaged_keys=keys.unmanaged,
        day=context.day,
    )


def _finding(part: Judged, recorded: Recorded, context: Context, cause: Cause | None) -> Finding:
    drift = part.drift
    return Finding(
        drift=drift,
        fingerprint=fingerprint(recorded.lineage, drift),
        verdicts=verdicts(drift, context.desired),
        cause=cause,
        first_seen=first_seen(context.memory, recorded.lineage, drift),
        waiver=part.waiver,
    )
