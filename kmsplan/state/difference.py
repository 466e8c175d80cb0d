"""What differs between two serials of a state, record by record."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.resource.address import Address
    from kmsplan.state.record import Record, Recorded


class Kind(StrEnum):
    """What became of a record."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One record that is not the same in both."""

    address: Address
    """In the later one; of a removed record, where it stood."""
    kind: Kind
    before: Record | None
    """What stood at the address; of a moved record, the same object at its old address."""
    after: Record | None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the attributes that differ, sorted; of what is on one side only, none."""
        if self.before is None or self.after is None:
            return ()
        before, after = self.before.attributes, self.after.attributes
        missing = object()
        return tuple(
            name for name in sorted({*before, *after}) if before.get(name, missing) != after.get(name, missing)
        )


def compare(before: Recorded, after: Recorded) -> tuple[Difference, ...]:
    """Return what differs, sorted by address."""
    return tuple(sorted(_differences(before, after), key=lambda found: found.address))


def _differences(before: Recorded, after: Recorded) -> Iterator[Difference]:
    changed = [
        address
        for address, record in after.records.items()
        if (old := before.records.get(address)) is not record and old != record
    ]
    gone = [before.records[address] for address in before.records.keys() - after.records.keys()]
    places = {record.identity: record for record in gone}
    places |= {old.identity: old for address in changed if (old := before.records.get(address)) is not None}
    moved = set()
    for address in changed:
        record = after.records[address]
        old = places.get(record.identity)
        if old is not None and old.address != address:
            moved.add(record.identity)
            yield Difference(address=address, kind=Kind.MOVED, before=old, after=record)
        else:
            old = before.records.get(address)
            kind = Kind.ADDED if old is None else Kind.CHANGED
            yield Difference(address=address, kind=kind, before=old, after=record)
    for record in gone:
        if record.identity not in moved:
            yield Difference(address=record.address, kind=Kind.REMOVED, before=record, after=None)
