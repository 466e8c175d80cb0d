"""What an apply has done, for people."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.apply.outcome import ResultStatus
from kmsplan.plan.plan import Action
from kmsplan.report.counts import ADDED, CHANGED, DESTROYED
from kmsplan.report.escape import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kmsplan.apply.outcome import Outcome, Result
    from kmsplan.report.scene import Scene
    from kmsplan.report.style import Style

_TITLES: Final[Mapping[ResultStatus, str]] = MappingProxyType(
    {
        ResultStatus.FAILED: "failed",
        ResultStatus.IN_DOUBT: "is in doubt",
        ResultStatus.CANCELLED: "was cancelled",
        ResultStatus.SKIPPED: "was skipped",
        ResultStatus.REVERTED: "was reverted",
    }
)
_QUIET: Final = (ResultStatus.SKIPPED, ResultStatus.CANCELLED, ResultStatus.REVERTED)
_NEXT: Final[Mapping[ResultStatus, str]] = MappingProxyType(
    {
        ResultStatus.FAILED: "Remove the cause and run kmsplan apply again: what was done is recorded, not repeated.",
        ResultStatus.IN_DOUBT: "Run kmsplan apply again: before anything else it asks the KMS whether an operation in "
        "doubt was carried out.",
        ResultStatus.CANCELLED: "Run kmsplan apply again for the rest: what was done is recorded.",
    }
)


def outcome_text(outcome: Outcome, scene: Scene) -> str:
    """Return what was done, what was not and why, and what to do next."""
    return "".join(f"{line}\n" for line in _lines(outcome, scene.style))


def done_counts(outcome: Outcome) -> dict[str, int]:
    """Return how many objects were added, changed and destroyed; what was adopted and changed is a change, too."""
    actions = [result.action for result in outcome.done]
    return {
        "added": sum(action in ADDED for action in actions),
        "changed": sum(result.action in CHANGED or result.adopted_and_changed for result in outcome.done),
        "destroyed": sum(action in DESTROYED for action in actions),
    }


def complete(outcome: Outcome) -> bool:
    """Return whether everything was done, and is in the state."""
    return len(outcome.done) == len(outcome.results) and not outcome.unsettled and outcome.error is None


def next_steps(outcome: Outcome) -> tuple[str, ...]:
    """Return what to do about what was not done."""
    statuses = {result.status for result in outcome.results}
    statuses |= {ResultStatus.IN_DOUBT} if outcome.unsettled else set()
    return tuple(words for status, words in _NEXT.items() if status in statuses)


def _lines(outcome: Outcome, style: Style) -> Iterator[str]:
    undone = [result for result in outcome.results if result.status is not ResultStatus.DONE]
    for result in undone:
        yield from _undone(result, style)
    for result in outcome.done:
        if result.left:
            what = style.yellow(f"{result.action.value} stays:")
            yield f"{what} {style.bold(escape(result.address))}{_known(result)}: {escape(result.left)}"
    if outcome.unreverted:
        yield f"{style.error('Nothing was reverted:')} {escape(outcome.unreverted)}."
    for settled in outcome.unsettled:
        pending = settled.pending
        what = f"{escape(pending.operation)} of {escape(pending.address)}"
        yield f"{style.error('In doubt:')} {what}, from an earlier run"
        yield f"  {escape(settled.note)}"
    if outcome.error is not None:
        yield f"{style.error('Error:')} {escape(outcome.error.summary)} ({outcome.error.code})"
        yield f"  {escape(outcome.error.remedy)}"
        yield "  What was done is in the journal; the next run puts it into the state."
    resources = ", ".join(f"{number} {word}" for word, number in done_counts(outcome).items())
    if complete(outcome):
        yield style.bold(style.green(f"Apply complete! Resources: {resources}."))
    else:
        yield style.bold(style.red(f"Apply incomplete. Resources: {resources}."))
    also = _also(outcome)
    if also:
        yield f"Also: {also}."
    yield from next_steps(outcome)


def _undone(result: Result, style: Style) -> Iterator[str]:
    title = _TITLES[result.status]
    mark = style.yellow if result.status in _QUIET else style.error
    steps = f" after {result.done} of {result.planned} operations" if result.done else ""
    yield f"{mark(f'{result.action.value} {title}:')} {style.bold(escape(result.address))}{steps}"
    if result.error:
        yield f"  {escape(result.error)}"
    if result.undone and result.status is not ResultStatus.REVERTED:
        yield f"  {result.undone} of its operations {'was' if result.undone == 1 else 'were'} undone."
    if result.left:
        yield f"  {escape(result.left)}"


def _known(result: Result) -> str:
    return f" ({escape(result.identity)})" if result.identity else ""


def _also(outcome: Outcome) -> str:
    words = {Action.ADOPT: "adopted", Action.FORGET: "forgotten", Action.RESTORE: "restored", Action.NO_OP: "recorded"}
    actions = [result.action for result in outcome.done]
    counted = ((actions.count(action), word) for action, word in words.items())
    return ", ".join(f"{number} {word}" for number, word in counted if number)
