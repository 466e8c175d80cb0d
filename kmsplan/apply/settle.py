"""What became of an operation that began and has no end on record: found by reading the KMS, never by guessing.

1. By token: look through everything the KMS holds for the owner tag that the creation carried. None: it was not done.
   One: it was, and this is the object. More: in doubt.
2. By reading: it was done exactly if every attribute that it sets has its new value.
3. What cannot be read is in doubt.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.naming import Owner
from kmsplan.kms.settling import OPERATIONS, Settle
from kmsplan.resource.kinds import REFERENCES
from kmsplan.resource.step import Effect, Status
from kmsplan.resource.value import Absent, Observed, Present, Unreadable, localise
from kmsplan.state import folding
from kmsplan.state.entry import Ending

if TYPE_CHECKING:
    from kmsplan.resource.value import Observation
    from kmsplan.state.record import Pending, Recorded


class Found(StrEnum):
    """What the KMS shows of an operation."""

    DONE = "done"
    NOT_DONE = "not_done"
    IN_DOUBT = "in_doubt"


ENDINGS: Final[Mapping[Found, Ending]] = MappingProxyType({Found.DONE: Ending.DONE, Found.NOT_DONE: Ending.NOT_DONE})
"""How the journal ends it; what is in doubt stays pending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """One pending operation, looked up."""

    pending: Pending
    found: Found
    identity: str | None = None
    """The object it made or acted on, where it was done."""
    note: str = ""
    """Why it is in doubt."""

    @property
    def blocks(self) -> bool:
        """Whether nothing may be done before somebody has looked: several objects answer to one creation."""
        return self.found is Found.IN_DOUBT and OPERATIONS[self.pending.operation].settle is Settle.BY_TOKEN


def wanted(recorded: Recorded) -> tuple[str, ...]:
    """Return the identities to observe: of every record, and of every pending operation's object."""
    pending = (pending.identity for pending in recorded.pending if pending.identity is not None)
    return tuple(dict.fromkeys((*(record.identity for record in recorded.records.values()), *pending)))


def settle(recorded: Recorded, observed: Observed) -> tuple[Settled, ...]:
    """Look up every pending operation."""
    addresses = {record.identity: str(address) for address, record in recorded.records.items()}
    return tuple(
        settle_one(pending, observed, lineage=recorded.lineage, addresses=addresses) for pending in recorded.pending
    )


def fold_settled(recorded: Recorded, settled: Iterable[Settled]) -> Recorded:
    """Return the state with everything that is not in doubt ended."""
    return folding.settled(
        recorded,
        ((item.pending.sequence, ENDINGS[item.found], item.identity) for item in settled if item.found in ENDINGS),
    )


def observe_settled(observed: Observed, settled: Iterable[Settled]) -> Observed:
    """Return the reading with what interrupted creations made among the known objects, where their records are now."""
    made = {item.identity for item in settled if item.found is Found.DONE} - {None} - observed.objects.keys()
    if not made:
        return observed
    found = {present.identity: present for present in observed.others if present.identity in made}
    return dataclasses.replace(
        observed,
        objects={**observed.objects, **found},
        others=tuple(present for present in observed.others if present.identity not in made),
    )


def settle_one(pending: Pending, observed: Observed, *, lineage: str, addresses: Mapping[str, str]) -> Settled:
    """Look up one pending operation.

    Args:
        pending: The operation.
        observed: A reading of the KMS that began after the operation was last sent.
        lineage: Of the state.
        addresses: Identity -> address of every known object.
    """
    if OPERATIONS[pending.operation].settle is Settle.BY_TOKEN:
        return _by_token(pending, observed, lineage)
    return _by_reading(pending, observed, addresses)


def _presents(observed: Observed) -> Iterator[Present]:
    yield from (found for found in observed.objects.values() if isinstance(found, Present))
    yield from observed.others


def owner_tag(pending: Pending, lineage: str) -> str | None:
    """Return the owner tag of what a creation makes; None where it is found by its identity."""
    if OPERATIONS[pending.operation].settle is not Settle.BY_TOKEN:
        return None
    return str(Owner(lineage, pending.address, pending.token or ""))


def _by_token(pending: Pending, observed: Observed, lineage: str) -> Settled:
    tag = owner_tag(pending, lineage)
    found = sorted({present.identity for present in _presents(observed) if present.owner == tag})
    match found:
        case []:
            return Settled(pending=pending, found=Found.NOT_DONE)
        case [identity]:
            return Settled(pending=pending, found=Found.DONE, identity=identity)
        case _:
            return Settled(
                pending=pending,
                found=Found.IN_DOUBT,
                note=f"{len(found)} objects carry the owner tag {tag}: {', '.join(found)}. kmsplan never makes two; "
                "remove that tag from all but the right one and run it again.",
            )


def _by_reading(pending: Pending, observed: Observed, addresses: Mapping[str, str]) -> Settled:
    found = _find(pending.identity, observed)
    match found:
        case Present():
            done = not pending.effect.removes and _reached(pending.effect, found, addresses)
        case Absent():
            done = pending.effect.removes or pending.effect.status is Status.PENDING_DELETION
        case Unreadable():
            return _unread(pending, f"it cannot be read: {found.message} ({found.code})")
        case None:
            return _unread(pending, "it was not among what was read")
    return Settled(
        pending=pending,
        found=Found.DONE if done else Found.NOT_DONE,
        identity=pending.identity if done else None,
    )


def _unread(pending: Pending, why: str) -> Settled:
    return Settled(
        pending=pending,
        found=Found.IN_DOUBT,
        note=f"{pending.operation} of {pending.identity} was interrupted, and whether it was carried out is not known: "
        f"{why}. Make it readable and run kmsplan again.",
    )


def _find(identity: str | None, observed: Observed) -> Observation | None:
    if identity is not None and identity in observed.objects:
        return observed.objects[identity]
    return next((present for present in observed.others if present.identity == identity), None)


def _reached(effect: Effect, present: Present, addresses: Mapping[str, str]) -> bool:
    attributes = localise(present, addresses, REFERENCES[present.kind])
    same = all(attributes[name] == value for name, value in effect.attributes.items() if name in attributes)
    return same and (effect.status is None or _DELETING[effect.status] is (present.state == KeyState.PENDING_DELETION))


_DELETING: Final[Mapping[Status, bool]] = MappingProxyType(
    {Status.PENDING_DELETION: True, Status.READY: False, Status.RETIRED: False}
)
