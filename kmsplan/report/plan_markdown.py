"""A plan as a comment on a merge request, or as a job's summary: what is dangerous first, the whole plan folded.

It gets shorter in stages where it would be too long: everything; without the attributes that stay as they are; names of
attributes alone; addresses by risk; counts. Each stage shows whole objects, and says how many are left out.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from kmsplan.plan.plan import Action, Reason
from kmsplan.plan.planfile import digest
from kmsplan.report.drift_diff import drift_diff
from kmsplan.report.escape import escape
from kmsplan.report.fitting import COMMENT, SUMMARY, all_of, size, some_of
from kmsplan.report.headline import number, plan_headline, plan_quiet
from kmsplan.report.markdown_page import closing, declared_at, environment_fact, one_line, opening
from kmsplan.report.markdown_text import code, details, fenced, head, prose, row
from kmsplan.report.plan_diff import Detail, change_diff
from kmsplan.report.plan_text import heading
from kmsplan.report.risk import Risk, risky
from kmsplan.resource.address import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kmsplan.plan.plan import Change, Drift, Plan, Violation
    from kmsplan.report.fitting import Medium
    from kmsplan.report.risk import Risky
    from kmsplan.report.scene import Scene

_STAGES: Final = (
    (Detail.WHOLE, ""),
    (Detail.DIFFERING, ", without attributes that stay as they are"),
    (Detail.NAMES, ", attribute names only"),
)
_FRAME: Final = 1000
"""Bytes that fences, summaries and the words about what is left out may take."""
_STOPPING: Final = (Risk.DESTROY, Risk.DISABLE, Risk.EXPIRE, Risk.REPLACE)
_WAITING: Final = {
    Reason.WAITING: "waits for its deletion",
    Reason.GRACE: "is kept after its replacement, until its grace ends",
    Reason.STAGED_WAITING: "is destroyed in stages, and waits",
}


def plan_markdown(plan: Plan, scene: Scene) -> str:
    """Return a plan as a comment of less than 60,000 characters."""
    return _page(plan, scene, COMMENT)


def plan_summary(plan: Plan, scene: Scene) -> str:
    """Return a plan as a job's summary of less than 1 MiB."""
    return _page(plan, scene, SUMMARY)


def _page(plan: Plan, scene: Scene, medium: Medium) -> str:
    title, headline = "kmsplan plan", plan_headline(plan)
    if plan_quiet(plan):
        return one_line("plan", title, headline, plan.environment, medium)
    share = medium.limit // 5
    top = opening("plan", title, headline, plan.environment, medium)
    top += _held(plan.violations, scene, share) + _risks(risky(plan.changes), scene, share)
    noticed = [drift for drift in plan.drift if drift.kind != "unmanaged"]
    top += _noticed(noticed, share) + _waiting(plan, share // 4)
    bottom = closing(_next(plan), (*environment_fact(plan.environment), f"state serial {plan.serial}"))
    room = medium.limit - size(top) - size(bottom) - _FRAME
    return top + _changes(plan, room) + bottom


def _held(violations: Sequence[Violation], scene: Scene, room: int) -> str:
    if not violations:
        return ""
    lines = (_violation(one, scene) for one in violations)
    left = some_of(lines, len(violations), room, lambda more: f"- {more} more\n")
    return f"**Held back.** Nothing is applied while these hold:\n\n{left}\n"


def _violation(violation: Violation, scene: Scene) -> str:
    where = f" {code(violation.address)}{declared_at(violation.address, scene)}" if violation.address else ""
    return f"- **{prose(violation.code)}**{where} {prose(violation.summary)}: {prose(violation.detail)}\n"


def _risks(found: Sequence[Risky], scene: Scene, room: int) -> str:
    if not found:
        return ""
    rows = (_risk(one, scene) for one in found)
    table = some_of(rows, len(found), room, lambda more: row(["", f"{more} more", "", ""]))
    return f"{head(('risk', 'object', 'what happens', 'who would notice'))}{table}\n"


def _risk(one: Risky, scene: Scene) -> str:
    change = one.change
    note = f"; {prose(change.note)}" if change.note else ""
    noticed = "<br>".join(map(prose, one.consequences))
    return row(
        (
            f"**{one.risk.value}**",
            f"{code(change.address)}{declared_at(change.address, scene)}",
            f"{one.words}{note}",
            noticed or ("not known" if one.risk in _STOPPING else ""),
        )
    )


def _noticed(drift: Sequence[Drift], room: int) -> str:
    if not drift:
        return ""
    told = some_of(map(drift_diff, drift), len(drift), room, lambda more: f"# {more} more\n")
    summary = f"{number(len(drift), 'object has', 'objects have')} changed outside of kmsplan"
    return details(summary, fenced("diff", told)) + "\n"


def _waiting(plan: Plan, room: int) -> str:
    """Objects that nobody asks for and that nothing is to be done about; silence would look like absence."""
    found = [change for change in plan.changes if change.reason in _WAITING and not change.steps]
    lines = (f"- {code(change.address)} {_WAITING[change.reason]}\n" for change in found)
    return some_of(lines, len(found), room, lambda more: f"- {more} more wait\n") + ("\n" if found else "")


def _changes(plan: Plan, room: int) -> str:
    shown = [change for change in plan.changes if change.active or change.blocked is not None]
    if not shown:
        return ""
    title = f"Show the plan: {number(len(shown), 'change', 'changes')}"
    for detail, words in _STAGES:
        body = all_of((change_diff(change, detail) for change in shown), room)
        if body is not None:
            return details(title + words, fenced("diff", body)) + "\n"
    counted = _counts(shown)
    lines = _by_risk(shown)
    body = some_of(lines, len(shown), room - size(counted), lambda more: f"  {more} more are not listed\n")
    return details(f"{title}, addresses only", counted + fenced("diff", body)) + "\n"


def _counts(changes: Sequence[Change]) -> str:
    """Return a table of how many objects of each kind have each action."""
    found = Counter((kind_of(change.address), _word(change)) for change in changes)
    actions = sorted({action for _, action in found})
    kinds = sorted({kind for kind, _ in found})
    rows = (row((prose(kind), *(str(found[kind, action] or "") for action in actions))) for kind in kinds)
    return f"{head(('kind', *actions))}{''.join(rows)}\n"


def _word(change: Change) -> str:
    return change.action.value if change.blocked is None else "blocked"


def _by_risk(changes: Sequence[Change]) -> Iterator[str]:
    """Yield a line for each change: what is risky, then what is blocked, then the rest."""
    first = [one.change for one in risky(changes)]
    known = {change.address for change in first}
    rest = [change for change in changes if change.address not in known]
    rest.sort(key=lambda change: (change.blocked is None, change.action is Action.CREATE))
    yield from (
        change_diff(change, Detail.NAMES) if change.blocked is None else _blocked(change) for change in (*first, *rest)
    )


def _blocked(change: Change) -> str:
    return f"# {escape(change.address)} {heading(change)}, blocked\n"


def _next(plan: Plan) -> Iterator[str]:
    made = f"sha256:{digest(plan)}"
    if any(not violation.brake for violation in plan.violations):
        yield "Change the configuration as said above, and plan again."
    elif plan.violations:
        yield "Where it is wanted all the same, plan again with the flags named above."
    elif plan.applyable:
        yield f"To carry out exactly this: <code>kmsplan apply --digest {made}</code>"
        if any(change.action is Action.DELETE for change in plan.effective):
            yield "Until a key's window ends its deletion can be undone: declare it again."
    if not plan.complete:
        yield "This is part of a plan: targets, excludes or blocked changes left something out."
