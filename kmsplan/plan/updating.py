"""A desired object that exists: leave it, bring it to what is desired, or restore it from a pending deletion."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kmsplan.kms.lifecycle import KeyState
from kmsplan.plan import rules
from kmsplan.plan.diff import complete, differences, learned, setting_differences
from kmsplan.plan.owning import foreign_to, owner_steps, with_owner
from kmsplan.plan.plan import Action, Change, Reason
from kmsplan.plan.replacing import replacement
from kmsplan.plan.verdict import UNAVAILABLE, Verdict, blocked, refused, rejection
from kmsplan.plan.versions import growth
from kmsplan.resource.address import is_retired, kind_of
from kmsplan.resource.attribute import Mutability
from kmsplan.resource.kinds import KINDS, REFERENCES
from kmsplan.resource.material import ends_sooner
from kmsplan.resource.step import Effect, Status, Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.config.configuration import Declared
    from kmsplan.plan.situation import Situation
    from kmsplan.plan.versions import Growth
    from kmsplan.resource.address import Address
    from kmsplan.resource.attribute import Attributes, Kind
    from kmsplan.resource.value import Present
    from kmsplan.state.record import Record


def keep(situation: Situation, declared: Declared, record: Record, present: Present) -> Verdict:
    """Decide on a desired, recorded object that the KMS holds."""
    kind = KINDS[present.kind]
    before = complete(kind, {**record.attributes, **situation.localised(present)})
    after = settled(kind, complete(kind, declared.attributes), before)
    change = Change(
        address=record.address,
        action=Action.NO_OP,
        reason=Reason.UNCHANGED,
        identity=present.identity,
        before=before,
        after=after,
        moved_from=situation.moved_from.get(record.address),
    )
    foreign = foreign_to(situation, record.address, present, declared)
    if foreign:
        return refused(change, foreign)
    replaced = material_differences(kind, before, after)
    if replaced:
        return replacement(situation, declared, present, change, replaced)
    if present.state == KeyState.PENDING_DELETION and kind.restore is not None:
        return checked(_restored(situation, change, kind, present, record, kind.restore), present, declared)
    return checked(_updated(situation, change, kind, present, record), present, declared)


def settled(kind: Kind, desired: dict[str, Any], observed: dict[str, Any]) -> dict[str, Any]:
    """Take what the configuration leaves open as the KMS has it, where only a new object or its user changes it."""
    chosen = {
        attribute.name: observed[attribute.name]
        for attribute in kind.attributes
        if (attribute.mutability is Mutability.REPLACES or attribute.follows) and desired[attribute.name] is None
    }
    return {**desired, **chosen}


def material_differences(kind: Kind, before: dict[str, Any], after: dict[str, Any]) -> tuple[str, ...]:
    """Return the names that differ and cannot change in an existing object."""
    names = differences(kind, before, after)
    return tuple(name for name in names if kind.by_name[name].mutability is Mutability.REPLACES)


def checked(verdict: Verdict, present: Present, declared: Declared) -> Verdict:
    """Refuse or block what the KMS's state table would reject."""
    change = verdict.change
    if present.kind in ("alias", "instance") or not change.steps:
        return verdict
    if present.state == KeyState.UNAVAILABLE:
        return Verdict(blocked(change, UNAVAILABLE))
    rejected = rejection(change.steps, present.state)
    if rejected is None:
        return verdict
    operation, code, state = rejected
    if state is KeyState.PENDING_IMPORT:
        why = f"the key waits for its material (PendingImport); until it has it, the KMS rejects {operation} ({code})"
        return Verdict(blocked(change, why))
    return refused(change, rules.state_forbids(change.address, operation, state, code, declared))


def _updated(situation: Situation, change: Change, kind: Kind, present: Present, record: Record) -> Verdict:
    before, after = dict(change.before or {}), dict(change.after or {})
    names = differences(kind, before, after)
    settings = setting_differences(kind, before, after)
    effect = _record_effect(kind, record, before, after, names)
    grown = growth(present, after, situation.now) if kind.name == "key" else None
    if record.status is Status.PENDING_DELETION:  # somebody cancelled it, and the key is wanted
        effect = Effect(attributes=effect.attributes if effect else {}, status=Status.READY)
    reason = _reason(situation, record, change, names)
    change = replace(
        change,
        action=Action.UPDATE if names else Action.NO_OP,
        reason=reason,
        attributes=(*names, *settings),
        steps=kind.update(present.identity, before, after) if names else (),
        effect=effect,
        note=consequence(before, after),
        tests=_tested(situation, kind, after) if names and reason is Reason.FOLLOWS else None,
    )
    change = with_owner(situation, change, present)
    return Verdict(_grown(change, grown) if grown else change)


