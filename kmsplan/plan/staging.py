"""`removed: [{address: key.old, destroy: staged}]`: a key's end in reviewed steps, one in each apply.

Protection off, disabled, unused for long enough, scheduled, gone. The stage is what record and KMS agree on, so that a
step which somebody else took is recorded first, and reviewed. A disabled key answers no cryptography: its last use is
what the KMS tells, and what nobody can tell counts as a use, unless --allow-in-use names the key.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.naming import DAY, format_duration
from kmsplan.plan.diff import learned
from kmsplan.plan.owning import owner_steps
from kmsplan.plan.plan import Action, Change, Reason
from kmsplan.plan.usage import later, usage
from kmsplan.plan.verdict import UNAVAILABLE, Verdict, blocked
from kmsplan.resource.address import Address
from kmsplan.resource.kinds import KINDS
from kmsplan.resource.step import Effect
from kmsplan.resource.value import Present

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from kmsplan.plan.situation import Situation
    from kmsplan.state.record import Record

UNUSED_FOR: Final = 30 * DAY
"""Seconds without a use where neither the block nor the key says another."""
_UNPROTECT: Final = "stage 1 of 3, protection off; the next apply disables the key, which can be undone"
_DISABLE: Final = "stage 2 of 3, disabled; its deletion is scheduled by an apply when it has been unused for {period}"
_SCHEDULE: Final = "stage 3 of 3, scheduled; after {days} days everything encrypted with it is lost for ever"


def staged(situation: Situation, change: Change, record: Record, present: Present) -> Verdict:
    """Return the one step that is due of a key's end, or what it waits for.

    Args:
        situation: what is known.
        change: its deletion, as it would be at once; `before` is what the KMS holds.
        record: what the last run left.
        present: the key, which does not wait for its deletion yet.
    """
    before = dict(change.before or {})
    if present.state == KeyState.UNAVAILABLE:
        return Verdict(blocked(change, UNAVAILABLE))
    period = unused_period(situation, record, before)
    for name, reason, note in (
        ("deletion_protection", Reason.STAGED_UNPROTECT, _UNPROTECT),
        ("enabled", Reason.STAGED_DISABLE, _DISABLE.format(period=format_duration(period))),
    ):
        if name == "enabled" and present.state == KeyState.PENDING_IMPORT:
            continue  # without material it answers nothing, and the KMS neither enables nor disables it
        if before.get(name) or record.attributes.get(name):
            return Verdict(_step(change, record, present, name, reason, note))
    return Verdict(_last(situation, replace(change, before={**before, "unused_for": period}), record, present, period))


def keeps_aliases(situation: Situation, key: str) -> bool:
    """Whether a key is still to work after this plan although it goes: its first step takes protection off alone."""
    record = situation.records.get(Address(key)) if key in situation.staged else None
    if record is None:
        return False
    found = situation.observe(record.identity)
    protected = isinstance(found, Present) and found.attributes.get("deletion_protection")
    return bool(protected or record.attributes.get("deletion_protection"))


def unused_period(situation: Situation, record: Record, before: Mapping[str, Any]) -> int:
    """Return the seconds without a use before a key's deletion is scheduled: the longest time that anybody asks for.

    The key's own is a brake, and no block shortens it.
    """
    own = before.get("unused_for") or 0
    return max(situation.staged.get(record.address) or own or UNUSED_FOR, own)


def _step(change: Change, record: Record, present: Present, name: str, reason: Reason, note: str) -> Change:
    """Return the change that turns one attribute off; where somebody did already, the record alone follows."""
    kind, before = KINDS[present.kind], dict(change.before or {})
    after = {**before, name: False}
    steps = kind.update(present.identity, before, after)
    seen = learned(kind, record.attributes, before, (name,) if steps else ())
    return replace(
        change,
        action=Action.UPDATE if steps else Action.NO_OP,
        reason=reason,
        after=after,
        attributes=(name,) if steps else (),
        steps=steps,
        effect=Effect(attributes=seen) if seen else None,
        note=note,
    )


def _last(situation: Situation, change: Change, record: Record, present: Present, period: int) -> Change:
    """Return the deletion, where it is due; else nothing to do, and until when."""
    before = dict(change.before or {})
    seen = learned(KINDS[present.kind], record.attributes, before)
    effect = Effect(attributes=seen) if seen else None
    waiting = None if change.address in situation.in_use else _waiting(change, present, period, situation.now)
    if waiting is not None:
        return replace(change, action=Action.NO_OP, reason=Reason.STAGED_WAITING, effect=effect, note=waiting)
    return replace(
        change,
        reason=Reason.STAGED_SCHEDULE,
        steps=(
            *owner_steps(situation, change.address, present, "restored"),
            *KINDS[present.kind].delete(present.identity, before),
        ),
        effect=effect,
        note=_SCHEDULE.format(days=before["deletion_window"]),
    )


def _waiting(change: Change, present: Present, period: int, now: datetime) -> str | None:
    """Say what the key waits for; None where it has been unused for long enough."""
    known = usage(present)
    since = known.quiet_since
    if since is None:
        return (
            "disabled; when it was last used is not known, which counts as used. If nobody needs it, "
            f"--allow-in-use {change.address} schedules its deletion"
        )
    due = later(since, period)
    if due <= now:
        return None
    seen = f"last used {since.date()}" if known.last else f"its use is tracked since {since.date()}"
    when = f"unused for {format_duration(period)} from {due:%Y-%m-%dT%H:%M:%SZ} on"
    return f"disabled; {seen}; {when}, when an apply schedules its deletion"
