"""The JSON Schema of `kmsplan apply --report json=FILE`, which is the file schemas/outcome.json."""

from __future__ import annotations

from typing import Any, Final

from kmsplan.apply.outcome import ResultStatus
from kmsplan.plan.plan import Action
from kmsplan.resource.kinds import KINDS

FORMAT_VERSION: Final = "1.0"

_COUNT: Final = {"type": "integer", "minimum": 0}
_SECONDS: Final = {"type": "number", "minimum": 0}
_TEXT: Final = {"type": "string"}
_TEXT_OR_NULL: Final = {"type": ["string", "null"]}


def _object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the schema of an object that has all of these properties and no other."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
        **more,
    }


def _result() -> dict[str, Any]:
    return _object(
        {
            "address": _TEXT,
            "type": {"enum": list(KINDS)},
            "name": _TEXT,
            "identity": {**_TEXT_OR_NULL, "description": "null where it is not known."},
            "action": {"enum": [action.value for action in Action]},
            "status": {"enum": [status.value for status in ResultStatus]},
            "operations": _object({"done": _COUNT, "planned": _COUNT, "undone": _COUNT}),
            "error": {**_TEXT_OR_NULL, "description": "Why it is not done."},
            "code": {**_TEXT_OR_NULL, "description": "The KMS's error code, where it gave one."},
            "left": {**_TEXT_OR_NULL, "description": "What was not undone, and why, where the run was to be reverted."},
            "elapsed_seconds": _SECONDS,
        }
    )


def outcome_schema() -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12)."""
    unsettled = _object({"address": _TEXT, "operation": _TEXT, "note": _TEXT})
    error = _object({"code": _TEXT, "summary": _TEXT, "remedy": _TEXT})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "kmsplan apply --report json=FILE",
        **_object(
            {
                "format_version": {"const": FORMAT_VERSION},
                "kmsplan_version": _TEXT,
                "environment": {**_TEXT, "description": "Which KMS it was."},
                "complete": {"type": "boolean", "description": "Whether all was done and recorded."},
                "exit_code": {"enum": [0, 1, 8, 9, 10]},
                "elapsed_seconds": _SECONDS,
                "results": {"type": "array", "items": _result()},
                "unsettled": {
                    "type": "array",
                    "items": unsettled,
                    "description": "Operations of earlier runs that are in doubt.",
                },
                "error": {
                    "anyOf": [error, {"type": "null"}],
                    "description": "Why the state could not be written, where it could not.",
                },
                "unreverted": {
                    **_TEXT_OR_NULL,
                    "description": "Why nothing was undone although the run was to be reverted.",
                },
                "summary": _object(
                    {
                        "added": _COUNT,
                        "changed": _COUNT,
                        "destroyed": _COUNT,
                        "statuses": _object({status.value: _COUNT for status in ResultStatus}),
                        "operations": _COUNT,
                    }
                ),
            }
        ),
    }
