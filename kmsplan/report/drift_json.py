"""Drift for machines. The form is `schemas/drift.json`; `kmsplan.drift.schema` makes it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from kmsplan.drift.schema import FORMAT_VERSION
from kmsplan.plan.schema import KINDS_OF_DRIFT
from kmsplan.report.document import document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmsplan.plan.plan import Drift


def drift_json(drift: Sequence[Drift], *, checked: int) -> str:
    """Return drift as one JSON document.

    Args:
        drift: as it was found.
        checked: how many recorded objects were compared.
    """
    found = Counter(one.kind for one in drift)
    return document(
        FORMAT_VERSION,
        {
            "checked": checked,
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
