"""What differs between two serials, for machines."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from kmsplan.report.document import document
from kmsplan.state.difference import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmsplan.state.difference import Difference
    from kmsplan.state.record import Record, Recorded

FORMAT_VERSION: Final = "1.0"


def difference_json(before: Recorded, after: Recorded, found: Sequence[Difference]) -> str:
    """Return the differences as one JSON document."""
    counted = Counter(one.kind for one in found)
    return document(
        FORMAT_VERSION,
        {
            "lineage": after.lineage,
            "before": before.serial,
            "after": after.serial,
            "changes": [
                {
                    "address": one.address,
                    "change": one.kind.value,
                    "before": _record(one.before),
                    "after": _record(one.after),
                    "attributes": one.names,
                }
                for one in found
            ],
            "summary": {kind.value: counted[kind] for kind in Kind},
        },
    )


def _record(record: Record | None) -> dict[str, Any] | None:
    if record is None:
        return None
    return {
        "address": record.address,
        "identity": record.identity,
        "status": record.status.value,
        "attributes": dict(record.attributes),
    }
