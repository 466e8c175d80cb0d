"""Drift for machines. The form is `schemas/drift.json`; `kmsplan.drift.schema` makes it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from kmsplan.drift.schema import FORMAT_VERSION
from kmsplan.plan.schema import KINDS_OF_DRIFT
from kmsplan.report.document import document

if TYPE_CHECKING:
    from kmsplan.drift.report import DriftReport
    from kmsplan.plan.plan import Drift
    from kmsplan.report.scene import Scene


def drift_json(report: DriftReport, _: Scene) -> str:
    """Return drift as one JSON document."""
    drift = [finding.drift for finding in report.findings]
    found = Counter(one.kind for one in drift)
    return document(
        FORMAT_VERSION,
        {
            "checked": report.checked,
            "drift": [drift_entry(one) for one in drift],
            "summary": {kind: found[kind] for kind in KINDS_OF_DRIFT},
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