def _grown(change: Change, grown: Growth) -> Change:
    """Return a change of a key that also has too few versions."""
    note = f"{change.note}; {grown.note}" if change.note else grown.note
    if grown.step is None:
        reason = Reason.VERSIONS if change.reason is Reason.UNCHANGED else change.reason
        return replace(change, reason=reason, note=note)
    quiet = change.action is Action.NO_OP
    return replace(
        change,
        action=Action.UPDATE,
        reason=Reason.CHANGED if quiet else change.reason,
        after={**(change.after or {}), "versions": grown.versions},
        attributes=(*change.attributes, "versions"),
        steps=(*change.steps, grown.step),
        note=note,
    )


def _restored(
    situation: Situation,
    change: Change,
    kind: Kind,
    present: Present,
    record: Record,
    restore: Callable[[str, Attributes, Attributes], tuple[Step, ...]],
) -> Verdict:
    before, after = dict(change.before or {}), dict(change.after or {})
    # A key that waits for its deletion is neither enabled nor disabled, and comes back enabled.
    before["enabled"] = False
    names = differences(kind, before, after)
    return Verdict(
        replace(
            change,
            action=Action.RESTORE,
            reason=Reason.PENDING_DELETION,
            before=before,
            attributes=(*names, *setting_differences(kind, record.attributes, after)),
            steps=(
                *restore(present.identity, before, after),
                *owner_steps(situation, change.address, present, "restored"),
            ),
            effect=_record_effect(kind, record, before, after, (*names, "enabled")),
        )
    )


def _record_effect(
    kind: Kind, record: Record, before: dict[str, Any], after: dict[str, Any], names: tuple[str, ...]
) -> Effect | None:
    """Return what the record takes without an operation: settings, and what was seen to differ and stays so."""
    settings = setting_differences(kind, complete(kind, record.attributes), after)
    attributes = {name: after[name] for name in settings} | learned(kind, record.attributes, before, names)
    return Effect(attributes=attributes) if attributes else None


def _reason(situation: Situation, record: Record, change: Change, names: tuple[str, ...]) -> Reason:
    """Say why, for an object whose `names` differ from what is desired, or whose record alone changes."""
    before, after, kind = change.before or {}, change.after or {}, KINDS[kind_of(record.address)]
    references = REFERENCES[kind.name]
    if names:
        if any(name in references and is_retired(before[name]) for name in names):
            return Reason.FOLLOWS
        drifted = all(record.attributes.get(name) == after[name] for name in names)
        return Reason.DRIFTED if drifted else Reason.CHANGED
    if setting_differences(kind, complete(kind, record.attributes), after):
        return Reason.SETTING
    if change.moved_from or any(record.attributes.get(name) in situation.moved_from.values() for name in references):
        return Reason.MOVED
    same = not learned(kind, record.attributes, before) and record.status is not Status.PENDING_DELETION
    return Reason.UNCHANGED if same else Reason.ACCEPTED


def _tested(situation: Situation, kind: Kind, after: dict[str, Any]) -> Address | None:
    """Return the successor that an alias moves to, unless that is not to work."""
    declared = situation.desired.get(after["key"]) if kind.name == "alias" else None
    return declared.address if declared and declared.attributes.get("enabled", True) else None


def consequence(before: dict[str, Any], after: dict[str, Any]) -> str | None:
    """Say what an existing object is no longer good for when it is as desired; None where that is nothing."""
    if before.get("enabled") is True and after.get("enabled") is False:
        return "while it is disabled, nothing can be encrypted, decrypted, signed or verified with it"
    if ends_sooner(before.get("imported"), after.get("imported")):
        return (
            f"the KMS destroys its material at {after['imported']}; from then on nothing can be encrypted, decrypted, "
            "signed or verified with it, until the same material is imported again"
        )
    return None
