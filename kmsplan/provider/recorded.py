"""The state as a reader: what `plan --no-refresh` sees instead of the KMS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.kms.naming import Owner
from kmsplan.resource.address import Address, current, kind_of
from kmsplan.resource.kinds import KINDS, REFERENCES
from kmsplan.resource.step import Status
from kmsplan.resource.value import ABSENT, Observation, Observed, Present

if TYPE_CHECKING:
    from collections.abc import Collection

    from kmsplan.resource.offer import Offer
    from kmsplan.state.record import Record, Recorded


class RecordedReader:
    """Answers with what was recorded. Nothing is read, so nothing can have drifted."""

    def __init__(self, recorded: Recorded, offer: Offer) -> None:
        self.offer = offer
        self._recorded = recorded

    def observe(self, identities: Collection[str]) -> Observed:
        """Answer from the records."""
        known = {record.identity: self._present(record) for record in self._recorded.records.values()}
        objects: dict[str, Observation] = {identity: known.get(identity, ABSENT) for identity in identities}
        return Observed(environment=self._recorded.environment, objects=objects)

    def close(self) -> None:
        """Nothing to give back."""

    def _present(self, record: Record) -> Present:
        kind = kind_of(record.address)
        compared = KINDS[kind].compared
        attributes = {name: record.attributes.get(name) for name in compared}
        for name in REFERENCES[kind]:
            target = self._recorded.records.get(Address(str(attributes[name])))
            attributes[name] = target.identity if target else attributes[name]
        return Present(
            kind=kind,
            identity=record.identity,
            attributes=attributes,
            state=_state(record),
            owner=None if kind == "alias" else str(self._owner(record)),
        )

    def _owner(self, record: Record) -> Owner:
        return Owner(self._recorded.lineage, current(record.address), "recorded")


def _state(record: Record) -> str:
    if record.status is Status.PENDING_DELETION:
        return "PendingDeletion"
    return "Enabled" if record.attributes.get("enabled", True) else "Disabled"
