"""One object at a time: what is desired, recorded and observed of it decides which case it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kmsplan.plan import rules
from kmsplan.plan.creating import arrive, claim, create, lacking, taken_default
from kmsplan.plan.deleting import forget, leave
from kmsplan.plan.plan import Action, Change, Reason
from kmsplan.plan.updating import keep
from kmsplan.plan.verdict import Verdict, refused, unreadable
from kmsplan.resource.address import kind_of
from kmsplan.resource.step import Status
from kmsplan.resource.value import Present, Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.config.configuration import Declared
    from kmsplan.plan.plan import Violation
    from kmsplan.plan.situation import Situation
    from kmsplan.resource.address import Address
    from kmsplan.state.record import Record


def decide(situation: Situation, address: Address, barred: Mapping[Address, Violation]) -> Verdict:
    """Return what becomes of the object at an address that is desired, recorded, or both.

    `barred` are the declared objects that the provider does not offer.
    """
    declared, record = situation.desired.get(address), situation.records.get(address)
    if declared is not None and address in barred:
        return refused(create(declared, Reason.NEW), barred[address])
    if record is None:
        return arrive(situation, situation.desired[address])
    found = situation.observe(record.identity)
    if isinstance(found, Unreadable):
        return unreadable(address, record.identity, found, _pointing(situation, record))
    if not isinstance(found, Present):
        return _gone(situation, declared, record)
    if declared is None:
        return leave(situation, record, found)
    wrong = _wrong_object(situation, declared, record, found)
    return wrong or keep(situation, declared, record, found)


def _pointing(situation: Situation, record: Record) -> dict[str, Any] | None:
    """Return what an alias that cannot be read was recorded to point at, by the address that this will have.

    As nobody knows that it has left, its key is neither deleted nor disabled before it can be read. Whoever asks after
    keys that cannot be read in an instance is told by `releases`.
    """
    if kind_of(record.address) != "alias":
        return None
    moved = {old: new for new, old in situation.moved_from.items()}
    key = record.attributes["key"]
    target = situation.records.get(moved.get(key, key))
    return {**record.attributes, "key": situation.addresses.get(target.identity, target.address) if target else key}


def _gone(situation: Situation, declared: Declared | None, record: Record) -> Verdict:
    """The KMS says that the recorded object does not exist."""
    if declared is not None and kind_of(record.address) == "service_key":
        return lacking(declared)
    expected = record.status is Status.PENDING_DELETION
    reason = Reason.DELETION_COMPLETED if expected else Reason.VANISHED
    if declared is None:
        if not expected and record.address in situation.removed:
            reason = Reason.REMOVED
        return forget(situation, record, reason, None if expected else "the KMS does not know it any more")
    instead = claim(situation, declared) or taken_default(situation, declared)
    anew = instead or Verdict(create(declared, reason, identity=record.identity, note=_lost(record, expected=expected)))
    # Its record moves all the same; one that stayed behind would be in the way of the next plan.
    return replace(anew, change=replace(anew.change, moved_from=situation.moved_from.get(record.address)))


def _lost(record: Record, *, expected: bool) -> str | None:
    match kind_of(record.address):
        case "key" | "default_key":
            how = "was deleted when its window ended" if expected else "is gone from the KMS"
            return (
                f"{record.identity} {how}: WHAT WAS ENCRYPTED WITH IT IS LOST; the new key cannot decrypt it. "
                "If a backup of the engine holds the old key, restore that instead"
            )
        case "instance":
            return "every key that was in it is gone with it, and what they encrypted is lost"
        case _:
            return None


def _wrong_object(situation: Situation, declared: Declared, record: Record, found: Present) -> Verdict | None:
    """Another object is meant for this address: by an import block, or by the owner tag of a younger object."""
    change = Change(address=record.address, action=Action.NO_OP, reason=Reason.UNCHANGED, identity=record.identity)
    wanted = situation.imports.get(record.address, record.identity)
    if wanted not in situation.addresses:
        problem = f"{record.address} is recorded already, as {record.identity}"
        return refused(change, rules.bad_import(record.address, wanted, problem, declared))
    for other in situation.claims.get(record.address, ()):
        if not _older(other, found):
            return refused(change, rules.older_state(record.address, record.identity, other.identity))
    return None


def _older(other: Present, recorded: Present) -> bool:
    """Where the KMS gives no dates, nobody can say which was first."""
    first, second = other.computed.get("creation_date"), recorded.computed.get("creation_date")
    return bool(first and second and first < second)
