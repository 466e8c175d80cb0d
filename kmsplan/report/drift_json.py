"""Drift for machines. The form is `schemas/drift.json`; `kmsplan.drift.schema` makes it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from kmsplan.drift.schema import FORMAT_VERSION
from kmsplan.plan.schema import KINDS_OF_DRIFT
from kmsplan.report.document import document

if TYPE_CHECKING:
    from kmsplan.config.configuration import Waiver
    from kmsplan.drift.report import Cause, DriftReport, Finding
    from kmsplan.plan.plan import Drift
    from kmsplan.report.scene import Scene


def drift_json(report: DriftReport, scene: Scene) -> str:
    """Return drift as one JSON document."""
    found = Counter(finding.drift.kind for finding in report.findings)
    return document(
        FORMAT_VERSION,
        {
            "checked": report.checked,
            "day": report.day.isoformat() if report.day else None,
            "drift": [_finding(one, scene) for one in report.findings],
            "waived": [_finding(one, scene) for one in report.waived],
            "unused_waivers": [_waiver(one, scene) for one in report.unused],
            "coverage": {
                "managed_keys": report.managed_keys,
                "unmanaged_keys": report.unmanaged_keys,
                "percent": None if report.coverage is None else round(100 * report.coverage, 1),
            },
            "summary": {**{kind: found[kind] for kind in KINDS_OF_DRIFT}, "waived": len(report.waived)},
        },
    )


def drift_entry(drift: Drift) -> dict[str, Any]:
    """Return one object's drift; `resource_drift[]` of a plan has the same form."""
    return {
        "address": drift.address or None,
        "identity": drift.identity,
        "kind": drift.kind,
        "detail": drift.detail or None,
        "attributes": [
            {
                "name": attribute.name,
                "recorded": attribute.recorded,
                "observed": attribute.observed,
                "desired": attribute.desired,
            }
            for attribute in drift.attributes
        ],
    }


def _finding(finding: Finding, scene: Scene) -> dict[str, Any]:
    entry = drift_entry(finding.drift)
    return {
        **entry,
        "attributes": [{**one, "verdict": finding.verdicts[one["name"]]} for one in entry["attributes"]],
        "fingerprint": finding.fingerprint,
        "cause": _cause(finding.cause) if finding.cause else None,
        "first_seen": finding.first_seen,
        "waiver": _waiver(finding.waiver, scene) if finding.waiver else None,
    }


def _cause(cause: Cause) -> dict[str, str]:
    return {
        "actor": cause.actor,
        "time": cause.time,
        "action": cause.action,
        "request_id": cause.request_id,
        "source": cause.source,
    }


def _waiver(waiver: Waiver, scene: Scene) -> dict[str, Any]:
    return {
        "address": waiver.address,
        "attribute": waiver.attribute,
        "owner": waiver.owner,
        "reason": waiver.reason,
        "expires": waiver.expires.isoformat(),
        "place": f"{scene.path(waiver.span)}:{waiver.span.line}",
    }
