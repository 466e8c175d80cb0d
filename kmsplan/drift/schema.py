"""The JSON Schema of `kmsplan drift --json`, which is the file schemas/drift.json."""

from __future__ import annotations

from typing import Any, Final

from kmsplan.drift.report import Verdict
from kmsplan.plan.schema import DRIFT_ENTRY, KINDS_OF_DRIFT

FORMAT_VERSION: Final = "1.1"

_COUNT: Final = {"type": "integer", "minimum": 0}
_TEXT: Final = {"type": "string"}
_TIME: Final = {"type": "string", "format": "date-time"}
_DAY: Final = {"type": "string", "format": "date"}


def drift_schema() -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12)."""
    findings = {"type": "array", "items": {"$ref": "#/$defs/finding"}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "kmsplan drift --json",
        **_object(
            {
                "format_version": {"const": FORMAT_VERSION},
                "kmsplan_version": _TEXT,
                "checked": {**_COUNT, "description": "How many recorded objects were compared."},
                "day": {"description": "On which the waivers were judged; null where none were.", **_or_null(_DAY)},
                "drift": {**findings, "description": "What somebody has to look at."},
                "waived": {**findings, "description": "What a waiver accepts for now."},
                "unused_waivers": {
                    "type": "array",
                    "items": {"$ref": "#/$defs/waiver"},
                    "description": "Waivers of drift that nothing matches.",
                },
                "coverage": _coverage(),
                "summary": _object({**dict.fromkeys(KINDS_OF_DRIFT, _COUNT), "waived": _COUNT}),
            }
        ),
        "$defs": {"finding": _finding(), "cause": _cause(), "waiver": _waiver()},
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object that has all of these properties and no other."""
    return {"type": "object", "additionalProperties": False, "required": list(properties), "properties": properties}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _finding() -> dict[str, Any]:
    entry = DRIFT_ENTRY["properties"]
    attribute = entry["attributes"]["items"]["properties"]
    verdict = {"enum": [verdict.value for verdict in Verdict], "description": "What the next apply makes of it."}
    return _object(
        {
            **entry,
            "attributes": {"type": "array", "items": _object({**attribute, "verdict": verdict})},
            "fingerprint": {
                "type": "string",
                "pattern": "^[0-9a-f]{16}$",
                "description": "Equal for equal lineage, object, kind and attribute names; values do not count.",
            },
            "cause": {
                "description": "Who did it; null where that is not known.",
                **_or_null({"$ref": "#/$defs/cause"}),
            },
            "first_seen": {
                "description": "When a report first had it; null without --memory.",
                **_or_null(_TIME),
            },
            "waiver": {
                "description": "Who accepts it; under `drift` one that has expired.",
                **_or_null({"$ref": "#/$defs/waiver"}),
            },
        }
    )


def _cause() -> dict[str, Any]:
    action = {**_TEXT, "description": "The API's name of the call."}
    source = {**_TEXT, "description": "The address it came from, or the program's own."}
    return _object({"actor": _TEXT, "time": _TIME, "action": action, "request_id": _TEXT, "source": source})


def _waiver() -> dict[str, Any]:
    return _object(
        {
            "address": {**_TEXT, "description": "An address, an identity, or a glob of either."},
            "attribute": _or_null(_TEXT),
            "owner": _TEXT,
            "reason": _TEXT,
            "expires": {**_DAY, "description": "The last day on which it counts."},
            "place": {**_TEXT, "description": "FILE:LINE of its declaration."},
        }
    )


def _coverage() -> dict[str, Any]:
    percent = {"type": "number", "minimum": 0, "maximum": 100}
    return _object(
        {
            "managed_keys": _COUNT,
            "unmanaged_keys": _COUNT,
            "percent": {"description": "null where there is no key.", **_or_null(percent)},
        }
    )
