"""What an earlier serial recorded, made what is recorded now. Pure; no object at the KMS changes.

1. A record of the earlier serial comes back as it was: address, identity, attributes, status. Its object must be there,
   for a record of what is gone would only plan to make it anew.
2. A record of another object, made since, stays: forgetting it would orphan its object. Where its address is wanted
   back, nothing is restored before somebody has said what becomes of it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmsplan.resource.value import ABSENT, Absent, Unreadable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from kmsplan.resource.address import Address
    from kmsplan.resource.value import Observed
    from kmsplan.state.record import Record, Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What would be recorded, and what stands against it."""

    recorded: Recorded
    problems: tuple[str, ...]
    """Each a sentence that names the address; () where it can be restored."""


def restore(recorded: Recorded, earlier: Recorded, observed: Observed, *, excludes: Collection[str] = ()) -> Restored:
    """Make an earlier serial's records those of now.

    Args:
        recorded: now.
        earlier: the serial that is wanted back.
        observed: a reading of the KMS, of every identity that either has.
        excludes: addresses that are left as they are now.
    """
    wanted = {address: record for address, record in earlier.records.items() if address not in excludes}
    identities = {record.identity for record in wanted.values()}
    kept = {
        address: record
        for address, record in recorded.records.items()
        if record.identity not in identities and address not in wanted
    }
    problems = [*_elsewhere(recorded, earlier, observed), *_gone(wanted, observed)]
    problems += _orphaned(recorded, wanted, identities)
    records = dict(sorted({**kept, **wanted}.items()))
    return Restored(recorded=dataclasses.replace(recorded, records=records), problems=tuple(problems))


def _elsewhere(recorded: Recorded, earlier: Recorded, observed: Observed) -> Iterator[str]:
    if earlier.environment and earlier.environment != observed.environment:
        yield (
            f"serial {earlier.serial} speaks of {earlier.environment}, and the configuration reaches "
            f"{observed.environment}"
        )
    for pending in recorded.pending:
        yield (
            f"{pending.address}: {pending.operation} was interrupted, and nobody knows yet whether it was carried out; "
            "kmsplan apply finds out"
        )


def _gone(wanted: Mapping[Address, Record], observed: Observed) -> Iterator[str]:
    for address, record in sorted(wanted.items()):
        match observed.objects.get(record.identity, ABSENT):
            case Absent():
                yield f"{address}: {record.identity} is gone at the KMS"
            case Unreadable(message=message):
                yield f"{address}: {record.identity} cannot be read: {message}"


def _orphaned(recorded: Recorded, wanted: Mapping[Address, Record], identities: Collection[str]) -> Iterator[str]:
    for address, record in sorted(wanted.items()):
        now = recorded.records.get(address)
        if now is not None and now.identity not in identities:
            yield (
                f"{address}: {now.identity} is recorded here now, and would be recorded nowhere; {record.identity} was "
                "recorded here then"
            )
