"""Values for `$GITHUB_OUTPUT`, one a line: numbers, `true` or `false`, and digests, so that nothing needs escaping."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from kmsplan.apply.outcome import ResultStatus, exit_code
from kmsplan.plan.planfile import digest
from kmsplan.plan.schema import KINDS_OF_DRIFT
from kmsplan.policy.report import Severity
from kmsplan.report.counts import counts
from kmsplan.report.headline import complete
from kmsplan.report.outcome_text import done_counts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.apply.outcome import Outcome
    from kmsplan.config.diagnostic import Validation
    from kmsplan.drift.report import DriftReport
    from kmsplan.plan.plan import Plan
    from kmsplan.policy.report import PolicyReport
    from kmsplan.report.scene import Scene


def plan_output(plan: Plan, _: Scene) -> str:
    """Return `changes`, `applyable`, the counts, and the `digest` that `kmsplan apply --digest` takes."""
    found = counts(plan.changes)
    return _lines(
        {
            "changes": not plan.empty,
            "applyable": plan.applyable,
            "complete": plan.complete,
            "add": found.add,
            "change": found.change,
            "destroy": found.destroy,
            "blocked": found.blocked,
            "violations": sum(not violation.brake for violation in plan.violations),
            "brakes": sum(violation.brake for violation in plan.violations),
            "digest": f"sha256:{digest(plan)}",
        }
    )


def drift_output(report: DriftReport, _: Scene) -> str:
    """Return `drift`, and the counts by kind."""
    found = Counter(finding.drift.kind for finding in report.findings)
    kinds = {kind: found[kind] for kind in KINDS_OF_DRIFT}
    return _lines({"drift": bool(report.findings), **kinds, "waived": len(report.waived), "checked": report.checked})


def outcome_output(outcome: Outcome, _: Scene) -> str:
    """Return `complete`, what was done, how much was not and why, and the exit code."""
    undone = {status.value: len(outcome.of(status)) for status in ResultStatus}
    return _lines(
        {
            "complete": complete(outcome),
            **done_counts(outcome),
            **undone,
            "unsettled": len(outcome.unsettled),
            "exitcode": exit_code(outcome),
        }
    )


def policy_output(report: PolicyReport, _: Scene) -> str:
    """Return `refused`, and the counts by severity."""
    found = Counter(finding.rule.severity for finding in report.findings)
    return _lines(
        {
            "refused": report.refused,
            "errors": found[Severity.ERROR],
            "warnings": found[Severity.WARNING],
            "notes": found[Severity.NOTE],
            "waived": len(report.waived),
        }
    )


def validation_output(validation: Validation, _: Scene) -> str:
    """Return `valid`, and the counts."""
    return _lines(
        {
            "valid": validation.valid,
            "errors": validation.errors,
            "warnings": len(validation.diagnostics) - validation.errors,
            "objects": validation.objects,
        }
    )


def _lines(values: Mapping[str, bool | int | str]) -> str:
    return "".join(f"{name}={_word(value)}\n" for name, value in values.items())


def _word(value: bool | int | str) -> str:  # noqa: FBT001 - a value to write, no switch
    return str(value).lower() if isinstance(value, bool) else str(value)
