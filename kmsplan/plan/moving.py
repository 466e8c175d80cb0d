"""Moving records: what a `moved` block and `state mv` have in common, and how records go to another configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmsplan.resource.address import RETIRED_MARK, Address, is_retired, kind_of
from kmsplan.resource.kinds import REFERENCES
from kmsplan.resource.step import Effect

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from kmsplan.state.record import Record


@dataclass(frozen=True, slots=True)
class RecordChange:
    """What becomes of one record, as the journal takes it."""

    address: Address
    effect: Effect
    moved_from: Address | None = None


def with_retired(old: Address, new: Address, records: Collection[Address]) -> dict[Address, Address]:
    """Return old address -> new one, of a record and of the predecessors that are kept beside it."""
    return {
        address: Address(new + address.removeprefix(old))
        for address in records
        if address == old or address.startswith(old + RETIRED_MARK)
    }


def move_problem(old: Address, new: Address, declared: Collection[Address]) -> str | None:
    """Return why a record cannot move within its state, whatever else is recorded; or None."""
    if kind_of(old) != kind_of(new):
        return f"{kind_of(old)} and {kind_of(new)} are different kinds"
    if kind_of(old) == "alias":
        return "an alias's address is its name, and no KMS renames an alias; declare the new one and drop the old"
    if is_retired(new):
        return f"addresses with {RETIRED_MARK} are for replaced keys"
    if old in declared:
        return f"{old} is still declared"
    return None


def taken(targets: Iterable[Address], records: Mapping[Address, Record]) -> str | None:
    """Return which target is recorded already: a record must never be lost under another one."""
    found = sorted(target for target in targets if target in records)
    return f"{found[0]} is recorded already, as {records[found[0]].identity}" if found else None


def moved_records(records: Mapping[Address, Record], old: Address, new: Address) -> tuple[RecordChange, ...]:
    """Return what becomes of the records when one moves: it goes, with its predecessors, and references follow."""
    pairs = with_retired(old, new, records)
    moves = [RecordChange(target, Effect(), source) for source, target in sorted(pairs.items())]
    following = [
        RecordChange(pairs.get(address, address), Effect(attributes=changed))
        for address, record in sorted(records.items())
        if (changed := followed(record, pairs))
    ]
    return (*moves, *following)


def followed(record: Record, addresses: Mapping[Address, Address]) -> dict[str, Address]:
    """Return a record's references that change, as they are then."""
    found = {name: Address(str(record.attributes.get(name))) for name in REFERENCES[kind_of(record.address)]}
    return {name: addresses[value] for name, value in found.items() if value in addresses}


def with_dependents(addresses: Iterable[Address], records: Mapping[Address, Record]) -> tuple[Address, ...]:
    """Return the addresses with everything recorded that cannot stay without them, sorted.

    A key goes with its aliases and its predecessors, an instance with its keys: what points at an object is managed
    with it.
    """
    pointing: dict[str, list[Address]] = {}
    for address, record in records.items():
        for name in REFERENCES[kind_of(address)]:
            pointing.setdefault(str(record.attributes.get(name)), []).append(address)
        if is_retired(address):
            pointing.setdefault(address.partition(RETIRED_MARK)[0], []).append(address)
    found: set[Address] = set()
    waiting = list(addresses)
    while waiting:
        address = waiting.pop()
        if address not in found:
            found.add(address)
            waiting += pointing.get(address, [])
    return tuple(sorted(found))
