"""What is said of keys elsewhere than at them: their aliases, instances, records and declarations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.resource.address import kind_of
from kmsplan.resource.value import Present, Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.config.configuration import Configuration
    from kmsplan.resource.value import Observed
    from kmsplan.state.record import Record, Recorded


def presents(observed: Observed) -> Iterator[Present]:
    """Yield everything that was read whole."""
    yield from (found for found in observed.objects.values() if isinstance(found, Present))
    yield from observed.others


class Surroundings:
    """One reading, one state and one configuration, by what a key asks of them."""

    def __init__(self, configuration: Configuration, recorded: Recorded, observed: Observed) -> None:
        self._desired = configuration.desired
        self.lineage = recorded.lineage
        self.records: dict[str, Record] = {record.identity: record for record in recorded.records.values()}
        self._types: dict[str, str] = {}
        self._aliases: dict[str, list[str]] = {}
        self.doubtful = set[str]()
        """Identities of keys with an alias that could not be read."""
        for present in presents(observed):
            if present.kind == "alias":
                self._aliases.setdefault(str(present.attributes["key"]), []).append(present.identity)
            elif present.kind == "instance" and present.attributes.get("type"):
                self._types[present.identity] = present.attributes["type"]
        for record in recorded.records.values():
            if kind_of(record.address) == "instance":
                type_ = self._types.setdefault(record.identity, record.attributes.get("type") or "")
                self._types[record.address] = type_
            elif kind_of(record.address) == "alias":
                self._doubt(record, recorded, observed)

    def _doubt(self, alias: Record, recorded: Recorded, observed: Observed) -> None:
        if isinstance(observed.objects.get(alias.identity), Unreadable):
            key = recorded.records.get(alias.attributes.get("key", ""))
            self.doubtful.add(key.identity if key else "")

    def aliases(self, identity: str) -> tuple[str, ...]:
        """Return the names that answer for a key."""
        return tuple(sorted(self._aliases.get(identity, ())))

    def address(self, identity: str | None) -> str | None:
        """Return an object's address, or its identity where it is not managed."""
        record = self.records.get(identity or "")
        return record.address if record else identity

    def type(self, instance: str | None) -> str | None:
        """Return the type of an instance, by identity or address; None where it is not told."""
        return self._types.get(instance or "") or None

    def used_by(self, record: Record | None) -> tuple[str, ...]:
        """Return who uses a key, as its declaration says, or the last one did."""
        if record is None:
            return ()
        said = self._desired.get(record.address) or record
        return tuple(said.attributes.get("used_by") or ())
