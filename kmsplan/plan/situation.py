"""Who is who: records after moves, identities by address, owner tags, and what else the KMS holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kmsplan.kms.naming import Owner
from kmsplan.plan import rules
from kmsplan.plan.moving import move_problem, taken, with_retired
from kmsplan.plan.plan import Action
from kmsplan.resource.address import Address, kind_of
from kmsplan.resource.kinds import REFERENCES
from kmsplan.resource.value import Present, Unreadable, localise

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from kmsplan.config.configuration import Configuration, Declared
    from kmsplan.plan.plan import Change, PlanOptions, Violation
    from kmsplan.resource.value import Observation, Observed
    from kmsplan.state.record import Record, Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything that is known when one object is decided on."""

    lineage: str
    desired: Mapping[Address, Declared]
    """Empty when everything is to be destroyed."""
    records: Mapping[Address, Record]
    """By the address they have after moves."""
    moved_from: Mapping[Address, Address]
    """New address to old one, for every record that moves."""
    objects: Mapping[str, Observation]
    others: Mapping[str, Present]
    """By identity: what the KMS holds and no record speaks of."""
    addresses: Mapping[str, Address]
    """Identity to address, as it will be when the objects decided on so far are done."""
    claims: Mapping[Address, tuple[Present, ...]]
    """Unrecorded objects whose owner tag names this lineage, by the address in the tag."""
    imports: Mapping[Address, str]
    given_up: Mapping[str, str]
    """Identity to lineage: what an import block takes over from another configuration, by name."""
    removed: frozenset[Address]
    staged: Mapping[Address, int | None]
    """Keys that go in stages, and the seconds for which each must not have been used; None: not said."""
    in_use: frozenset[Address]
    """Keys that may go although nobody knows that they are unused: --allow-in-use."""
    destroy: bool
    now: datetime
    """Aware: what may not be done yet is told, and not planned."""

    def observe(self, identity: str) -> Observation:
        """Return what is known of an object; one that nobody asked for is not known to be absent."""
        found = self.objects.get(identity) or self.others.get(identity)
        return found or Unreadable("NotRead", f"{identity} was not read")

    def localised(self, present: Present) -> dict[str, Any]:
        """Return observed attributes with addresses in place of the identities that are known."""
        return localise(present, self.addresses, REFERENCES[present.kind])

    def foreign_owner(self, present: Present) -> str | None:
        """Return the owner tag of another lineage, if the object carries one and no import block names that lineage."""
        owner = Owner.parse(present.owner) if present.owner else None
        if owner is None or owner.lineage in (self.lineage, self.given_up.get(present.identity)):
            return None
        return present.owner

    def is_marked(self, present: Present) -> bool:
        """Return whether the object carries an owner tag that is to stay: any but one that another lineage gives up."""
        owner = Owner.parse(present.owner) if present.owner else None
        return bool(present.owner) and (owner is None or owner.lineage != self.given_up.get(present.identity))


def survey(
    configuration: Configuration, recorded: Recorded, observed: Observed, options: PlanOptions
) -> tuple[Situation, list[Violation]]:
    """Bring together what is known. Moves that cannot be made are violations, and are not made."""
    records, moved_from, violations = _move(recorded.records, configuration)
    desired = {} if options.destroy else configuration.desired
    violations.extend(
        rules.removed_and_declared(address, desired[address])
        for address in (*sorted(configuration.removed), *configuration.staged)
        if address in desired
    )
    situation = Situation(
        lineage=recorded.lineage,
        desired=desired,
        records=records,
        moved_from=moved_from,
        objects=observed.objects,
        others=_others(records.values(), observed),
        addresses={record.identity: record.address for record in records.values()},
        claims=_claims(recorded.lineage, observed.others),
        imports={} if options.destroy else {block.address: block.identity for block in configuration.imports},
        given_up={block.identity: block.owner for block in configuration.imports if block.owner},
        removed=configuration.removed,
        staged=configuration.staged,
        in_use=frozenset(map(Address, options.allowances.in_use)),
        destroy=options.destroy,
        now=options.now,
    )
    return situation, violations


def following(situation: Situation, changes: Iterable[Change]) -> Situation:
    """Return the situation that objects decided on later find: who has which address when these changes are done."""
    addresses = dict(situation.addresses)
    for change in changes:
        if change.identity is None or change.blocked is not None:
            continue
        if change.action is Action.CREATE:
            addresses.pop(change.identity, None)  # the object that it takes the place of is gone
        elif change.action is not Action.REPLACE:  # its predecessor has the identity, under its retired address
            addresses[change.identity] = change.address
    return replace(situation, addresses=addresses)


def _others(records: Iterable[Record], observed: Observed) -> dict[str, Present]:
    """An identity that an import block names is asked for, and is still nobody's."""
    known = {record.identity for record in records}
    asked = {
        identity: found
        for identity, found in observed.objects.items()
        if identity not in known and isinstance(found, Present)
    }
    return {**asked, **{present.identity: present for present in observed.others if present.identity not in known}}


def _claims(lineage: str, others: Iterable[Present]) -> dict[Address, tuple[Present, ...]]:
    claims: dict[Address, list[Present]] = {}
    for present in sorted(others, key=lambda other: other.identity):
        owner = Owner.parse(present.owner) if present.owner else None
        if owner and lineage and owner.lineage == lineage and kind_of(Address(owner.address)) == present.kind:
            claims.setdefault(Address(owner.address), []).append(present)
    return {address: tuple(found) for address, found in claims.items()}


def _move(
    records: Mapping[Address, Record], configuration: Configuration
) -> tuple[Mapping[Address, Record], dict[Address, Address], list[Violation]]:
    if not configuration.moved:
        return records, {}, []
    moved, moved_from, violations = dict(records), {}, []
    for old, new in sorted(configuration.moved.items()):
        if old not in records:
            continue
        pairs = with_retired(old, new, records)
        problem = move_problem(old, new, configuration.desired) or taken(pairs.values(), records)
        if problem:
            violations.append(rules.bad_move(old, new, problem))
            continue
        for source, target in pairs.items():
            moved[target] = _at(moved.pop(source), target)
            moved_from[target] = source
    return moved, moved_from, violations


def _at(record: Record, address: Address) -> Record:
    return type(record)(address=address, identity=record.identity, attributes=record.attributes, status=record.status)
