"""What falls due for machines. The form is `schemas/due.json`; `kmsplan.inventory.schema` makes it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from kmsplan.inventory.due import DueKind
from kmsplan.inventory.schema import DUE_VERSION
from kmsplan.report.document import document
from kmsplan.report.inventory_fields import moment

if TYPE_CHECKING:
    from kmsplan.inventory.due import DueReport
    from kmsplan.report.scene import Scene


def due_json(report: DueReport, scene: Scene) -> str:
    """Return what falls due as one JSON document."""
    found = Counter(due.kind for due in report.due)
    return document(
        DUE_VERSION,
        {
            "time": moment(scene.now),
            "until": moment(report.until),
            "environment": report.environment,
            "due": [
                {
                    "at": moment(due.at),
                    "kind": due.kind.value,
                    "overdue": due.overdue(scene.now),
                    "address": due.address or None,
                    "identity": due.identity or None,
                    "summary": due.summary,
                    "remedy": due.remedy,
                }
                for due in report.due
            ],
            "untold": report.untold,
            "summary": {kind.value: found[kind] for kind in DueKind},
        },
    )
