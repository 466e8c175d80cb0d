"""The last touches of a plan: what it relies on gets a digest, what it cannot know yet is named."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from kmsplan.plan.digest import object_digest
from kmsplan.plan.plan import Action, Change, Reason
from kmsplan.resource.address import kind_of
from kmsplan.resource.kinds import REFERENCES, dependencies
from kmsplan.resource.value import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kmsplan.plan.plan import Unchanged
    from kmsplan.plan.situation import Situation
    from kmsplan.resource.address import Address

_MADE: Final = frozenset({Action.CREATE, Action.REPLACE})


def pin(
    changes: Mapping[Address, Change], unchanged: Iterable[Unchanged], situation: Situation
) -> tuple[tuple[Change, ...], list[Unchanged]]:
    """Return the changes sorted, with digests and unknown names, and the unchanged objects that nothing relies on.

    An unchanged object that a change refers to is listed as a no-op with its digest, so that apply can see it move.
    """
    active = [change for change in changes.values() if change.active]
    relied = {target for change in active for target in dependencies(change.address, change.after or {})}
    made = {change.address for change in active if change.action in _MADE and kind_of(change.address) != "alias"}
    pinned = [
        _finished(change, made, situation) if change.active or change.address in relied else change
        for change in changes.values()
    ]
    rest = []
    for one in unchanged:
        if one.address in relied:
            pinned.append(_relied(one, situation))
        else:
            rest.append(one)
    return tuple(sorted(pinned, key=lambda change: change.address)), rest


def _finished(change: Change, made: set[Address], situation: Situation) -> Change:
    return replace(
        change,
        digest=_digest(change.identity, situation) if change.identity else None,
        unknown=_unknown(change, made),
    )


def _unknown(change: Change, made: set[Address]) -> tuple[str, ...]:
    if change.after is None:
        return ()
    references = [name for name in REFERENCES[kind_of(change.address)] if change.after.get(name) in made]
    return (*(("identity",) if change.address in made else ()), *references)


def _relied(one: Unchanged, situation: Situation) -> Change:
    return Change(
        address=one.address,
        action=Action.NO_OP,
        reason=Reason.UNCHANGED,
        identity=one.identity,
        before=one.attributes,
        after=one.attributes,
        digest=_digest(one.identity, situation),
    )


def _digest(identity: str, situation: Situation) -> str:
    return object_digest(situation.objects.get(identity) or situation.others.get(identity) or ABSENT)
