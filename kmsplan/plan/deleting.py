"""A recorded object that nobody asks for any more: delete, forget, wait, or keep as retired."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kmsplan.kms.lifecycle import KeyState
from kmsplan.plan import rules
from kmsplan.plan.diff import complete, learned
from kmsplan.plan.owning import foreign_to, owner_steps, with_owner
from kmsplan.plan.plan import Action, Change, Reason
from kmsplan.plan.replacing import grace, retire, working
from kmsplan.plan.staging import keeps_aliases, staged
from kmsplan.plan.verdict import UNAVAILABLE, Verdict, blocked, refused
from kmsplan.resource import key
from kmsplan.resource.address import is_retired
from kmsplan.resource.kinds import KINDS
from kmsplan.resource.step import Effect, Status

if TYPE_CHECKING:
    from kmsplan.plan.situation import Situation
    from kmsplan.resource.step import Step
    from kmsplan.resource.value import Present
    from kmsplan.state.record import Record


def forget(situation: Situation, record: Record, reason: Reason, note: str | None = None) -> Verdict:
    """Return the change that drops a record and leaves the object, or what was one, alone."""
    return Verdict(
        Change(
            address=record.address,
            action=Action.FORGET,
            reason=reason,
            identity=record.identity,
            before=record.attributes,
            effect=Effect(removes=True),
            moved_from=situation.moved_from.get(record.address),
            note=note,
        )
    )


def leave(situation: Situation, record: Record, present: Present) -> Verdict:
    """Decide on a recorded object that exists and is not desired."""
    if record.address in situation.removed:
        return forget(situation, record, Reason.REMOVED, "the object stays; nobody manages it from then on")
    if present.kind == "service_key":
        return forget(situation, record, Reason.NOT_IN_CONFIGURATION, "the key stays: it is its service's")
    kind = KINDS[present.kind]
    before = complete(kind, {**record.attributes, **situation.localised(present)})
    change = Change(
        address=record.address,
        action=Action.DELETE,
        reason=Reason.DESTROY if situation.destroy else Reason.NOT_IN_CONFIGURATION,
        identity=present.identity,
        before=before,
        moved_from=situation.moved_from.get(record.address),
    )
    foreign = foreign_to(situation, record.address, present)
    if foreign:
        return refused(change, foreign)
    if kind.name == "alias" and keeps_aliases(situation, before["key"]):
        note = "it goes when its key is disabled"
        return Verdict(replace(change, action=Action.NO_OP, reason=Reason.STAGED_WAITING, after=before, note=note))
    if record.address in situation.staged and present.state != KeyState.PENDING_DELETION:
        return staged(situation, change, record, present)
    if record.status is Status.RETIRED or (is_retired(record.address) and record.address not in situation.staged):
        return _retired(situation, change, record, present)
    if present.state == KeyState.PENDING_DELETION:
        return Verdict(_waiting(change, record, present, learned(kind, record.attributes, before, ("enabled",))))
    # It waits for its deletion with the owner tag on, so that it is found again if the state is lost.
    return _deleted(change, record, present, before, owner_steps(situation, record.address, present, "restored"))


def _deleted(
    change: Change, record: Record, present: Present, before: dict[str, Any], owner: tuple[Step, ...]
) -> Verdict:
    # The KMS may be unprotected behind the record's back; that was not one of the two reviewed steps.
    if before.get("deletion_protection") or record.attributes.get("deletion_protection"):
        return refused(change, rules.protected(change.address))
    if present.state == KeyState.UNAVAILABLE:
        return Verdict(blocked(change, UNAVAILABLE))
    kind = KINDS[present.kind]
    steps = kind.delete(present.identity, before)
    if kind.restore is None:
        return Verdict(replace(change, steps=steps, note=_loss(kind.name, before)))
    seen = learned(kind, record.attributes, before)  # its record stays, pending
    effect = Effect(attributes=seen) if seen else None
    return Verdict(replace(change, steps=(*owner, *steps), effect=effect, note=_loss(kind.name, before)))


def _loss(kind: str, before: dict[str, Any]) -> str | None:
    match kind:
        case "key" | "default_key":
            days, named = before["deletion_window"], before.get("hsm_object")
            if named is not None:
                return (
                    f"unusable at once; after {days} days the key is gone, and all that the KMS encrypted with "
                    f"it; object {named}, which it stands for, stays in its HSM"
                )
            return f"unusable at once; after {days} days everything encrypted with it is lost for ever"
        case "alias":
            return "callers that use this alias fail; the key stays"
        case "instance":
            return "gone at once: there is no window in which it could be restored"
        case _:
            return None


def _waiting(change: Change, record: Record, present: Present, seen: dict[str, Any]) -> Change:
    date = present.computed.get("delete_date")
    status = None if record.status is Status.PENDING_DELETION else Status.PENDING_DELETION
    return replace(
        change,
        action=Action.NO_OP,
        reason=Reason.WAITING,
        effect=Effect(attributes=seen, status=status) if seen or status else None,
        note=f"its deletion is scheduled{f' for {date}' if date else ''}; declare it again to restore it",
    )


def _retired(situation: Situation, change: Change, record: Record, present: Present) -> Verdict:
    """A predecessor stays; only its succession is finished, when its grace has ended."""
    before = dict(change.before or {})
    if record.status is Status.PENDING_DELETION:
        return Verdict(_spared(change, record, present, before))
    return Verdict(with_owner(situation, _kept(situation, change, record, present), present))


def _kept(situation: Situation, change: Change, record: Record, present: Present) -> Change:
    before = dict(change.before or {})
    if record.attributes.get("enabled") is True and present.state == KeyState.ENABLED:
        rest = grace(situation, record.address)
        if rest is not None:
            return replace(change, action=Action.NO_OP, reason=Reason.GRACE, after=before, note=rest)
        unfinished = retire(record.address, present.identity, before, tests=working(situation, record.address))
        return replace(unfinished, moved_from=change.moved_from)
    note = "a replaced key, kept because data may still need it"
    return replace(change, action=Action.NO_OP, reason=Reason.SUCCEEDED, after=before, note=note)


def _spared(change: Change, record: Record, present: Present, before: dict[str, Any]) -> Change:
    """A predecessor whose staged destruction was called off: it is restored, disabled, and kept as before."""
    if present.state != KeyState.PENDING_DELETION:
        seen = learned(KINDS[present.kind], record.attributes, before)
        effect = Effect(attributes=seen, status=Status.RETIRED)
        return replace(change, action=Action.NO_OP, reason=Reason.SUCCEEDED, after=before, effect=effect)
    waiting = {**before, "enabled": False}
    cancel, *rest = key.restore(present.identity, waiting, waiting)
    cancelled = replace(cancel, effect=replace(cancel.effect, status=Status.RETIRED))
    return replace(
        change,
        action=Action.RESTORE,
        reason=Reason.PENDING_DELETION,
        before=waiting,
        after=waiting,
        steps=(cancelled, *rest),
        note="its staged destruction is not declared any more: it is kept, disabled",
    )
