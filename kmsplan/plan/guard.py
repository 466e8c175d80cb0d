"""Before anything is decided: is this the right KMS, and the right state? If not, there is no plan at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.kms.naming import Owner
from kmsplan.plan import rules
from kmsplan.resource.step import Status
from kmsplan.resource.value import Absent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.plan.plan import Violation
    from kmsplan.resource.address import Address
    from kmsplan.resource.value import Observed
    from kmsplan.state.record import Record, Recorded


def refusals(recorded: Recorded, observed: Observed, *, accept_old_state: bool = False) -> tuple[Violation, ...]:
    """Return why no plan can be made from these two; () where one can."""
    if recorded.environment and recorded.environment != observed.environment:
        return (rules.another_kms(recorded.environment, observed.environment),)
    if not recorded.exists:
        owners = sorted(present.owner for present in observed.others if present.owner and Owner.parse(present.owner))
        return (rules.missing_state(owners),) if owners else ()
    seen = observed.ahead_of(recorded.lineage, recorded.serial)
    if seen is not None and not accept_old_state:
        return (rules.rolled_back(recorded.serial, str(seen)),)
    twice = _twice(recorded.records)
    if twice:
        return tuple(rules.recorded_twice(identity, *addresses) for identity, addresses in sorted(twice.items()))
    live = [record for record in recorded.records.values() if record.status is not Status.PENDING_DELETION]
    if live and all(isinstance(observed.objects.get(record.identity), Absent) for record in live):
        return (rules.everything_gone(len(live)),)
    return ()


def _twice(records: Mapping[Address, Record]) -> dict[str, tuple[Address, Address]]:
    """Return the identities that are recorded more than once, with two of their addresses."""
    first: dict[str, Address] = {}
    return {
        record.identity: (first[record.identity], address)
        for address, record in records.items()
        if first.setdefault(record.identity, address) != address
    }
