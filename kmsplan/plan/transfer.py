"""Records that go from one configuration's state to another's, while their objects stay where they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kmsplan.kms.naming import Owner
from kmsplan.plan.moving import followed
from kmsplan.plan.owning import MOVED, owner_step
from kmsplan.plan.plan import Action, Change, Plan, Reason
from kmsplan.resource.address import Address, current, is_retired, kind_of
from kmsplan.resource.kinds import REFERENCES
from kmsplan.resource.step import Effect, Status
from kmsplan.resource.value import Present

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from kmsplan.resource.value import Observed
    from kmsplan.state.record import Record, Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Which records go, from where, and to where. Both states are settled as far as they can be."""

    addresses: Sequence[Address]
    """With everything that goes along."""
    source: Recorded
    target: Recorded
    declared_here: Collection[Address]
    declared_there: Collection[Address]


def problems(transfer: Transfer, observed: Observed) -> Iterator[str]:
    """Yield why records cannot go, as sentences without their full stop; nothing where they can.

    `observed` is a reading of every identity that is recorded at one of the addresses.
    """
    source, target = transfer.source, transfer.target
    if source.lineage == target.lineage:
        yield "both configurations have the same state"
        return
    if observed.environment != source.environment or target.environment not in ("", source.environment):
        yield f"the two are of different KMSs: {source.environment}, and {target.environment or observed.environment}"
        return
    if source.pending or target.pending:
        doubtful = (source.pending or target.pending)[0]
        yield f"an interrupted run has left operations in doubt, {doubtful.operation} of {doubtful.address} among them"
        return
    for address in transfer.addresses:
        record = source.records[address]
        yield from _declarations(transfer, address)
        yield from _target(transfer, record)
        yield from _object(transfer, record, observed)
        yield from (
            f"{address} points at {reference}, which stays here; move that, too"
            for reference in _left_behind(transfer, record)
        )


def _declarations(transfer: Transfer, address: Address) -> Iterator[str]:
    if is_retired(address):  # declared nowhere
        return
    if address in transfer.declared_here:
        yield f"{address} is still declared here; the next plan would make it anew. Move its YAML first"
    if address not in transfer.declared_there:
        yield f"{address} is not declared there; the next plan would delete it. Move its YAML first"


def _target(transfer: Transfer, record: Record) -> Iterator[str]:
    there = transfer.target.records.get(record.address)
    if there is not None and there.identity != record.identity:
        yield f"{record.address} is recorded there already, as {there.identity}"
    for other in transfer.target.records.values():
        if other.identity == record.identity and other.address != record.address:
            yield f"{record.identity} is recorded there already, as {other.address}"


def _object(transfer: Transfer, record: Record, observed: Observed) -> Iterator[str]:
    found = observed.objects.get(record.identity)
    if not isinstance(found, Present):
        yield f"{record.address} ({record.identity}) could not be read, or is gone; kmsplan plan says more"
        return
    if record.status is Status.PENDING_DELETION or found.state == "PendingDeletion":
        yield f"{record.address} waits for its deletion, and its owner tag cannot be changed meanwhile"
    owner = Owner.parse(found.owner) if found.owner else None
    if owner is not None and owner.lineage not in (transfer.source.lineage, transfer.target.lineage):
        yield f"{record.identity} carries the owner tag {found.owner}, of a third configuration"


def _left_behind(transfer: Transfer, record: Record) -> list[str]:
    """Return what a record points at and what neither goes along nor is recorded there."""
    known = {one.identity for one in transfer.target.records.values()}
    references = (record.attributes.get(name) for name in REFERENCES[kind_of(record.address)])
    return [
        reference
        for reference in references
        if reference is not None
        and reference not in transfer.addresses
        and (reference not in transfer.source.records or transfer.source.records[reference].identity not in known)
    ]


def plan_there(transfer: Transfer, digest: str) -> Plan:
    """Return the plan that records the objects in the target state and puts its owner tag on them."""
    target = transfer.target
    by_identity = {record.identity: address for address, record in target.records.items()}
    names = {
        address: by_identity[record.identity]
        for address, record in transfer.source.records.items()
        if record.identity in by_identity and address not in transfer.addresses
    }
    return Plan(
        lineage=target.lineage,
        serial=target.serial,
        environment=transfer.source.environment,
        config_digest=digest,
        changes=tuple(_arrival(transfer.source.records[address], names, target) for address in transfer.addresses),
    )


def _arrival(record: Record, names: dict[Address, Address], target: Recorded) -> Change:
    attributes: dict[str, Any] = {**record.attributes, **followed(record, names)}
    mark = owner_step(record.identity, Owner(target.lineage, current(record.address), MOVED))
    return Change(
        address=record.address,
        action=Action.ADOPT,
        reason=Reason.IMPORTED,
        identity=record.identity,
        after=attributes,
        effect=Effect(attributes=attributes, status=record.status),
        steps=() if kind_of(record.address) == "alias" else (mark,),
    )
