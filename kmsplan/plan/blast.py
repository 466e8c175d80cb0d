"""The blast radius: what a deletion, a disabling or a replacement may make unreadable, and for whom.

Days, not instants, and powers of ten, not counts: a key that is used while its plan is reviewed makes another plan of
it once a day at most, and hardly ever more often.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from kmsplan.plan.plan import Action, Blast, Change
from kmsplan.plan.usage import usage
from kmsplan.resource.address import Address, kind_of
from kmsplan.resource.material import ends_sooner
from kmsplan.resource.value import Present

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from kmsplan.plan.situation import Situation

KEYS: Final = ("key", "default_key")
CHANGING: Final = (Action.UPDATE, Action.ADOPT)
"""Actions that bring an object that exists to what is desired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Around:
    """What stands around the objects of a KMS, gathered once."""

    pointing: Mapping[str, list[Present]]
    """Aliases, by the identity of the key that they point at."""
    inside: Mapping[str, list[Present]]
    """Keys, by the identity of their instance."""
    recorded: frozenset[str]
    """Identities of the managed aliases."""


def with_blast(changes: tuple[Change, ...], situation: Situation) -> tuple[Change, ...]:
    """Return the changes, those that may make something unreadable with what that is."""
    if not any(_endangers(change) for change in changes):
        return changes
    around = _Around(
        pointing=_by_target(situation, "alias", "key"),
        inside=_by_target(situation, "key", "instance"),
        recorded=frozenset(
            record.identity for record in situation.records.values() if kind_of(record.address) == "alias"
        ),
    )
    return tuple(
        replace(change, blast=_blast(change, situation, around)) if _endangers(change) else change for change in changes
    )


def stops(change: Change) -> bool:
    """Whether a working key stops working, at once or when its material expires."""
    if kind_of(change.address) not in KEYS or change.before is None:
        return False
    return change.action is Action.DELETE or disables(change) or expires(change)


def disables(change: Change) -> bool:
    """Whether a key that exists is disabled: one that is adopted may be in use as much as one that is recorded."""
    before, after = change.before or {}, change.after or {}
    return change.action in CHANGING and before.get("enabled") is True and after.get("enabled") is False


def expires(change: Change) -> bool:
    """Whether a key loses its imported material sooner than it would have."""
    before, after = change.before or {}, change.after or {}
    return change.action in CHANGING and ends_sooner(before.get("imported"), after.get("imported"))


def _endangers(change: Change) -> bool:
    if change.before is None or change.identity is None:
        return False
    kind = kind_of(change.address)
    return stops(change) or (change.action in (Action.DELETE, Action.REPLACE) and (kind in KEYS or kind == "instance"))


def _by_target(situation: Situation, kind: str, reference: str) -> Mapping[str, list[Present]]:
    """Return the objects of one kind that exist, by the identity of what they point at or stand in."""
    found: dict[str, list[Present]] = {}
    for present in _existing(situation):
        if present.kind == kind:
            found.setdefault(str(present.attributes.get(reference)), []).append(present)
    return found


def _existing(situation: Situation) -> Iterable[Present]:
    yield from (found for found in situation.objects.values() if isinstance(found, Present))
    yield from (found for identity, found in situation.others.items() if identity not in situation.objects)


def _blast(change: Change, situation: Situation, around: _Around) -> Blast | None:
    identity, before = str(change.identity), change.before or {}
    if kind_of(change.address) == "instance":
        held = tuple(sorted(_named(situation, found) for found in around.inside.get(identity, ())))
        return Blast(holds=held) if held else None
    aliases = sorted(found.identity for found in around.pointing.get(identity, ()))
    found = situation.objects.get(identity) or situation.others.get(identity)
    known = usage(found)
    return Blast(
        aliases=tuple(alias for alias in aliases if alias in around.recorded),
        unmanaged=tuple(alias for alias in aliases if alias not in around.recorded),
        used_by=tuple(before.get("used_by") or ()),
        last_used=_day(known.last),
        tracked_since=_day(known.tracked),
        versions=found.attributes.get("versions") if isinstance(found, Present) else None,
        encryptions=_rounded(found.computed.get("encryptions")) if isinstance(found, Present) else None,
    )


def _rounded(count: int | None) -> int | None:
    """Round up to a power of ten."""
    return 10 ** len(str(count - 1)) if count and count > 1 else count


def _named(situation: Situation, present: Present) -> str:
    return situation.addresses.get(present.identity, Address(present.identity))


def _day(value: datetime | None) -> str | None:
    return value.date().isoformat() if value else None
