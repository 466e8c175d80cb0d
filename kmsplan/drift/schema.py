"""The JSON Schema of `kmsplan drift --json`, which is the file schemas/drift.json."""

from __future__ import annotations

from typing import Any, Final

from kmsplan.plan.schema import DRIFT_ENTRY, KINDS_OF_DRIFT

FORMAT_VERSION: Final = "1.0"


def drift_schema() -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12)."""
    count = {"type": "integer", "minimum": 0}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "kmsplan drift --json",
        "type": "object",
        "additionalProperties": False,
        "required": ["format_version", "kmsplan_version", "checked", "drift", "summary"],
        "properties": {
            "format_version": {"const": FORMAT_VERSION},
            "kmsplan_version": {"type": "string"},
            "checked": {**count, "description": "How many recorded objects were compared."},
            "drift": {"type": "array", "items": DRIFT_ENTRY},
            "summary": {
                "type": "object",
                "additionalProperties": False,
                "required": list(KINDS_OF_DRIFT),
                "properties": dict.fromkeys(KINDS_OF_DRIFT, count),
            },
        },
    }
