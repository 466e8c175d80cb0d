"""`kmsplan apply --json`: one JSON object per line, in Terraform's form; the last one is always a change_summary."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan import __version__
from kmsplan.apply.event import EventKind
from kmsplan.apply.outcome import ResultStatus
from kmsplan.report.document import line
from kmsplan.report.outcome_text import done_counts
from kmsplan.report.plan_json import ACTIONS
from kmsplan.resource.address import kind_of, name_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from kmsplan.apply.event import Event
    from kmsplan.apply.outcome import Outcome
    from kmsplan.plan.plan import Change, Plan

UI_VERSION: Final = "1.0"

_REVERTED: Final = ("apply_reverted", "warn")
_KEPT: Final = ("apply_kept", "warn")
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


def version_line(time: datetime) -> str:
    """Return the first line of a stream."""
    return _line(time, "version", f"kmsplan {__version__}", kmsplan=__version__, ui=UI_VERSION)


def planned_lines(plan: Plan, time: datetime) -> str:
    """Return one line for each change that will be made or is blocked."""
    shown = (change for change in plan.changes if change.active or change.blocked is not None)
    return "".join(
        _line(
            time,
            "planned_change",
            f"{change.address}: plan to {change.action.value}",
            change={
                "resource": _resource(change),
                "action": change.action.value,
                "actions": list(ACTIONS[change.action]),
                "reason": change.reason.value,
                "blocked": change.blocked,
            },
        )
        for change in shown
    )


def event_line(event: Event, time: datetime) -> str:
    """Return the line of one piece of progress."""
    change, result = event.change, event.result
    hook: dict[str, Any] = {"resource": _resource(change), "action": change.action.value}
    if event.kind is EventKind.STARTED:
        return _line(time, "apply_start", f"{change.address}: {change.action.value}", hook=hook)
    if event.kind is EventKind.RETRYING or result is None:
        return _line(time, "apply_progress", f"{change.address}: {event.message}", "warn", hook=hook)
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
    return _line(time, type_, f"{message}: {result.error}" if result.error else message, level, hook=hook)


def diagnostic_line(time: datetime, summary: str, detail: str = "", *, code: str = "", address: str = "") -> str:
    """Return the line of an error that belongs to no change under way."""
    diagnostic = {
        "severity": "error",
        "summary": summary,
        "detail": detail,
        "code": code or None,
        "address": address or None,
    }
    return _line(time, "diagnostic", f"Error: {summary}", "error", diagnostic=diagnostic)


def summary_line(outcome: Outcome | None, time: datetime, *, operation: str = "apply") -> str:
    """Return the last line. Without an outcome nothing was begun, and the line says so with zeros."""
    counts = done_counts(outcome) if outcome else {"added": 0, "changed": 0, "destroyed": 0}
    undone = {status.value: len(outcome.of(status)) if outcome else 0 for status in _FINISHED}
    done = undone.pop(ResultStatus.DONE.value)
    message = f"{counts['added']} added, {counts['changed']} changed, {counts['destroyed']} destroyed"
    changes = {
        "add": counts["added"],
        "change": counts["changed"],
        "remove": counts["destroyed"],
        "operation": operation,
        "done": done,
        **undone,
        "unsettled": len(outcome.unsettled) if outcome else 0,
    }
    return _line(time, "change_summary", f"Resources: {message}.", changes=changes)


def _resource(change: Change) -> dict[str, str]:
    return {
        "addr": change.address,
        "resource_type": kind_of(change.address),
        "resource_name": name_of(change.address),
    }


def _line(time: datetime, type_: str, message: str, level: str = "info", **fields: Any) -> str:
    return line(
        {
            "@level": level,
            "@message": message,
            "@module": "kmsplan",
            "@timestamp": time.isoformat(),
            "type": type_,
            **fields,
        }
    )
