"""What the KMS holds, against what the last run left.

1. Canonical forms are compared, so that another spelling of the same is no drift.
2. What an interrupted operation may or may not have done is no drift: the next apply settles it.
3. A deletion that kmsplan scheduled is no drift, before or after its window ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kmsplan.drift.unmanaged import unmanaged
from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.naming import Owner
from kmsplan.plan.diff import comparison, differences
from kmsplan.plan.plan import Drift, DriftedAttribute
from kmsplan.resource.address import kind_of
from kmsplan.resource.kinds import KINDS, REFERENCES
from kmsplan.resource.step import Status
from kmsplan.resource.value import Absent, Present, Unreadable, localise

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from kmsplan.config.configuration import Declared
    from kmsplan.resource.address import Address
    from kmsplan.resource.attribute import Attributes
    from kmsplan.resource.step import Effect
    from kmsplan.resource.value import Observed
    from kmsplan.state.record import Record, Recorded

CHANGED: Final = "changed"
VANISHED: Final = "vanished"
PENDING_DELETION: Final = "pending_deletion"
UNREADABLE: Final = "unreadable"

_SPECIAL: Final = frozenset({KeyState.PENDING_DELETION.value, KeyState.UNAVAILABLE.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What one object is judged by, apart from its own record."""

    lineage: str
    observed: Observed
    addresses: Mapping[str, Address]
    """By identity."""
    desired: Mapping[Address, Declared]
    pending: Mapping[Address, tuple[Effect, ...]]
    """What interrupted operations may or may not have done."""
    staged: Collection[Address]
    leaving: frozenset[Address]
    """Predecessors that an interrupted succession has not disabled yet: aliases may still point at them."""


def find_drift(
    recorded: Recorded,
    observed: Observed,
    desired: Mapping[Address, Declared] | None = None,
    staged: Collection[Address] = (),
) -> tuple[Drift, ...]:
    """Return how the KMS differs from the records, sorted by address, then identity.

    Args:
        recorded: settled or not; what is pending is not drift.
        observed: a reading of every recorded identity, and of whatever else there is.
        desired: for showing beside what drifted what the configuration says.
        staged: keys that are being destroyed in stages, which is said of those that drifted.
    """
    known = _known(recorded, observed, desired or {}, staged)
    found = [*_of_records(recorded, known), *unmanaged(recorded, observed, known.addresses)]
    return tuple(sorted(found, key=lambda drift: (drift.address, drift.identity)))


def _known(
    recorded: Recorded, observed: Observed, desired: Mapping[Address, Declared], staged: Collection[Address]
) -> _Known:
    pending: dict[Address, tuple[Effect, ...]] = {}
    for operation in recorded.pending:
        pending[operation.address] = (*pending.get(operation.address, ()), operation.effect)
    records = recorded.records.values()
    return _Known(
        lineage=recorded.lineage,
        observed=observed,
        addresses={record.identity: record.address for record in records},
        desired=desired,
        pending=pending,
        staged=staged,
        leaving=frozenset(
            record.address
            for record in records
            if record.status is Status.RETIRED and record.attributes.get("enabled") is True
        ),
    )


def _of_records(recorded: Recorded, known: _Known) -> Iterator[Drift]:
    owned = f"{recorded.lineage}/"
    tests = {name: comparison(kind, known.addresses) for name, kind in KINDS.items()}
    objects = known.observed.objects
    for record in recorded.records.values():
        found = objects.get(record.identity)
        if not isinstance(found, Present):
            drift = _of_missing(record, found, known)
        elif _surely_same(tests[found.kind], owned, record, found):
            continue
        else:
            drift = _of_present(record, found, known)
        if drift is not None:
            yield drift


def _surely_same(same: Callable[[Attributes, Attributes], bool], owned: str, record: Record, found: Present) -> bool:
    """The fast path."""
    return (
        record.status is not Status.PENDING_DELETION
        and found.state not in _SPECIAL
        and (found.kind == "alias" or (found.owner or "").startswith(owned))
        and same(found.attributes, record.attributes)
    )


def _of_missing(record: Record, found: Absent | Unreadable | None, known: _Known) -> Drift | None:
    if not isinstance(found, Absent):
        why = f"{found.message} ({found.code})" if found else "it was not read"
        return Drift(address=record.address, identity=record.identity, kind=UNREADABLE, detail=why)
    expected = record.status is Status.PENDING_DELETION or any(
        effect.removes for effect in known.pending.get(record.address, ())
    )
    return None if expected else Drift(address=record.address, identity=record.identity, kind=VANISHED)


def _of_present(record: Record, found: Present, known: _Known) -> Drift | None:
    pending = known.pending.get(record.address, ())
    scheduled = found.state == KeyState.PENDING_DELETION
    by_others = scheduled and not _is_expected(record, pending)
    drifted = [
        *_attributes(record, found, known),
        *_state(record, found, pending),
        *(() if scheduled else _owner(record, found, known.lineage)),
    ]
    if not drifted and not by_others:
        return None
    date = found.computed.get("delete_date") if by_others else None
    return Drift(
        address=record.address,
        identity=record.identity,
        kind=PENDING_DELETION if by_others else CHANGED,
        attributes=tuple(drifted),
        detail="; ".join(_details(date, staged=record.address in known.staged)),
    )


def _details(date: str | None, *, staged: bool) -> Iterator[str]:
    if date:
        yield f"its deletion is scheduled for {date}"
    if staged:
        yield "it is being destroyed in stages; kmsplan plan shows the next"


def _attributes(record: Record, found: Present, known: _Known) -> Iterator[DriftedAttribute]:
    kind = KINDS[kind_of(record.address)]
    observed = localise(found, known.addresses, REFERENCES[kind.name])
    declared = known.desired.get(record.address)
    for name in differences(kind, record.attributes, observed):
        value = observed[name]
        if name == "enabled" and found.state == KeyState.PENDING_DELETION:
            continue  # a key that waits for its deletion is neither enabled nor disabled
        if name in REFERENCES[kind.name] and value in known.leaving:
            continue
        if any(effect.attributes.get(name, record) == value for effect in known.pending.get(record.address, ())):
            continue
        desired = declared.attributes.get(name) if declared else None
        yield DriftedAttribute(name=name, recorded=record.attributes[name], observed=value, desired=desired)


def _is_expected(record: Record, pending: Iterable[Effect]) -> bool:
    return record.status is Status.PENDING_DELETION or any(
        effect.status is Status.PENDING_DELETION for effect in pending
    )


def _state(record: Record, found: Present, pending: Iterable[Effect]) -> Iterator[DriftedAttribute]:
    """States that no attribute tells."""
    cancelled = record.status is Status.PENDING_DELETION and found.state != KeyState.PENDING_DELETION
    if cancelled and not any(effect.status is Status.READY for effect in pending):
        yield DriftedAttribute(name="state", recorded=KeyState.PENDING_DELETION.value, observed=found.state)
    elif found.state == KeyState.UNAVAILABLE:
        usual = KeyState.ENABLED if record.attributes.get("enabled", True) else KeyState.DISABLED
        yield DriftedAttribute(name="state", recorded=usual.value, observed=found.state)


def _owner(record: Record, found: Present, lineage: str) -> Iterator[DriftedAttribute]:
    """The owner tag finds an object again when the state is lost. Its address may be an older one: records move."""
    owner = Owner.parse(found.owner) if found.owner else None
    if found.kind != "alias" and (owner is None or owner.lineage != lineage):
        yield DriftedAttribute(name="owner", recorded=f"{lineage}/{record.address}", observed=found.owner)
