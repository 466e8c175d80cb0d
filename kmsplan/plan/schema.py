"""The JSON Schema of `kmsplan plan --json`, which is the file schemas/plan.json."""

from __future__ import annotations

from typing import Any, Final

from kmsplan.kms.settling import OPERATIONS
from kmsplan.plan.plan import Action, Reason
from kmsplan.resource.kinds import KINDS

FORMAT_VERSION: Final = "1.0"
KINDS_OF_DRIFT: Final = ("changed", "vanished", "pending_deletion", "unmanaged", "unreadable")

_DRIFTED_ATTRIBUTE: Final = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "recorded", "observed", "desired"],
    "properties": {
        "name": {"type": "string", "description": "An attribute, or state, or owner (the owner tag)."},
        "recorded": {"description": "What the last apply left."},
        "observed": {"description": "What the KMS holds."},
        "desired": {"description": "What the configuration declares; null where it does not say."},
    },
}

DRIFT_ENTRY: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["address", "identity", "kind", "detail", "attributes"],
    "properties": {
        "address": {"type": ["string", "null"], "description": "null for an unmanaged object."},
        "identity": {"type": "string"},
        "kind": {"enum": list(KINDS_OF_DRIFT)},
        "detail": {"type": ["string", "null"]},
        "attributes": {"type": "array", "items": _DRIFTED_ATTRIBUTE},
    },
}
"""One object's drift, in a plan as in a drift report."""

_COUNT: Final = {"type": "integer", "minimum": 0}
_TEXT_OR_NULL: Final = {"type": ["string", "null"]}
_OBJECT_OR_NULL: Final = {"type": ["object", "null"]}
_STRINGS: Final = {"type": "array", "items": {"type": "string"}}


def _object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the schema of an object that has all of these properties and no other."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
        **more,
    }


def plan_schema() -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "kmsplan plan --json",
        **_object(
            {
                "format_version": {"const": FORMAT_VERSION},
                "kmsplan_version": {"type": "string"},
                "lineage": {"type": "string", "description": "Of the state; empty before the first apply."},
                "serial": _COUNT,
                "environment": {"type": "string", "description": "Which KMS was read."},
                "config_digest": {"type": "string"},
                "digest": {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "Equal plans, equal digests."},
                "author": {**_TEXT_OR_NULL, "description": "USER@HOST that saved it; null where it is not saved."},
                "applyable": {"type": "boolean", "description": "Something to do, and no violation."},
                "complete": {"type": "boolean", "description": "Nothing was left out or blocked."},
                "destroy": {"type": "boolean"},
                "variables": {"type": "object"},
                "targets": _STRINGS,
                "excludes": _STRINGS,
                "resource_changes": {"type": "array", "items": _resource_change()},
                "resource_drift": {"type": "array", "items": DRIFT_ENTRY},
                "violations": {"type": "array", "items": _violation()},
                "summary": _summary(),
            }
        ),
    }


def _resource_change() -> dict[str, Any]:
    return _object(
        {
            "address": {"type": "string"},
            "previous_address": {**_TEXT_OR_NULL, "description": "Where a moved block takes the record from."},
            "type": {"enum": list(KINDS)},
            "name": {"type": "string"},
            "identity": {**_TEXT_OR_NULL, "description": "null where the KMS will choose it."},
            "change": _change(),
            "action_reason": {"enum": [reason.value for reason in Reason]},
            "operations": {
                "type": "array",
                "items": _object({"operation": {"enum": list(OPERATIONS)}, "parameters": {"type": "object"}}),
            },
            "depends_on": _STRINGS,
            "blocked": {**_TEXT_OR_NULL, "description": "Why it cannot be carried out now."},
            "note": _TEXT_OR_NULL,
            "tests": {**_TEXT_OR_NULL, "description": "The key that must pass its self-test before anything is done."},
            "blast_radius": _blast(),
        }
    )


def _blast() -> dict[str, Any]:
    day = {"type": ["string", "null"], "format": "date"}
    properties = {
        "aliases": {**_STRINGS, "description": "Managed aliases that point at the key."},
        "unmanaged_aliases": {**_STRINGS, "description": "Other aliases that point at it."},
        "used_by": {**_STRINGS, "description": "Who is declared to use it."},
        "last_used": {**day, "description": "null where it was not used, or nobody knows."},
        "tracked_since": {**day, "description": "null where uses are not noted: it counts as used."},
        "versions": {"type": ["integer", "null"], "description": "null where the KMS does not count them."},
        "encryptions": {
            "type": ["integer", "null"],
            "description": "At most so many ciphertexts and data keys are under it, a power of ten; null: not counted.",
        },
        "holds": {**_STRINGS, "description": "The keys in an instance."},
    }
    return _object(
        properties,
        type=["object", "null"],
        description="What a deletion, a disabling or a replacement may make unreadable; null of all else.",
    )


def _change() -> dict[str, Any]:
    return _object(
        {
            "actions": {
                "type": "array",
                "items": {"enum": ["no-op", "create", "update", "delete", "forget"]},
                "description": "Terraform's words.",
            },
            "action": {"enum": [action.value for action in Action], "description": "kmsplan's word."},
            "before": _OBJECT_OR_NULL,
            "after": _OBJECT_OR_NULL,
            "after_unknown": {"type": "object", "additionalProperties": {"const": True}},
            "attributes": {**_STRINGS, "description": "Names that differ."},
        }
    )


def _violation() -> dict[str, Any]:
    return _object(
        {
            "code": {"type": "string", "pattern": "^P[0-9]{3}$"},
            "address": _TEXT_OR_NULL,
            "summary": {"type": "string"},
            "detail": {"type": "string"},
            "brake": {"type": "boolean", "description": "A named flag lets it pass."},
            "where": {**_TEXT_OR_NULL, "description": "FILE:LINE:COLUMN."},
        }
    )


def _summary() -> dict[str, Any]:
    return _object(
        {
            "add": _COUNT,
            "change": _COUNT,
            "destroy": _COUNT,
            "blocked": _COUNT,
            "actions": _object({action.value: _COUNT for action in Action}),
        }
    )
