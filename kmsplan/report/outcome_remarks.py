"""What an apply has to say: what was not done, or is not known to be."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.apply.outcome import ResultStatus
from kmsplan.report.headline import complete, outcome_headline
from kmsplan.report.remark import Fingerprints, Level, Remark, Remarks, Rule, rules_of, worst_first
from kmsplan.resource.address import Address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kmsplan.apply.outcome import Outcome, Result
    from kmsplan.report.scene import Scene

_AGAIN: Final = "Run kmsplan apply again: what was done is recorded, not repeated."
RULES: Final[Mapping[ResultStatus, Rule]] = MappingProxyType(
    {
        status: Rule(id=f"apply-{status.value.replace('_', '-')}", title=title, help=advice, level=level)
        for status, title, advice, level in (
            (ResultStatus.FAILED, "A change failed", f"Remove the cause. {_AGAIN}", Level.ERROR),
            (
                ResultStatus.IN_DOUBT,
                "A change is in doubt",
                "Run kmsplan apply again: before anything else it asks the KMS whether it was carried out.",
                Level.ERROR,
            ),
            (ResultStatus.REVERTED, "A change was undone", f"Another one failed. {_AGAIN}", Level.WARNING),
            (ResultStatus.SKIPPED, "A change was skipped", f"What it depends on was not done. {_AGAIN}", Level.WARNING),
            (ResultStatus.CANCELLED, "A change was cancelled", _AGAIN, Level.WARNING),
        )
    }
)
STATE: Final = Rule(
    id="apply-state",
    title="The state was not written",
    help="What was done is in the journal; the next run puts it into the state.",
    level=Level.ERROR,
)
LEFT: Final = Rule(
    id="apply-left",
    title="A change was not undone",
    help="The run was to be reverted, and this stays as it is. Run kmsplan plan to see what it means.",
    level=Level.WARNING,
)


def outcome_remarks(outcome: Outcome, scene: Scene) -> Remarks:
    """Return everything that an apply did not do."""
    found = worst_first(_found(outcome, scene))
    return Remarks(
        title="kmsplan apply",
        headline=outcome_headline(outcome),
        clean=complete(outcome) and not found,
        rules=rules_of(found),
        found=found,
    )


def result_words(result: Result) -> str:
    """Return what became of one change, and why."""
    steps = f" after {result.done} of {result.planned} operations" if result.done else ""
    parts = [f"{result.address}: {result.action.value} {result.status.value.replace('_', ' ')}{steps}"]
    parts += [part for part in (result.error, result.left) if part]
    return "; ".join(parts)


def _found(outcome: Outcome, scene: Scene) -> Iterator[Remark]:
    prints = Fingerprints()

    def remark(rule: Rule, subject: str, message: str) -> Remark:
        return Remark(
            rule=rule,
            level=rule.level,
            subject=subject,
            message=message,
            span=scene.places.get(Address(subject)),
            fingerprint=prints.of(rule.id, subject),
        )

    if outcome.error is not None:
        yield remark(STATE, "", f"{outcome.error.summary} ({outcome.error.code}). {outcome.error.remedy}")
    for settled in outcome.unsettled:
        pending = settled.pending
        words = f"{pending.operation} of {pending.address}, from an earlier run: {settled.note}"
        yield remark(RULES[ResultStatus.IN_DOUBT], pending.address, words)
    for result in outcome.results:
        if result.status is not ResultStatus.DONE:
            yield remark(RULES[result.status], result.address, result_words(result))
        elif result.left:
            yield remark(LEFT, result.address, result_words(result))
