"""A plan for people, in Terraform's habits."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.kms.operation import name_of
from kmsplan.plan.plan import GLYPHS, Action, Change, Reason
from kmsplan.plan.rules import some
from kmsplan.report.blast_text import blast_lines
from kmsplan.report.block_text import differing, head, saying, whole
from kmsplan.report.counts import counts
from kmsplan.report.drift_text import drift_blocks
from kmsplan.report.escape import escape, quote
from kmsplan.report.risk import TITLES, risky
from kmsplan.report.value_text import KNOWN_AFTER_APPLY
from kmsplan.report.violation_text import violation_text
from kmsplan.resource.address import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from kmsplan.plan.plan import Plan
    from kmsplan.report.scene import Scene
    from kmsplan.report.style import Style

_WHOLE: Final = (Action.CREATE, Action.DELETE, Action.FORGET)
"""Shown with all attributes, or when blocked with none."""
NO_CHANGES: Final = "No changes. Your keys match the configuration."

_FEW: Final = 20
"""So many changes are read one by one."""

_LEGEND: Final[Mapping[Action, str]] = MappingProxyType(
    {
        Action.CREATE: "create",
        Action.UPDATE: "update in-place",
        Action.REPLACE: "replace: a successor takes its place, the predecessor is kept",
        Action.DELETE: "destroy; a key's deletion is scheduled and can be undone within its window",
        Action.RESTORE: "restore: cancel a scheduled deletion",
        Action.ADOPT: "adopt what exists already",
        Action.FORGET: "forget: stop managing",
    }
)
_HEADERS: Final[Mapping[tuple[Action, Reason], str]] = MappingProxyType(
    {
        (Action.CREATE, Reason.VANISHED): "has vanished and will be created anew",
        (Action.CREATE, Reason.DELETION_COMPLETED): "will be created anew: the old one's deletion is complete",
        (Action.UPDATE, Reason.DRIFTED): "will be updated in-place: it was changed outside of kmsplan",
        (Action.UPDATE, Reason.MOVED): "has moved, and its owner tag follows",
        (Action.UPDATE, Reason.FOLLOWS): "will be updated in-place: it follows its key's successor",
        (Action.UPDATE, Reason.SUCCEEDED): "will be retired: disabled, and kept",
        (Action.UPDATE, Reason.STAGED_UNPROTECT): "will lose its deletion protection, to be destroyed in stages",
        (Action.UPDATE, Reason.STAGED_DISABLE): "will be disabled, to be destroyed in stages",
        (Action.DELETE, Reason.DESTROY): "will be destroyed, as requested",
        (Action.ADOPT, Reason.IMPORTED): "will be imported",
        (Action.ADOPT, Reason.OWNED): "will be adopted: it exists already, and is this configuration's",
        (Action.ADOPT, Reason.SERVICE): "will be adopted: its service has made it",
        (Action.FORGET, Reason.DELETION_COMPLETED): "is gone: its deletion is complete, and its record is dropped",
        (Action.FORGET, Reason.VANISHED): "is gone, and its record is dropped",
        (Action.NO_OP, Reason.SETTING): "has new settings for kmsplan itself; the KMS is not asked",
        (Action.NO_OP, Reason.MOVED): "refers to what moves; its record follows",
        (Action.NO_OP, Reason.ACCEPTED): "was changed outside of kmsplan to what is declared; its record follows",
        (Action.NO_OP, Reason.STAGED_UNPROTECT): "lost its deletion protection outside of kmsplan; its record follows",
        (Action.NO_OP, Reason.STAGED_DISABLE): "was disabled outside of kmsplan; its record follows",
        (Action.NO_OP, Reason.STAGED_WAITING): "was changed outside of kmsplan; its record follows",
        (Action.NO_OP, Reason.WAITING): "waits for its deletion, which is what is declared; its record follows",
    }
)
_LATER: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.VERSIONS: "More versions later",
        Reason.STAGED_WAITING: "Destroyed in stages",
        Reason.GRACE: "Kept after replacement",
    }
)
"""What time alone will bring."""
_BLOCKED: Final[Mapping[Action, str]] = MappingProxyType(
    {
        Action.CREATE: "would be created",
        Action.UPDATE: "would be updated in-place",
        Action.REPLACE: "would be replaced",
        Action.DELETE: "would be destroyed",
        Action.RESTORE: "would be restored",
        Action.ADOPT: "would be adopted",
        Action.FORGET: "would be forgotten",
        Action.NO_OP: "is left alone",
    }
)
_USUAL: Final[Mapping[Action, str]] = MappingProxyType(
    {
        Action.CREATE: "will be created",
        Action.UPDATE: "will be updated in-place",
        Action.REPLACE: "must be replaced",
        Action.DELETE: "will be destroyed",
        Action.RESTORE: "will be restored",
        Action.ADOPT: "will be adopted",
        Action.FORGET: "will no longer be managed by kmsplan, but will not be destroyed",
        Action.NO_OP: "needs no operation; only its record changes",
    }
)


def plan_text(plan: Plan, scene: Scene) -> str:
    """Return a plan as text: drift, changes, counts, then whatever forbids it."""
    return "".join(f"{line}\n" for line in _lines(plan, scene.style))


def summary_line(plan: Plan) -> str:
    """Return `Plan: N to add, N to change, N to destroy.` and nothing else."""
    found = counts(plan.changes)
    return f"Plan: {found.add} to add, {found.change} to change, {found.destroy} to destroy."


def _lines(plan: Plan, style: Style) -> Iterator[str]:
    noticed = [drift for drift in plan.drift if drift.kind != "unmanaged"]
    if noticed:
        yield style.bold("Note: Objects have changed outside of kmsplan")
        yield ""
        yield from drift_blocks(noticed, style)
    shown = [change for change in plan.changes if change.active or change.blocked is not None]
    if shown:
        yield from _legend(shown, style)
        for change in shown:
            yield from change_lines(change, style)
        yield from _summary(plan, style)
        yield from _risks(shown, style)
    elif plan.violations and not plan.complete:
        yield style.bold("kmsplan made no plan.")
    else:
        yield style.bold(style.green(NO_CHANGES))
    yield from _kept(plan, style)
    for violation in plan.violations:
        yield ""
        yield from violation_text(violation, style)


def _legend(changes: Iterable[Change], style: Style) -> Iterator[str]:
    used = {change.action for change in changes if change.active}
    symbols = [(GLYPHS[action], words) for action, words in _LEGEND.items() if action in used]
    if symbols:
        yield "kmsplan will perform the following actions, indicated with these symbols:"
        yield from (f"{_coloured(glyph, f'{glyph:>3}', style)} {words}" for glyph, words in symbols)
        yield ""


def heading(change: Change) -> str:
    """Return what becomes of the object, as in `will be created`."""
    return _header(change) if change.blocked is None else _BLOCKED[change.action]


def change_lines(change: Change, style: Style, *, unchanged: bool = False) -> Iterator[str]:
    """Yield the lines of one change, an empty one at the end.

    Args:
        change: active or blocked.
        style: how it looks.
        unchanged: whether attributes that stay as they are are shown, and not only counted.
    """
    glyph = GLYPHS[change.action]
    yield f"  # {style.bold(escape(change.address))} {heading(change)}"
    if change.reason is Reason.NOT_IN_CONFIGURATION:
        yield f"  # (because {escape(change.address)} is not in configuration)"
    if change.moved_from and change.reason is not Reason.MOVED:
        yield f"  # (moved from {escape(change.moved_from)})"
    if change.blocked is not None:
        yield f"  # {style.yellow('blocked')}: {escape(change.blocked)}"
    bare = change.blocked is not None and change.action in _WHOLE
    body = [] if bare else list(_body(change, style, unchanged=unchanged))
    if body:
        yield f"{_coloured(glyph, f'{glyph:>3}', style)} {head(change.address)} {{"
        yield from (f"      {line}" for line in body)
        yield "    }"
    if change.steps:
        yield style.dim(f"  # operations: {', '.join(name_of(step.operation) for step in change.steps)}")
    if change.tests:
        yield style.dim(f"  # only after a self-test of {escape(change.tests)}")
    if change.note:
        yield f"  # note: {escape(change.note)}"
    if change.blast is not None:
        yield from (f"  # {escape(line)}" for line in blast_lines(change.blast))
    yield ""


def _header(change: Change) -> str:
    key = kind_of(change.address) in ("key", "default_key")
    if change.action is Action.DELETE and key and change.reason is not Reason.DESTROY:
        return "will be scheduled for deletion"
    if change.action is Action.DELETE and key:
        return "will be scheduled for deletion, as requested"
    if change.moved_from and change.reason is Reason.MOVED:
        along = ", and its owner tag with it" if change.steps else ""
        return f"has been {escape(change.moved_from)}: its record moves{along}"
    return _HEADERS.get((change.action, change.reason), _USUAL[change.action])


def _body(change: Change, style: Style, *, unchanged: bool) -> Iterator[str]:
    kind, before, after = kind_of(change.address), change.before or {}, change.after or {}
    match change.action:
        case Action.CREATE:
            yield from whole(kind, after, "+", style, change.unknown)
        case Action.DELETE:
            yield from whole(kind, {"identity": change.identity, **before}, "-", style)
        case Action.FORGET:
            yield from whole(kind, {"identity": change.identity}, " ", style)
        case _:
            size = max(map(len, ("identity", *change.attributes)))
            yield from _identity(change, size, style)
            forces = change.attributes if change.action is Action.REPLACE else ()
            yield from differing(kind, before, after, change.attributes, style, size, forces, change.unknown)
            same = {name: after[name] for name in saying(kind, after) if name not in change.attributes}
            if change.attributes and same and unchanged:
                yield from whole(kind, same, " ", style)
            elif change.attributes and same:
                yield style.dim(f"  # ({len(same)} unchanged {'attribute' if len(same) == 1 else 'attributes'} hidden)")


def _identity(change: Change, size: int, style: Style) -> Iterator[str]:
    if change.identity is None or not (change.attributes or change.action is Action.ADOPT):
        return
    if change.action is Action.REPLACE:
        yield f"{style.yellow('~')} {'identity':<{size}} = {quote(change.identity)} -> {KNOWN_AFTER_APPLY}"
    else:
        yield f"  {'identity':<{size}} = {quote(change.identity)}"


def _summary(plan: Plan, style: Style) -> Iterator[str]:
    yield style.bold(summary_line(plan))
    also = counts(plan.changes).also
    if also:
        yield f"Also: {', '.join(f'{number} {words}' for number, words in also)}."
    if plan.targets or plan.excludes:
        yield style.yellow("This is part of a plan: targets or excludes left something out.")


def _risks(shown: Sequence[Change], style: Style) -> Iterator[str]:
    """Name the risky changes once more where they may have scrolled away among many that are harmless."""
    if len(shown) <= _FEW:
        return
    for risk, found in groupby(risky(shown), key=attrgetter("risk")):
        yield style.yellow(f"{TITLES[risk]}: {escape(some([one.change.address for one in found], 10))}.")


def _kept(plan: Plan, style: Style) -> Iterator[str]:
    """Objects that nobody asks for and that nothing is to be done about; silence would look like absence."""
    rows: tuple[tuple[str, Reason], ...] = (
        ("Waiting for deletion", Reason.WAITING),
        ("Kept after replacement", Reason.SUCCEEDED),
    )
    for title, reason in rows:
        found: list[Any] = [change.address for change in plan.changes if change.reason is reason and not change.steps]
        if found:
            yield style.dim(f"{title}: {some(found, 10)}.")
    for change in plan.changes:
        if change.reason in _LATER and change.note and not change.steps:
            yield style.dim(f"{_LATER[change.reason]}: {escape(change.address)}: {escape(change.note)}.")


def _coloured(glyph: str, text: str, style: Style) -> str:
    colours = {"+": style.green, "~": style.yellow, "-": style.red, "-/+": style.red}
    return colours.get(glyph, style.cyan)(text)
