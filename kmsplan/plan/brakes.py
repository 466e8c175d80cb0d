"""How much at once: rules that a named flag lets pass, judged when a plan is made and again when it is applied."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from kmsplan.plan.blast import disables, stops
from kmsplan.plan.continuing import deleted
from kmsplan.plan.instances import released
from kmsplan.plan.owning import is_owner_step
from kmsplan.plan.plan import Action, Change, Reason, Violation
from kmsplan.plan.rules import some
from kmsplan.plan.usage import usage
from kmsplan.resource.address import is_retired, kind_of
from kmsplan.resource.value import Present

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from kmsplan.plan.plan import Allowances, Plan
    from kmsplan.resource.value import Observation, Observed

WRONG_NUMBER: Final = "P201"
MASS_KEYS: Final = 10
"""Fewer keys than this are no mass."""
MASS_PERCENT: Final = 30
_LOST: Final = "Recorded keys are gone: if the KMS was restored from an old backup, restore the newest instead. "


def find_brakes(
    plan: Plan, observed: Observed, *, now: datetime, allowances: Allowances, allowed: int = 0
) -> tuple[Violation, ...]:
    """Return the brakes that hold a plan back, each with the exact flag that lets it pass.

    Args:
        plan: with its changes, and with how many keys are recorded and live.
        observed: a reading in which those keys are; aliases that nobody manages count too.
        now: aware; last uses are measured against it.
        allowances: the flags that were given.
        allowed: so many deletions an interrupted run was allowed, of which the plan's are what is left.
    """
    active = plan.effective
    if not active:
        return ()
    return (
        *_deletions(active, allowances, allowed),
        *_mass(active, plan.keys, allowances),
        *_in_use(active, observed, now, allowances),
        *_releases(active, allowances),
    )


def _deletions(changes: Iterable[Change], allowances: Allowances, allowed: int) -> Iterator[Violation]:
    found = deleted(changes)
    if len(found) == allowances.delete or len(found) <= allowances.delete <= allowed:
        return
    expected = f"{allowances.delete} expected" if allowances.delete else "none expected"
    listed = f": {some(found)}" if found else ""
    remedy = f"pass --allow-delete {len(found)}" if found else "leave out --allow-delete"
    yield Violation(
        code=WRONG_NUMBER,
        address=None,
        summary="The number of deletions is not the expected one",
        detail=f"This plan deletes {len(found)} ({expected}){listed}. If that is what you want, {remedy}.",
        brake=True,
    )


def _mass(changes: Iterable[Change], keys: int, allowances: Allowances) -> Iterator[Violation]:
    actions = (Action.UPDATE, Action.REPLACE, Action.DELETE)
    changed = [
        change.address
        for change in changes
        if (change.action in actions or _makes_anew(change))
        and kind_of(change.address) == "key"
        and not is_retired(change.address)
        and not _protects(change)
        and not _marks(change)
    ]
    if allowances.mass or keys < MASS_KEYS or len(changed) * 100 <= keys * MASS_PERCENT:
        return
    yield Violation(
        code="P202",
        address=None,
        summary="Many keys change at once",
        detail=f"This plan updates, deletes or makes anew {len(changed)} of {keys} keys, more than {MASS_PERCENT} %. "
        f"{_LOST if any(map(_makes_anew, changes)) else ''}If that is what you want, pass --allow-mass.",
        brake=True,
    )


def _makes_anew(change: Change) -> bool:
    """Whether it takes the place of a key that is gone: many of them at once look like an old backup of the KMS."""
    return change.action is Action.CREATE and change.reason is Reason.VANISHED


def _protects(change: Change) -> bool:
    """Whether it does no more than turn protection on: what an interrupted apply leaves to do of many new keys."""
    return bool(change.attributes == ("deletion_protection",) and change.after and change.after["deletion_protection"])


def _marks(change: Change) -> bool:
    """Whether it does no more than make the owner tag right: what moving many keys to other addresses comes to."""
    return not change.attributes and bool(change.steps) and all(map(is_owner_step, change.steps))


def _in_use(
    changes: Sequence[Change], observed: Observed, now: datetime, allowances: Allowances
) -> Iterator[Violation]:
    stopped = [change for change in changes if stops(change) and change.address not in allowances.in_use]
    if not stopped:
        return
    aliases = _aliases_after(changes, observed)
    others = {present.identity: present for present in observed.others}
    for change in stopped:
        present = observed.objects.get(str(change.identity)) or others.get(str(change.identity))
        pointing = {*aliases.get(str(change.identity), ()), *aliases.get(change.address, ())}
        uses = [*_alias_use(sorted(pointing)), *_recent_use(change, present, now)]
        if uses:
            yield Violation(
                code="P203",
                address=change.address,
                summary="The key is in use",
                detail=f"This plan would {_stopping(change)}, but {' and '.join(uses)}. "
                f"If that is what you want, pass --allow-in-use {change.address}.{_instead(change)}",
                brake=True,
            )


def _releases(changes: Sequence[Change], allowances: Allowances) -> Iterator[Violation]:
    """Ask for the name of an instance that goes: a number could be meant for another deletion, a name cannot."""
    for change in released(changes):
        if change.address not in allowances.release:
            yield Violation(
                code="P204",
                address=change.address,
                summary="An instance would be released",
                detail=f"This plan would release {change.address} ({change.identity}). The KMS does so at once, and "
                f"nothing brings it back. If that is what you want, pass --allow-release {change.address}.",
                brake=True,
            )


def _stopping(change: Change) -> str:
    if change.action is Action.DELETE:
        return f"delete {change.address}"
    if disables(change):
        return f"disable {change.address}"
    return f"let the material of {change.address} expire at {(change.after or {})['imported']}"


def _instead(change: Change) -> str:
    """Point to the careful way, where a key in use is deleted at once."""
    if change.action is not Action.DELETE or change.reason is not Reason.NOT_IN_CONFIGURATION:
        return ""
    return f" Or let it go in stages: removed: [{{address: {change.address}, destroy: staged}}]."


def _aliases_after(changes: Iterable[Change], observed: Observed) -> dict[str, list[str]]:
    """Return the aliases that point at a key when the plan is done: by its identity, new ones by its address."""
    moving: set[str] = set()
    found: dict[str, list[str]] = {}
    for change in changes:
        if kind_of(change.address) != "alias":
            continue
        if change.action is Action.DELETE or "key" in change.attributes:
            moving.add(str(change.identity))
        if change.action is not Action.DELETE and "key" in change.attributes and change.after is not None:
            found.setdefault(str(change.after["key"]), []).append(str(change.identity))
    for present in (*observed.objects.values(), *observed.others):
        if isinstance(present, Present) and present.kind == "alias" and present.identity not in moving:
            found.setdefault(present.attributes["key"], []).append(present.identity)
    return found


def _alias_use(aliases: Sequence[str]) -> Iterator[str]:
    if aliases:
        verb = "points" if len(aliases) == 1 else "point"
        yield f"{some(aliases)} still {verb} at it"


def _recent_use(change: Change, found: Observation | None, now: datetime) -> Iterator[str]:
    """Where use is not tracked for long enough, nobody knows that the key was not used."""
    both = ((attributes or {}).get("unused_for") for attributes in (change.before, change.after))
    periods = [period for period in both if period]
    if not periods:
        return
    since, known = now - timedelta(seconds=max(periods)), usage(found)
    if known.last is not None:
        if known.last > since:
            yield f"it was last used {_told(found, 'last_used')}, within its unused_for"
    elif known.tracked is None:
        yield "it is not known when it was last used"
    elif known.tracked > since:
        yield f"its use is tracked only since {_told(found, 'tracked_since')}, less than its unused_for"


def _told(found: Observation | None, name: str) -> Any:
    return found.computed[name] if isinstance(found, Present) else None
