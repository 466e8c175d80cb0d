"""The JSON Schema of a line of `kmsplan apply --json`, which is the file schemas/event.json."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.apply.outcome import ResultStatus
from kmsplan.plan.plan import Action, Reason
from kmsplan.report.event_json import UI_VERSION
from kmsplan.resource.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

_COUNT: Final = {"type": "integer", "minimum": 0}
_TEXT: Final = {"type": "string"}
_TEXT_OR_NULL: Final = {"type": ["string", "null"]}
_ENVELOPE: Final = MappingProxyType(
    {
        "seq": {"type": "integer", "minimum": 1, "description": "1, 2, 3 and so on, without a gap."},
        "@timestamp": {"type": "string", "format": "date-time"},
        "@level": {"enum": ["info", "warn", "error"]},
        "@message": {**_TEXT, "description": "For people."},
        "@module": {"const": "kmsplan"},
    }
)
"""What every event has."""


def event_schema() -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "a line of kmsplan apply --json",
        "description": "The first line is a version, the last one a change_summary, whatever happens.",
        "oneOf": [_object({"type": {"const": name}, **_ENVELOPE, **fields}) for name, fields in _events().items()],
    }


def _events() -> Mapping[str, dict[str, Any]]:
    """Return what the events of each type have of their own."""
    finished = {"hook": _hook(_result())}
    return {
        "version": {"kmsplan": _TEXT, "ui": {"const": UI_VERSION}},
        "planned_change": {"change": _planned()},
        "apply_start": {"hook": _hook({})},
        "apply_progress": {"hook": _hook({})},
        "apply_complete": finished,
        "apply_errored": finished,
        "apply_skipped": finished,
        "apply_reverted": finished,
        "apply_kept": finished,
        "diagnostic": {"diagnostic": _diagnostic()},
        "change_summary": {"changes": _changes()},
    }


def _planned() -> dict[str, Any]:
    return _object(
        {
            "resource": _resource(),
            "action": {"enum": [action.value for action in Action], "description": "kmsplan's word."},
            "actions": {
                "type": "array",
                "items": {"enum": ["no-op", "create", "update", "delete", "forget"]},
                "description": "Terraform's words.",
            },
            "reason": {"enum": [reason.value for reason in Reason]},
            "blocked": {**_TEXT_OR_NULL, "description": "Why it cannot be carried out now."},
        }
    )


def _hook(more: dict[str, Any]) -> dict[str, Any]:
    return _object({"resource": _resource(), "action": {"enum": [action.value for action in Action]}, **more})


def _resource() -> dict[str, Any]:
    return _object({"addr": _TEXT, "resource_type": {"enum": list(KINDS)}, "resource_name": _TEXT})


def _result() -> dict[str, Any]:
    return {
        "status": {"enum": [status.value for status in ResultStatus]},
        "id_value": {**_TEXT_OR_NULL, "description": "The object's identity, where it is known."},
        "operations": _object({"done": _COUNT, "planned": _COUNT, "undone": _COUNT}),
        "left": {**_TEXT_OR_NULL, "description": "What was not undone, and why."},
        "elapsed_seconds": {"type": "number", "minimum": 0},
        "error": {**_TEXT_OR_NULL, "description": "Why it is not done."},
        "code": {**_TEXT_OR_NULL, "description": "The KMS's error code."},
    }


def _diagnostic() -> dict[str, Any]:
    position = _object({"line": _COUNT, "column": _COUNT})
    place = _object({"filename": _TEXT, "start": position, "end": position})
    return _object(
        {
            "severity": {"enum": ["error", "warning"]},
            "code": {**_TEXT_OR_NULL, "description": "docs/errors.md explains each."},
            "summary": _TEXT,
            "detail": _TEXT,
            "address": _TEXT_OR_NULL,
            "range": {**place, "type": ["object", "null"]},
            "snippet": {**_object({"code": _TEXT}), "type": ["object", "null"]},
        }
    )


def _changes() -> dict[str, Any]:
    return _object(
        {
            "add": _COUNT,
            "change": _COUNT,
            "remove": _COUNT,
            "import": _COUNT,
            "operation": {"enum": ["apply", "destroy"]},
            **{status.value: {**_COUNT, "description": "Changes."} for status in ResultStatus},
            "unsettled": {**_COUNT, "description": "Operations of earlier runs that are in doubt."},
        }
    )


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an object that has all of these properties and no other."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": dict(properties),
    }
