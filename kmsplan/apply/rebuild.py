"""A state from nothing: every object's owner tag says whose it is and at which address. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.naming import ALIAS_PREFIX, Owner
from kmsplan.resource.address import Address, address, current, is_retired, kind_of, retired
from kmsplan.resource.attribute import Mutability
from kmsplan.resource.kinds import KINDS, REFERENCES
from kmsplan.resource.step import Status
from kmsplan.resource.value import localise
from kmsplan.state.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kmsplan.resource.value import Present


def lineages(presents: Iterable[Present]) -> Counter[str]:
    """Count the owned objects by the lineage in their owner tags."""
    owners = (Owner.parse(present.owner) for present in presents if present.owner)
    return Counter(owner.lineage for owner in owners if owner)


def rebuild(lineage: str, presents: Iterable[Present]) -> tuple[Record, ...]:
    """Return the records of everything that `lineage` owns, and of the aliases of those keys.

    Of several objects with one address the youngest one that is not to be deleted stands there; the others are kept
    as its predecessors. Rules that are kmsplan's own (windows and the like) come back as their defaults, and the next
    apply records what the configuration says.
    """
    presents = tuple(presents)
    owned = _owned(lineage, presents)
    places = {present.identity: place for place, present in owned}
    aliases = (
        (address("alias", present.identity.removeprefix(ALIAS_PREFIX)), present)
        for present in presents
        if present.kind == "alias" and present.attributes["key"] in places
    )
    return tuple(sorted((_record(place, present, places) for place, present in (*owned, *aliases)), key=_by_address))


def _by_address(record: Record) -> str:
    return record.address


def _owned(lineage: str, presents: Iterable[Present]) -> list[tuple[Address, Present]]:
    claims: dict[Address, list[Present]] = {}
    for present in presents:
        owner = Owner.parse(present.owner) if present.owner else None
        if owner and owner.lineage == lineage and kind_of(Address(owner.address)) == present.kind:
            claims.setdefault(current(Address(owner.address)), []).append(present)
    pointed_at = Counter(present.attributes["key"] for present in presents if present.kind == "alias")

    def precedence(present: Present) -> tuple[bool, bool, str, int, str]:
        # Dates count whole seconds: of two keys made in the same one, the successor is where the aliases went.
        live = present.state != KeyState.PENDING_DELETION
        created = str(present.computed.get("creation_date") or "")
        return not _former(present), live, created, pointed_at[present.identity], present.identity

    placed = []
    for place, found in claims.items():
        before = sorted(found, key=precedence)
        if not _former(before[-1]):
            placed.append((place, before.pop()))
        placed += [(retired(place, number), present) for number, present in enumerate(before, 1)]
    return placed


def _former(present: Present) -> bool:
    """Return whether an object's own tag says that it is a predecessor, as earlier versions wrote after a move."""
    owner = Owner.parse(present.owner or "")
    return owner is not None and is_retired(Address(owner.address))


def _record(place: Address, present: Present, places: Mapping[str, Address]) -> Record:
    table = [attribute for attribute in KINDS[present.kind].attributes if attribute.recorded]
    defaults = {attribute.name: attribute.default for attribute in table}
    # What only grows is recorded where an apply let it grow, and was not.
    counted = {attribute.name: None for attribute in table if attribute.mutability is Mutability.COUNTED}
    status = Status.READY
    if present.state == KeyState.PENDING_DELETION:
        status = Status.PENDING_DELETION
    elif is_retired(place):
        status = Status.RETIRED
    attributes = {**defaults, **localise(present, places, REFERENCES[present.kind]), **counted}
    return Record(address=place, identity=present.identity, attributes=attributes, status=status)
