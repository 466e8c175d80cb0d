"""A policy check for machines. The form is `schemas/policy.json`; `kmsplan.policy.schema` makes it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from kmsplan.policy.report import Severity
from kmsplan.policy.schema import FORMAT_VERSION
from kmsplan.report.document import document

if TYPE_CHECKING:
    from kmsplan.config.configuration import Waiver
    from kmsplan.policy.report import Finding, Judged, PolicyReport
    from kmsplan.report.scene import Scene


def policy_json(report: PolicyReport, scene: Scene) -> str:
    """Return the check as one JSON document."""
    found = Counter(finding.rule.severity for finding in report.findings)
    return document(
        FORMAT_VERSION,
        {
            "checked_at": scene.now.isoformat(timespec="seconds"),
            "environment": scene.environment,
            "objects": report.objects,
            "refused": report.refused,
            "findings": [_finding(one, scene) for one in report.findings],
            "waived": [_finding(one, scene) for one in report.waived],
            "unused_waivers": [_waiver(one) for one in report.unused],
            "rules": [_judged(one) for one in report.judged],
            "summary": {
                **{severity.value: found[severity] for severity in Severity},
                "waived": len(report.waived),
                "skipped": sum(one.skipped for one in report.judged),
            },
        },
    )


def _finding(finding: Finding, scene: Scene) -> dict[str, Any]:
    span = finding.span
    return {
        "rule": finding.rule.id,
        "severity": finding.rule.severity.value,
        "address": finding.address or None,
        "identity": finding.identity or None,
        "message": finding.message,
        "evidence": dict(finding.evidence),
        "where": f"{scene.path(span)}:{span.line}:{span.column}" if span else None,
        "waiver": _waiver(finding.waiver) if finding.waiver else None,
    }


def _waiver(waiver: Waiver) -> dict[str, Any]:
    return {
        "rule": waiver.rule,
        "address": waiver.address,
        "owner": waiver.owner,
        "reason": waiver.reason,
        "expires": waiver.expires.isoformat(),
    }


def _judged(judged: Judged) -> dict[str, Any]:
    rule = judged.rule
    return {
        "id": rule.id,
        "title": rule.title,
        "severity": rule.severity.value,
        "packs": rule.pack.split(", "),
        "clauses": list(rule.clauses),
        "remedy": rule.remedy,
        "held": judged.held,
        "broken": judged.broken,
        "waived": judged.waived,
        "skipped": judged.skipped,
        "unknown": list(judged.unknown),
    }
