"""The recorded state for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kmsplan.report.document import document
from kmsplan.resource.address import kind_of, name_of

if TYPE_CHECKING:
    from kmsplan.state.record import Record, Recorded

FORMAT_VERSION: Final = "1.0"


def state_json(recorded: Recorded) -> str:
    """Return the state as one JSON document."""
    return document(
        FORMAT_VERSION,
        {
            "lineage": recorded.lineage,
            "serial": recorded.serial,
            "environment": recorded.environment,
            "resources": [_record(recorded.records[address]) for address in sorted(recorded.records)],
            "interrupted": [
                {"address": pending.address, "operation": pending.operation, "identity": pending.identity}
                for pending in recorded.pending
            ],
        },
    )


def _record(record: Record) -> dict[str, Any]:
    return {
        "address": record.address,
        "type": kind_of(record.address),
        "name": name_of(record.address),
        "identity": record.identity,
        "status": record.status.value,
        "attributes": dict(record.attributes),
    }
