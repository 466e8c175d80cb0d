"""`kmsplan apply --json`: one JSON object per line, in Terraform's form.

Lines are numbered from 1 without a gap, and the last one is a change_summary, whatever happens: a reader that has
seen another one last knows that something is missing.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan import __version__
from kmsplan.apply.event import EventKind
from kmsplan.apply.outcome import ResultStatus
from kmsplan.plan.plan import Action
from kmsplan.report.diagnostics_json import diagnostic_object
from kmsplan.report.document import line
from kmsplan.report.outcome_text import done_counts
from kmsplan.report.plan_json import actions_of
from kmsplan.resource.address import kind_of, name_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from kmsplan.apply.event import Event
    from kmsplan.apply.outcome import Outcome
    from kmsplan.config.diagnostic import Diagnostic
    from kmsplan.plan.plan import Change, Plan

UI_VERSION: Final = "1.1"

_REVERTED: Final = ("apply_reverted", "warn")
_KEPT: Final = ("apply_kept", "warn")
_LEVELS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {"error": ("Error", "error"), "warning": ("Warning", "warn")}
)
"""By severity: the word of the message, and the level."""
_FINISHED: Final[Mapping[ResultStatus, tuple[str, str]]] = MappingProxyType(
    {
        ResultStatus.DONE: ("apply_complete", "info"),
        ResultStatus.FAILED: ("apply_errored", "error"),
        ResultStatus.IN_DOUBT: ("apply_errored", "error"),
        ResultStatus.SKIPPED: ("apply_skipped", "warn"),
        ResultStatus.CANCELLED: ("apply_skipped", "warn"),
        ResultStatus.REVERTED: _REVERTED,
    }
)


def event_line(event: Mapping[str, Any], sequence: int, time: datetime) -> str:
    """Return an event as the line of a stream.

    Args:
        event: what one of the functions below has returned.
        sequence: its number, from 1.
        time: aware: when it happened.
    """
    return line({"seq": sequence, "@timestamp": time.isoformat(), **event})


def version_event() -> dict[str, Any]:
    """Return the first event of a stream."""
    return _event("version", f"kmsplan {__version__}", kmsplan=__version__, ui=UI_VERSION)


def planned_events(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield an event for each change that will be made or is blocked, and for each rule or brake that refuses."""
    for change in plan.changes:
        if not change.active and change.blocked is None:
            continue
        yield _event(
            "planned_change",
            f"{change.address}: plan to {change.action.value}",
            change={
                "resource": _resource(change),
                "action": change.action.value,
                "actions": actions_of(change),
                "reason": change.reason.value,
                "blocked": change.blocked,
            },
        )
    for violation in plan.violations:
        yield error_event(violation.summary, violation.detail, code=violation.code, address=violation.address)


def progress_event(event: Event) -> dict[str, Any]:
    """Return the event of one piece of progress."""
    change, result = event.change, event.result
    hook: dict[str, Any] = {"resource": _resource(change), "action": change.action.value}
    if event.kind is EventKind.STARTED:
        return _event("apply_start", f"{change.address}: {change.action.value}", hook=hook)
    if event.kind is EventKind.RETRYING or result is None:
        return _event("apply_progress", f"{change.address}: {event.message}", "warn", hook=hook)
    type_, level = _FINISHED[result.status]
    if event.kind is EventKind.REVERTED:
        type_, level = _REVERTED if result.undone else _KEPT
    hook |= {
        "status": result.status.value,
        "id_value": result.identity,
        "operations": {"done": result.done, "planned": result.planned, "undone": result.undone},
        "left": result.left,
        "elapsed_seconds": round(result.elapsed, 3),
        "error": result.error,
        "code": result.code,
    }
    message = f"{change.address}: {change.action.value} {result.status.value.replace('_', ' ')}"
    return _event(type_, f"{message}: {result.error}" if result.error else message, level, hook=hook)


def error_event(
    summary: str, detail: str = "", *, code: str | None = None, address: str | None = None
) -> dict[str, Any]:
    """Return the event of an error that belongs to no change under way."""
    return _diagnostic("error", summary, detail, code=code, address=address)


def warning_event(summary: str, detail: str = "") -> dict[str, Any]:
    """Return the event of something that stops nothing, and that somebody should know."""
    return _diagnostic("warning", summary, detail)


def problem_event(problem: Diagnostic) -> dict[str, Any]:
    """Return the event of a problem of the configuration, with its place."""
    word, level = _LEVELS[problem.severity]
    return _event("diagnostic", f"{word}: {problem.summary}", level, diagnostic=diagnostic_object(problem))


def ended_events(outcome: Outcome) -> Iterator[dict[str, Any]]:
    """Yield an event for whatever has gone wrong beside the changes."""
    for settled in outcome.unsettled:
        pending = settled.pending
        summary = f"{pending.operation} of {pending.address}, from an earlier run, is in doubt"
        yield error_event(summary, settled.note, address=pending.address)
    if outcome.unreverted:
        yield warning_event("Nothing was reverted", outcome.unreverted)
    if outcome.error is not None:
        yield error_event(outcome.error.summary, outcome.error.remedy, code=outcome.error.code)


def summary_event(outcome: Outcome | None, *, operation: str = "apply") -> dict[str, Any]:
    """Return the last event. Without an outcome nothing was begun, and it says so with zeros."""
    counts = done_counts(outcome) if outcome else {"added": 0, "changed": 0, "destroyed": 0}
    undone = {status.value: len(outcome.of(status)) if outcome else 0 for status in _FINISHED}
    done = undone.pop(ResultStatus.DONE.value)
    message = f"{counts['added']} added, {counts['changed']} changed, {counts['destroyed']} destroyed"
    changes = {
        "add": counts["added"],
        "change": counts["changed"],
        "remove": counts["destroyed"],
        "import": sum(result.action is Action.ADOPT for result in outcome.done) if outcome else 0,
        "operation": operation,
        "done": done,
        **undone,
        "unsettled": len(outcome.unsettled) if outcome else 0,
    }
    return _event("change_summary", f"Resources: {message}.", changes=changes)


def _resource(change: Change) -> dict[str, str]:
    return {
        "addr": change.address,
        "resource_type": kind_of(change.address),
        "resource_name": name_of(change.address),
    }


def _diagnostic(
    severity: str, summary: str, detail: str, *, code: str | None = None, address: str | None = None
) -> dict[str, Any]:
    word, level = _LEVELS[severity]
    diagnostic = {
        "severity": severity,
        "code": code,
        "summary": summary,
        "detail": detail,
        "address": address,
        "range": None,
        "snippet": None,
    }
    return _event("diagnostic", f"{word}: {summary}", level, diagnostic=diagnostic)


def _event(type_: str, message: str, level: str = "info", **fields: Any) -> dict[str, Any]:
    return {"@level": level, "@message": message, "@module": "kmsplan", "type": type_, **fields}
