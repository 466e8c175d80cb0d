"""The JSON Schema of `kmsplan policy check --json`, which is the file schemas/policy.json."""

from __future__ import annotations

from typing import Any, Final

from kmsplan.policy.report import Severity

FORMAT_VERSION: Final = "1.0"

_COUNT: Final = {"type": "integer", "minimum": 0}
_TEXT: Final = {"type": "string"}
_TEXT_OR_NULL: Final = {"type": ["string", "null"]}
_TEXTS: Final = {"type": "array", "items": _TEXT}


def policy_schema() -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12)."""
    findings = {"type": "array", "items": {"$ref": "#/$defs/finding"}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "kmsplan policy check --json",
        **_object(
            {
                "format_version": {"const": FORMAT_VERSION},
                "kmsplan_version": _TEXT,
                "checked_at": {"type": "string", "format": "date-time"},
                "environment": {**_TEXT, "description": 'Which KMS was read; "" where none was.'},
                "objects": {**_COUNT, "description": "How many were looked at; a change counts as one."},
                "refused": {"type": "boolean", "description": "A rule of severity error is broken: exit code 4."},
                "findings": {**findings, "description": "What counts."},
                "waived": {**findings, "description": "What a waiver accepts for now."},
                "unused_waivers": {"type": "array", "items": {"$ref": "#/$defs/waiver"}},
                "rules": {"type": "array", "items": _rule(), "description": "Every rule that was judged."},
                "summary": _object({**{one.value: _COUNT for one in Severity}, "waived": _COUNT, "skipped": _COUNT}),
            }
        ),
        "$defs": {"finding": _finding(), "waiver": _waiver()},
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object that has all of these properties and no other."""
    return {"type": "object", "additionalProperties": False, "required": list(properties), "properties": properties}


def _finding() -> dict[str, Any]:
    return _object(
        {
            "rule": _TEXT,
            "severity": {"enum": [one.value for one in Severity]},
            "address": {**_TEXT_OR_NULL, "description": "null for an object that nobody manages."},
            "identity": {**_TEXT_OR_NULL, "description": "null for one that the KMS does not have yet."},
            "message": {**_TEXT, "description": "What is the case, with the values."},
            "evidence": {"type": "object", "description": "The facts and parameters that were judged, by name."},
            "where": {**_TEXT_OR_NULL, "description": "FILE:LINE:COLUMN of the declaration."},
            "waiver": {"anyOf": [{"$ref": "#/$defs/waiver"}, {"type": "null"}]},
        }
    )


def _waiver() -> dict[str, Any]:
    return _object(
        {
            "rule": _TEXT,
            "address": _TEXT,
            "owner": _TEXT,
            "reason": _TEXT,
            "expires": {"type": "string", "format": "date"},
        }
    )


def _rule() -> dict[str, Any]:
    return _object(
        {
            "id": _TEXT,
            "title": _TEXT,
            "severity": {"enum": [one.value for one in Severity]},
            "packs": {**_TEXTS, "description": "Those that have it, or the file of a rule of the user's own."},
            "clauses": _TEXTS,
            "remedy": _TEXT,
            "held": _COUNT,
            "broken": _COUNT,
            "waived": _COUNT,
            "skipped": {**_COUNT, "description": "Objects of which what it asks is not known."},
            "unknown": {**_TEXTS, "description": "The facts that were not known."},
        }
    )
