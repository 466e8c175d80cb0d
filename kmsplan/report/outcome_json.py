"""An apply for machines, as one document. The form is `schemas/outcome.json`; `kmsplan.apply.schema` makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kmsplan.apply.outcome import ResultStatus, exit_code
from kmsplan.apply.schema import FORMAT_VERSION
from kmsplan.report.document import document
from kmsplan.report.headline import complete
from kmsplan.report.outcome_text import done_counts
from kmsplan.resource.address import kind_of, name_of

if TYPE_CHECKING:
    from kmsplan.apply.outcome import Outcome, Result
    from kmsplan.apply.settle import Settled
    from kmsplan.report.scene import Scene


def outcome_json(outcome: Outcome, scene: Scene) -> str:
    """Return what became of every change."""
    error = outcome.error
    return document(
        FORMAT_VERSION,
        {
            "environment": scene.environment,
            "complete": complete(outcome),
            "exit_code": exit_code(outcome),
            "elapsed_seconds": round(outcome.elapsed, 3),
            "results": [_result(result) for result in outcome.results],
            "unsettled": [_settled(settled) for settled in outcome.unsettled],
            "error": {"code": error.code, "summary": error.summary, "remedy": error.remedy} if error else None,
            "unreverted": outcome.unreverted or None,
            "summary": {
                **done_counts(outcome),
                "statuses": {status.value: len(outcome.of(status)) for status in ResultStatus},
                "operations": outcome.operations,
            },
        },
    )


def _result(result: Result) -> dict[str, Any]:
    return {
        "address": result.address,
        "type": kind_of(result.address),
        "name": name_of(result.address),
        "identity": result.identity,
        "action": result.action.value,
        "status": result.status.value,
        "operations": {"done": result.done, "planned": result.planned, "undone": result.undone},
        "error": result.error,
        "code": result.code,
        "left": result.left,
        "elapsed_seconds": round(result.elapsed, 3),
    }


def _settled(settled: Settled) -> dict[str, Any]:
    pending = settled.pending
    return {"address": pending.address, "operation": pending.operation, "note": settled.note}
