"""The fold: records, and what becomes of them entry by entry. The one place where an effect reaches a record.

1. It is total: an entry about a record or a begin that is not there changes nothing.
2. Every prefix of a journal folds to a valid state; a begin without its end is pending.
3. The serial counts the runs that changed something, so a run that crashed after its first change counts too, and a
   plan that it was carrying out is stale. A run that names a later serial makes it: the KMS has seen the one before.
4. What a run was allowed to delete stands until the next run begins. A run that came to its end takes it out of the
   snapshot that it writes.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, assert_never

from kmsplan.kms.settling import OPERATIONS
from kmsplan.resource.step import Effect, Status
from kmsplan.state.entry import BeginEntry, EndEntry, Ending, RecordEntry, RunEntry
from kmsplan.state.record import Made, Pending, Record, Recorded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kmsplan.resource.address import Address
    from kmsplan.state.entry import Entry


def fold(base: Recorded, entries: Iterable[Entry]) -> Recorded:
    """Return the state that `entries` make of `base`."""
    folding = Folding(base)
    for entry in entries:
        folding.add(entry)
    return folding.recorded()


def settled(base: Recorded, ends: Iterable[tuple[int, Ending, str | None]]) -> Recorded:
    """Return `base` with pending operations ended: (sequence of the begin, ending, identity).

    The serial stays, for no run has written this down yet.
    """
    folding = Folding(base)
    for begin, ending, identity in ends:
        folding.end(begin, ending, identity)
    return dataclasses.replace(folding.recorded(), serial=base.serial, made=base.made)


def serials(base: Recorded, entries: Iterable[Entry]) -> Iterator[Recorded]:
    """Yield the state at every serial that the entries lead to, the oldest first."""
    folding, serial = Folding(base), base.serial
    for entry in entries:
        if isinstance(entry, RunEntry) and folding.serial > serial:
            yield folding.recorded()
            serial = folding.serial
        folding.add(entry)
    if folding.serial > serial:
        yield folding.recorded()


class Folding:
    """A fold in progress. Adding an entry costs the same however many records there are."""

    def __init__(self, base: Recorded) -> None:
        self._lineage = base.lineage
        self._serial = base.serial
        self._environment = base.environment
        self._records = dict(base.records)
        self._pending = {pending.sequence: pending for pending in base.pending}
        self._made = base.made
        self._unfinished = base.unfinished
        self._run: Made | None = None
        """The current run."""
        self._counted = False
        """Whether it is among those that the serial counts."""

    @property
    def serial(self) -> int:
        """The serial of the state so far."""
        return self._serial

    def pending(self, sequence: int) -> Pending:
        """Return an operation that has begun and not ended, by the sequence number of its begin."""
        return self._pending[sequence]

    def recorded(self) -> Recorded:
        """Return the state so far."""
        return Recorded(
            lineage=self._lineage,
            serial=self._serial,
            environment=self._environment,
            records=dict(self._records),
            pending=tuple(self._pending.values()),
            made=self._made,
            unfinished=self._unfinished,
        )

    def add(self, entry: Entry) -> None:
        """Take one entry."""
        match entry:
            case BeginEntry():
                self._pending[entry.sequence] = _pending(entry)
            case EndEntry():
                self.end(entry.begin, entry.ending, entry.identity)
            case RecordEntry():
                self._record(entry)
            case RunEntry():
                self._begin(entry)
            case _:
                assert_never(entry)

    def _begin(self, entry: RunEntry) -> None:
        self._run = Made(at=entry.time, by=entry.by, command=entry.command, plan=entry.plan)
        self._counted = False
        self._unfinished = entry.deletions
        self._environment = entry.environment or self._environment
        if entry.serial > self._serial:
            self._serial = entry.serial - 1
            self._count()

    def end(self, begin: int, ending: Ending, identity: str | None) -> None:
        """End a pending operation; what it did becomes part of the record."""
        pending = self._pending.pop(begin, None)
        if pending is None or ending is not Ending.DONE:
            return
        made = OPERATIONS[pending.operation].makes_object
        self._apply(pending.address, pending.effect, (identity or pending.identity) if made else None)

    def _record(self, entry: RecordEntry) -> None:
        if entry.moved_from is not None:
            self._move(entry.moved_from, entry.address, None)
        self._apply(entry.address, entry.effect, entry.identity)

    def _apply(self, address: Address, effect: Effect, new_identity: str | None) -> None:
        if new_identity is not None:
            if effect.retires is not None:
                self._move(address, effect.retires, Status.RETIRED)
            self._records[address] = Record(
                address=address,
                identity=new_identity,
                attributes=effect.attributes,
                status=effect.status or Status.READY,
            )
        elif (record := self._records.get(address)) is None:
            return
        elif effect.removes:
            del self._records[address]
        else:
            self._records[address] = Record(
                address=address,
                identity=record.identity,
                attributes={**record.attributes, **effect.attributes},
                status=effect.status or record.status,
            )
        self._count()

    def _move(self, source: Address, target: Address, status: Status | None) -> None:
        record = self._records.pop(source, None)
        if record is not None:
            self._records[target] = Record(
                address=target,
                identity=record.identity,
                attributes=record.attributes,
                status=status or record.status,
            )
            self._count()

    def _count(self) -> None:
        if not self._counted:
            self._serial += 1
            self._counted = True
            self._made = self._run


def _pending(entry: BeginEntry) -> Pending:
    """Return the operation that an entry begins."""
    return Pending(
        sequence=entry.sequence,
        address=entry.address,
        operation=entry.operation,
        parameters=entry.parameters,
        token=entry.token,
        identity=entry.identity,
        effect=entry.effect,
    )
