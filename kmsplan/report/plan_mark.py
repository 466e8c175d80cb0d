"""How a plan's changes are marked where colours and glyphs tell them apart, and which of them to look at first."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.plan.blast import CHANGING, disables, expires
from kmsplan.plan.plan import GLYPHS, Action
from kmsplan.report.graph import Member
from kmsplan.report.html.page import Mark, Tone
from kmsplan.resource.address import kind_of
from kmsplan.resource.kinds import dependencies

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kmsplan.plan.plan import Change, Plan

BLOCKED: Final = Mark("!", "blocked", Tone.BAD)
SCHEDULE: Final = Mark(GLYPHS[Action.DELETE], "schedule deletion", Tone.BAD)
DISABLE: Final = Mark(GLYPHS[Action.UPDATE], "disable", Tone.BAD)
EXPIRE: Final = Mark(GLYPHS[Action.UPDATE], "expire", Tone.BAD)
UNPROTECT: Final = Mark(GLYPHS[Action.UPDATE], "unprotect", Tone.BAD)
_MARKS: Final[Mapping[Action, Mark]] = MappingProxyType(
    {
        Action.DELETE: Mark(GLYPHS[Action.DELETE], "delete", Tone.BAD),
        Action.REPLACE: Mark(GLYPHS[Action.REPLACE], "replace", Tone.BAD),
        Action.UPDATE: Mark(GLYPHS[Action.UPDATE], "update", Tone.CHANGE),
        Action.RESTORE: Mark(GLYPHS[Action.RESTORE], "restore", Tone.INFO),
        Action.FORGET: Mark(GLYPHS[Action.FORGET], "forget", Tone.CHANGE),
        Action.ADOPT: Mark(GLYPHS[Action.ADOPT], "adopt", Tone.INFO),
        Action.CREATE: Mark(GLYPHS[Action.CREATE], "create", Tone.GOOD),
        Action.NO_OP: Mark("=", "record", Tone.QUIET),
    }
)
_ORDER: Final = (
    SCHEDULE,
    _MARKS[Action.DELETE],
    _MARKS[Action.REPLACE],
    DISABLE,
    EXPIRE,
    UNPROTECT,
    BLOCKED,
    *_MARKS.values(),
)
_RANK: Final = {mark: rank for rank, mark in reversed(list(enumerate(_ORDER)))}


def mark_of(change: Change) -> Mark:
    """Return how a change is marked; one that takes something away from what exists has a mark of its own."""
    if change.blocked is not None:
        return BLOCKED
    if change.action is Action.DELETE and kind_of(change.address) in ("key", "default_key"):
        return SCHEDULE
    if expires(change) and not disables(change):
        return EXPIRE
    if change.action in CHANGING and change.after is not None:
        for name, mark in (("enabled", DISABLE), ("deletion_protection", UNPROTECT)):
            if name in change.attributes and change.after.get(name) is False:
                return mark
    return _MARKS[change.action]


def by_risk(plan: Plan) -> list[tuple[Change, Mark]]:
    """Return the changes that there is something to say about, what takes away before what gives."""
    marked = [(change, mark_of(change)) for change in plan.changes if change.active or change.blocked is not None]
    return sorted(marked, key=lambda one: (_RANK[one[1]], one[0].address))


def members(plan: Plan) -> Iterator[Member]:
    """Yield every object that the plan knows, as members of a graph."""
    for change, mark in by_risk(plan):
        now, before = _parent(change.address, change.after), _parent(change.address, change.before)
        was = before if now is not None and before != now else None
        yield Member(change.address, now or before, mark, was)
    for change in plan.changes:
        yield Member(change.address, _parent(change.address, change.after or change.before))
    for one in plan.unchanged:
        yield Member(one.address, _parent(one.address, one.attributes))


def _parent(address: str, attributes: Mapping[str, object] | None) -> str | None:
    return next(iter(dependencies(address, attributes)), None) if attributes is not None else None  # type: ignore[arg-type]
