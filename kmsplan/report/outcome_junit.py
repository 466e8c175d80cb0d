"""An apply as JUnit: one case for each change, with the seconds that it took."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.apply.outcome import ResultStatus
from kmsplan.report.headline import outcome_headline
from kmsplan.report.junit import Case, Verdict, junit
from kmsplan.report.outcome_remarks import STATE, result_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kmsplan.apply.outcome import Outcome, Result
    from kmsplan.report.scene import Scene

VERDICTS: Final[Mapping[ResultStatus, Verdict]] = MappingProxyType(
    {
        ResultStatus.DONE: Verdict.PASSED,
        ResultStatus.FAILED: Verdict.FAILED,
        ResultStatus.IN_DOUBT: Verdict.ERRED,
        ResultStatus.REVERTED: Verdict.SKIPPED,
        ResultStatus.SKIPPED: Verdict.SKIPPED,
        ResultStatus.CANCELLED: Verdict.SKIPPED,
    }
)


def outcome_junit(outcome: Outcome, scene: Scene) -> str:
    """Return one case for each change, each operation of earlier runs in doubt, and a state that was not written."""
    properties = {"environment": scene.environment, "headline": outcome_headline(outcome)}
    return junit("kmsplan apply", _cases(outcome), properties)


def _cases(outcome: Outcome) -> Iterator[Case]:
    error = outcome.error
    if error is not None:
        message = f"{error.summary}. {error.remedy}"
        yield Case(classname="apply", name=STATE.title, verdict=Verdict.ERRED, type=error.code, message=message)
    for settled in outcome.unsettled:
        pending = settled.pending
        yield Case(
            classname="apply",
            name=f"{pending.address}: {pending.operation}, from an earlier run",
            verdict=Verdict.ERRED,
            type="in_doubt",
            message=settled.note,
        )
    yield from map(_result, outcome.results)
    if not (error or outcome.unsettled or outcome.results):
        yield Case(classname="apply", name=outcome_headline(outcome))


def _result(result: Result) -> Case:
    verdict = VERDICTS[result.status]
    return Case(
        classname="apply",
        name=f"{result.address}: {result.action.value}",
        verdict=verdict,
        type=result.code or result.status.value,
        message="" if verdict is Verdict.PASSED else result_words(result),
        seconds=result.elapsed,
    )
