"""What the KMS holds, against what the last run left.

1. Canonical forms are compared, so that another spelling of the same is no drift.
2. What an interrupted operation may or may not have done is no drift: the next apply settles it.
3. A deletion that kmsplan scheduled is no drift, before or after its window ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kmsplan.drift.unmanaged import unmanaged
from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.naming import Owner
from kmsplan.plan.diff import comparison, differences
from kmsplan.plan.plan import Drift, DriftedAttribute
from kmsplan.resource.address import kind_of
from kmsplan.resource.kinds import KINDS, REFERENCES
from kmsplan.resource.step import Status
from kmsplan.resource.value import Present, Unreadable, localise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

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


def find_drift(
    recorded: Recorded, observed: Observed, desired: Mapping[Address, Declared] | None = None
) -> tuple[Drift, ...]:
    """Return how the KMS differs from the records, sorted by address, then identity.

    Args:
        recorded: settled or not; what is pending is not drift.
        observed: a reading of every recorded identity, and of whatever else there is.
        desired: for showing beside what drifted what the configuration says.
    """
    addresses = {record.identity: record.address for record in recorded.records.values()}
    found = [*_of_records(recorded, observed, addresses, desired or {}), *unmanaged(recorded, observed, addresses)]
    return tuple(sorted(found, key=lambda drift: (drift.address, drift.identity)))


def _of_records(
    recorded: Recorded,
    observed: Observed,
    addresses: Mapping[str, Address],
    desired: Mapping[Address, Declared],
) -> Iterator[Drift]:
    pending: dict[str, list[Effect]] = {}
    for operation in recorded.pending:
        pending.setdefault(operation.address, []).append(operation.effect)
    owned = f"{recorded.lineage}/"
    tests = {name: comparison(kind, addresses) for name, kind in KINDS.items()}
    for address, record in recorded.records.items():
        found = observed.objects.get(record.identity)
        if isinstance(found, Present) and _surely_same(tests[found.kind], owned, record, found):
            continue
        declared = desired.get(address)
        drift = _of_record(record, observed, addresses, pending.get(address, []), declared, recorded.lineage)
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


def _of_record(
    record: Record,
    observed: Observed,
    addresses: Mapping[str, Address],
    pending: list[Effect],
    declared: Declared | None,
    lineage: str,
) -> Drift | None:
    found = observed.objects.get(record.identity)
    if isinstance(found, Present):
        return _of_present(record, found, addresses, pending, declared, lineage)
    if found is None or isinstance(found, Unreadable):
        why = f"{found.message} ({found.code})" if found else "it was not read"
        return Drift(address=record.address, identity=record.identity, kind=UNREADABLE, detail=why)
    expected = record.status is Status.PENDING_DELETION or any(effect.removes for effect in pending)
    return None if expected else Drift(address=record.address, identity=record.identity, kind=VANISHED)


def _of_present(
    record: Record,
    found: Present,
    addresses: Mapping[str, Address],
    pending: list[Effect],
    declared: Declared | None,
    lineage: str,
) -> Drift | None:
    kind = KINDS[kind_of(record.address)]
    attributes = localise(found, addresses, REFERENCES[kind.name])
    scheduled = found.state == KeyState.PENDING_DELETION
    names = [
        name
        for name in differences(kind, record.attributes, attributes)
        if not (scheduled and name == "enabled")  # a key that waits for its deletion is neither
        and not _may_be(pending, name, attributes[name])
    ]
    drifted = [_attribute(name, record.attributes, attributes, declared) for name in names]
    drifted += _state(record, found, pending)
    drifted += [] if scheduled else _owner(record, found, lineage)
    by_others = scheduled and not _expected_deletion(record, pending)
    if not drifted and not by_others:
        return None
    date = found.computed.get("delete_date") if by_others else None
    return Drift(
        address=record.address,
        identity=record.identity,
        kind=PENDING_DELETION if by_others else CHANGED,
        attributes=tuple(drifted),
        detail=f"its deletion is scheduled for {date}" if date else "",
    )


def _attribute(name: str, recorded: Attributes, observed: Attributes, declared: Declared | None) -> DriftedAttribute:
    desired = declared.attributes.get(name) if declared else None
    return DriftedAttribute(name=name, recorded=recorded[name], observed=observed[name], desired=desired)


def _may_be(pending: list[Effect], name: str, value: Any) -> bool:
    """Whether an interrupted operation would have set just this value."""
    return any(name in effect.attributes and effect.attributes[name] == value for effect in pending)


def _expected_deletion(record: Record, pending: list[Effect]) -> bool:
    return record.status is Status.PENDING_DELETION or any(
        effect.status is Status.PENDING_DELETION for effect in pending
    )


def _state(record: Record, found: Present, pending: list[Effect]) -> list[DriftedAttribute]:
    """States that no attribute tells."""
    cancelled = record.status is Status.PENDING_DELETION and found.state != KeyState.PENDING_DELETION
    if cancelled and not any(effect.status is Status.READY for effect in pending):
        return [DriftedAttribute(name="state", recorded=KeyState.PENDING_DELETION.value, observed=found.state)]
    if found.state == KeyState.UNAVAILABLE:
        usual = KeyState.ENABLED if record.attributes.get("enabled", True) else KeyState.DISABLED
        return [DriftedAttribute(name="state", recorded=usual.value, observed=found.state)]
    return []


def _owner(record: Record, found: Present, lineage: str) -> list[DriftedAttribute]:
    """The owner tag finds an object again when the state is lost. Its address may be an older one: records move."""
    if found.kind == "alias":
        return []
    owner = Owner.parse(found.owner) if found.owner else None
    if owner is not None and owner.lineage == lineage:
        return []
    return [DriftedAttribute(name="owner", recorded=f"{lineage}/{record.address}", observed=found.owner)]
