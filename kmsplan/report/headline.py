"""One line for each subject, that says how much and how bad; no text of anybody is in it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from kmsplan.apply.outcome import ResultStatus
from kmsplan.plan.plan import Reason
from kmsplan.plan.schema import KINDS_OF_DRIFT
from kmsplan.policy.report import Severity
from kmsplan.report.counts import counts
from kmsplan.report.drift_text import NO_DRIFT
from kmsplan.report.outcome_text import done_counts
from kmsplan.report.plan_text import NO_CHANGES

if TYPE_CHECKING:
    from kmsplan.apply.outcome import Outcome
    from kmsplan.config.diagnostic import Validation
    from kmsplan.drift.report import DriftReport
    from kmsplan.plan.plan import Plan
    from kmsplan.policy.report import PolicyReport

NOTHING_BROKEN: Final = "No rule is broken."
_UNDONE: Final = tuple(status for status in ResultStatus if status is not ResultStatus.DONE)


def plan_headline(plan: Plan) -> str:
    """Return the counts, and whether anything holds the plan back."""
    held = len(plan.violations)
    refused = f"held back by {number(held, 'rule or brake', 'rules and brakes')}" if held else ""
    if plan.empty:
        return f"No plan: {refused}." if refused else NO_CHANGES
    found = counts(plan.changes)
    parts = [f"{found.add} to add", f"{found.change} to change", f"{found.destroy} to destroy"]
    parts += [f"{count} {words}" for count, words in found.also]
    return f"{', '.join(parts)}{f'; {refused}' if refused else ''}."


def plan_quiet(plan: Plan) -> bool:
    """Whether one line says it all: nothing to do, nothing refused, nothing drifted, nothing left out."""
    waiting = any(change.reason in (Reason.WAITING, Reason.GRACE, Reason.STAGED_WAITING) for change in plan.changes)
    noticed = any(drift.kind != "unmanaged" for drift in plan.drift)
    return plan.empty and not plan.violations and plan.complete and not noticed and not waiting


def drift_headline(report: DriftReport) -> str:
    """Return the counts by kind."""
    found = Counter(finding.drift.kind for finding in report.findings)
    parts = [f"{found[kind]} {kind.replace('_', ' ')}" for kind in KINDS_OF_DRIFT if found[kind]]
    said = f"{', '.join(parts)}." if parts else NO_DRIFT
    return f"{said} {waived(len(report.waived))}".rstrip()


def outcome_headline(outcome: Outcome) -> str:
    """Return what was done, and how much was not."""
    done = ", ".join(f"{count} {word}" for word, count in done_counts(outcome).items())
    undone = [f"{len(outcome.of(status))} {status.value.replace('_', ' ')}" for status in _UNDONE if outcome.of(status)]
    undone += [f"{len(outcome.unsettled)} of earlier runs in doubt"] if outcome.unsettled else []
    undone += ["the state was not written"] if outcome.error is not None else []
    word = "Complete" if complete(outcome) else "Incomplete"
    return f"{word}: {done}{'; ' if undone else ''}{', '.join(undone)}."


def complete(outcome: Outcome) -> bool:
    """Whether all was done and recorded."""
    return len(outcome.done) == len(outcome.results) and not outcome.unsettled and outcome.error is None


def policy_headline(report: PolicyReport) -> str:
    """Return the counts by severity."""
    found = Counter(finding.rule.severity for finding in report.findings)
    rows = ((Severity.ERROR, "error"), (Severity.WARNING, "warning"), (Severity.NOTE, "note"))
    parts = [number(found[severity], word, f"{word}s") for severity, word in rows if found[severity]]
    said = f"{', '.join(parts)}." if parts else NOTHING_BROKEN
    looked = f"{number(len(report.judged), 'rule', 'rules')} over {number(report.objects, 'object', 'objects')}"
    return f"{said} {waived(len(report.waived))}".rstrip() + f" ({looked})"


def validation_headline(validation: Validation) -> str:
    """Return that it is valid, or how many problems there are."""
    errors = validation.errors
    warnings = len(validation.diagnostics) - errors
    also = f" {number(warnings, 'warning', 'warnings')}." if warnings else ""
    if errors:
        return f"The configuration is not valid: {number(errors, 'error', 'errors')}.{also}"
    return f"The configuration is valid: {number(validation.objects, 'object', 'objects')}.{also}"


def number(count: int, one: str, many: str) -> str:
    """Return `1 rule`, `2 rules`."""
    return f"{count} {one if count == 1 else many}"


def waived(count: int) -> str:
    """Return how many a waiver accepts; "" where none."""
    return f"{count} waived." if count else ""
