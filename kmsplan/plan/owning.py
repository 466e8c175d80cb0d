"""The owner tag: whose an object is, and at which address, so that a lost state comes back from the KMS alone.

Every object carries its configuration's lineage and its own address; a predecessor carries the one that it had, which
is its successor's now. Where the tag names an address that the object had before a move, the next apply writes it anew.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.naming import OWNER_TAG, Owner
from kmsplan.kms.operation import TagResources
from kmsplan.plan import rules
from kmsplan.plan.plan import Action, Change, Reason
from kmsplan.resource.address import Address, current, kind_of
from kmsplan.resource.step import Effect, Step
from kmsplan.resource.value import Present

if TYPE_CHECKING:
    from kmsplan.config.configuration import Declared
    from kmsplan.plan.plan import Violation
    from kmsplan.plan.situation import Situation

MOVED: Final = "moved"
"""The token of a tag that is written after a move; nothing but a creation is looked up by its token."""
_PUT_BACK: Final = "its owner tag was taken off and is put back, so that it is found if the state is lost"
_FOLLOWS: Final = "its owner tag names {before}; it follows, so that a lost state comes back with this address"


def foreign_to(
    situation: Situation, address: Address, present: Present, declared: Declared | None = None
) -> Violation | None:
    """Return why an object is another configuration's to change; None where it is not.

    It carries that one's owner tag. An alias, which carries none, is whose its key is: somebody may have made it anew
    since it was recorded here, and moving or deleting it would take it from whoever uses it.
    """
    if present.kind == "alias":
        key = situation.observe(str(present.attributes["key"]))
        owner = situation.foreign_owner(key) if isinstance(key, Present) else None
        holder, recorded = f"{present.attributes['key']}, owned by {owner}", address in situation.records
        return rules.alias_taken(address, present.identity, holder, declared, recorded=recorded) if owner else None
    owner = situation.foreign_owner(present)
    return rules.foreign_owner(address, present.identity, owner, declared) if owner else None


def owner_step(identity: str, owner: Owner) -> Step:
    """Return the step that puts an owner tag on an object, in the place of the one that it may have."""
    kind = "instance" if kind_of(Address(owner.address)) == "instance" else "key"
    operation = TagResources(resource=identity, resource_type=kind, tags={OWNER_TAG: str(owner)})
    return Step(operation=operation, effect=Effect())


def is_owner_step(step: Step) -> bool:
    """Return whether a step puts the owner tag on; users' tags never have its name."""
    return isinstance(step.operation, TagResources) and OWNER_TAG in step.operation.tags


def owner_steps(situation: Situation, address: Address, present: Present, token: str) -> tuple[Step, ...]:
    """Return the step that makes an object's owner tag right, where that is this configuration's to do.

    It has none, or that of a lineage that gives it up, or this lineage's with the address that the object had before.
    Aliases carry no tags. Before there is a state, the lineage is left out; whoever carries the step out puts it in.
    """
    if present.kind == "alias":
        return ()
    if situation.is_marked(present):
        if named_before(situation, address, present) is None:
            return ()
        token = MOVED
    return (owner_step(present.identity, Owner(situation.lineage, current(address), token)),)


def named_before(situation: Situation, address: Address, present: Present) -> str | None:
    """Return the former address that an object's owner tag names, where it is to follow now.

    A move is not held up by an object whose material cannot be reached: its tag follows when it can.
    """
    owner = Owner.parse(present.owner) if present.owner else None
    if owner is None or owner.lineage != situation.lineage or present.state == KeyState.UNAVAILABLE:
        return None
    return None if owner.address == current(address) else owner.address


def with_owner(situation: Situation, change: Change, present: Present) -> Change:
    """Return the change of an object that stays, with the step that makes its owner tag right as its last one."""
    owner = owner_steps(situation, change.address, present, "restored")
    if not owner or present.state == KeyState.PENDING_DELETION:  # its tags cannot be changed then
        return change
    before = named_before(situation, change.address, present)
    note = _PUT_BACK if before is None else _FOLLOWS.format(before=before)
    change = replace(change, note=f"{change.note}; {note}" if change.note else note)
    if change.steps:
        return replace(change, steps=(*change.steps, *owner))
    reason = Reason.DRIFTED if before is None else Reason.MOVED
    return replace(change, action=Action.UPDATE, reason=reason, steps=owner)
