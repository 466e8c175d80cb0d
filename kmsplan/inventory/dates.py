"""What falls due, found in the inventory, the configuration and its waivers."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.inventory.due import Due, DueKind, DueReport
from kmsplan.inventory.taking import take
from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.naming import format_duration
from kmsplan.plan.plan import PlanOptions
from kmsplan.plan.replacing import grace_end
from kmsplan.plan.situation import survey
from kmsplan.plan.staging import unused_period
from kmsplan.plan.usage import later, usage
from kmsplan.plan.versions import INTERVAL
from kmsplan.resource.address import Address, is_retired
from kmsplan.resource.value import Present

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kmsplan.config.configuration import Configuration
    from kmsplan.inventory.item import Item
    from kmsplan.plan.situation import Situation
    from kmsplan.resource.value import Observed
    from kmsplan.state.record import Recorded

_LAST_SECOND: Final = time(23, 59, 59, tzinfo=UTC)
_DATES: Final = frozenset({"next_rotation", "material_expires", "deletion"})
_REMEDIES: Final[Mapping[DueKind, str]] = MappingProxyType(
    {
        DueKind.ROTATION: "Nothing: the KMS does it; an embedded engine at its next use, or kmsplan engine tick.",
        DueKind.VERSION: "kmsplan apply makes it.",
        DueKind.MATERIAL_EXPIRY: "Give `material` a later `expires` and apply: the same material is imported again.",
        DueKind.DELETION: "To keep it, cancel its deletion before: put it back into the configuration and apply.",
        DueKind.STAGED: "kmsplan apply takes the step. To keep the key, take its `removed` entry away.",
        DueKind.GRACE: "kmsplan apply disables it. Who still uses it must use its successor by then.",
        DueKind.WAIVER: "Mend what it waives, or let its owner prolong it.",
    }
)


def find_due(
    configuration: Configuration,
    recorded: Recorded,
    observed: Observed,
    now: datetime,
    within: timedelta,
    *,
    every: bool = False,
) -> DueReport:
    """Return what falls due from now on within a time, and what is overdue.

    Args:
        configuration: its rotations, removals, graces and waivers.
        recorded: what this configuration manages.
        observed: the reading of all that is recorded.
        now: aware.
        within: how far to look ahead.
        every: look at keys that are not managed here, too.
    """
    inventory = take(configuration, recorded, observed, now, every=every)
    situation, _ = survey(configuration, recorded, observed, PlanOptions(now=now))
    found = [due for item in inventory.items for due in _of_key(item, situation)]
    found += _of_waivers(configuration)
    until = now + within
    return DueReport(
        due=tuple(sorted((due for due in found if due.at <= until), key=lambda due: (due.at, due.subject, due.kind))),
        until=until,
        untold=tuple(item.address or item.identity for item in inventory.items if item.unknown & _DATES),
        environment=inventory.environment,
        lineage=inventory.lineage,
    )


def _of_key(item: Item, situation: Situation) -> Iterator[Due]:
    if item.deletion is not None:
        summary = "is deleted; everything encrypted with it is lost for ever"
        yield _due(item, DueKind.DELETION, item.deletion, summary)
        return
    if item.material_expires is not None:
        summary = "loses its imported material, and does not work without it"
        yield _due(item, DueKind.MATERIAL_EXPIRY, item.material_expires, summary)
    if item.managed:
        yield from _of_managed(item, situation.addresses[item.identity], situation)
    elif item.next_rotation is not None:
        yield _rotation(item, item.next_rotation)


def _of_managed(item: Item, address: Address, situation: Situation) -> Iterator[Due]:
    found = situation.objects.get(item.identity)
    if not isinstance(found, Present):
        return
    declared = situation.desired.get(address)
    if address in situation.staged:
        yield from _staged(item, found, address, situation)
    elif is_retired(address) and declared is None and found.attributes.get("enabled"):
        ends = grace_end(situation, address)
        if ends is not None:
            yield _due(item, DueKind.GRACE, ends, "has been replaced, and its grace ends")
    wanted = declared.attributes if declared else {}
    yield from _rotated(item, wanted.get("rotation") if wanted.get("enabled", True) else None)
    versions, last = wanted.get("min_versions"), item.last_rotation or item.created
    if versions and last and item.state == KeyState.ENABLED and item.versions and item.versions < versions:
        summary = f"may be given version {item.versions + 1} of {versions}"
        yield _due(item, DueKind.VERSION, last + INTERVAL, summary)


def _rotated(item: Item, declared: int | None) -> Iterator[Due]:
    """Yield the next rotation: the KMS's, or an earlier one that the configuration promises and the KMS does not."""
    last, actual = item.last_rotation or item.created, item.next_rotation
    promised = last + timedelta(seconds=declared) if declared and last else None
    if "next_rotation" in item.unknown or promised is None or (actual is not None and actual <= promised):
        if actual is not None:
            yield _rotation(item, actual)
        return
    why = f"its next rotation is {actual:%Y-%m-%d}" if actual else f"it does not rotate, its state is {item.state}"
    remedy = "kmsplan plan shows what differs; kmsplan apply sets it right."
    summary = f"is to rotate every {format_duration(declared or 0)}, and {why}"
    yield _due(item, DueKind.ROTATION, promised, summary, remedy)


def _rotation(item: Item, at: datetime) -> Due:
    return _due(item, DueKind.ROTATION, at, "is rotated by the KMS")


def _staged(item: Item, found: Present, address: Address, situation: Situation) -> Iterator[Due]:
    """Yield the next step of a key's end: at once, or when it has been unused for long enough."""
    record, protected = situation.records[address], found.attributes.get("deletion_protection")
    if protected or (found.attributes.get("enabled") and found.state != KeyState.PENDING_IMPORT):
        step = "deletion protection off" if protected else "disabled"
        yield _due(item, DueKind.STAGED, situation.now, f"is destroyed in stages; the next one: {step}")
        return
    since = usage(found).quiet_since
    if since is not None:
        period = unused_period(situation, record, record.attributes)
        summary = f"has been unused for {format_duration(period)}, and its deletion can be scheduled"
        yield _due(item, DueKind.STAGED, later(since, period), summary)


def _of_waivers(configuration: Configuration) -> Iterator[Due]:
    for waiver in configuration.waivers:
        what = f"rule {waiver.rule}" if waiver.rule else f"drift of {waiver.attribute or 'anything'}"
        yield Due(
            at=datetime.combine(waiver.expires, _LAST_SECOND),
            kind=DueKind.WAIVER,
            address=waiver.address,
            identity="",
            summary=f"the waiver by {waiver.owner} for {what} expires: {waiver.reason}",
            remedy=_REMEDIES[DueKind.WAIVER],
        )


def _due(item: Item, kind: DueKind, at: datetime, summary: str, remedy: str = "") -> Due:
    return Due(
        at=at,
        kind=kind,
        address=item.address or "",
        identity=item.identity,
        summary=summary,
        remedy=remedy or _REMEDIES[kind],
    )
