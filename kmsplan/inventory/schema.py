"""The JSON Schemas of the inventory and of what falls due: the files schemas/inventory.json and schemas/due.json."""

from __future__ import annotations

from typing import Any, Final

from kmsplan.inventory.due import DueKind
from kmsplan.inventory.item import Presence
from kmsplan.kms.quantum import QuantumClass

INVENTORY_VERSION: Final = "1.0"
DUE_VERSION: Final = "1.0"
_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_TEXT: Final = {"type": "string"}
_MAYBE: Final = {"type": ["string", "null"]}
_NUMBER: Final = {"type": ["integer", "null"], "minimum": 0}
_FLAG: Final = {"type": "boolean"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_PATTERN: Final = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$"
_TIME: Final = {"type": "string", "pattern": _PATTERN}
_MAYBE_TIME: Final = {"type": ["string", "null"], "pattern": _PATTERN}
_NAMES: Final = {"type": "array", "items": _TEXT}
_KEY: Final[dict[str, Any]] = {
    "address": {**_MAYBE, "description": "In this configuration; null where it is not managed by it."},
    "identity": _TEXT,
    "kind": {"enum": ["key", "default_key", "service_key"]},
    "managed": _FLAG,
    "presence": {
        "enum": [presence.value for presence in Presence],
        "description": "absent: recorded, and gone. unreadable: what is said is what the last apply left.",
    },
    "arn": _MAYBE,
    "lineage": {**_MAYBE, "description": "Of the state that owns it."},
    "instance": _MAYBE,
    "protection": {"enum": ["software", "hardware", "external", None]},
    "spec": _MAYBE,
    "size": {**_NUMBER, "description": "Bits."},
    "usage": _MAYBE,
    "origin": _MAYBE,
    "state": _MAYBE,
    "created": _MAYBE_TIME,
    "age_days": {"type": ["integer", "null"]},
    "versions": _NUMBER,
    "primary_version": _MAYBE,
    "last_rotation": {**_MAYBE_TIME, "description": "null, and not unknown: there was none."},
    "next_rotation": _MAYBE_TIME,
    "rotation_seconds": {**_NUMBER, "description": "The period; null: it does not rotate by itself."},
    "last_used": {**_MAYBE_TIME, "description": "null, and not unknown: no use since `tracked_since`."},
    "tracked_since": _MAYBE_TIME,
    "material_expires": _MAYBE_TIME,
    "deletion": {**_MAYBE_TIME, "description": "When it is deleted; null: it is not to be."},
    "deletion_protection": {"type": ["boolean", "null"]},
    "owner": {**_MAYBE, "description": "The tag `owner`, else `team`."},
    "description": _TEXT,
    "aliases": _NAMES,
    "used_by": _NAMES,
    "tags": {"type": "object", "additionalProperties": _TEXT},
    "data_lifetime": {**_MAYBE, "description": "The tag `data-lifetime`."},
    "harvest": {**_FLAG, "description": "Whether what it encrypts today can be kept for a later quantum computer."},
    "note": _TEXT,
    "hsm_object": {**_MAYBE, "description": "The object of a token that it stands for, which was there before it."},
    "quantum": {"enum": [*(kind.value for kind in QuantumClass), None]},
    "quantum_level": {**_NUMBER, "maximum": 6, "description": "NIST's security category; 0: none is met."},
    "unknown": {**_NAMES, "description": "Names of the values that nobody could tell; they are null, or not whole."},
}


def inventory_schema() -> dict[str, Any]:
    """Return the schema of `kmsplan inventory --json` (JSON Schema 2020-12)."""
    summary = _object(dict.fromkeys(("managed", "unmanaged", "quantum_vulnerable", "harvest"), _COUNT))
    return _document(
        "kmsplan inventory --json",
        INVENTORY_VERSION,
        {
            "time": _TIME,
            "environment": _TEXT,
            "lineage": _MAYBE,
            "keys": {"type": "array", "items": _object(_KEY)},
            "summary": summary,
        },
    )


def due_schema() -> dict[str, Any]:
    """Return the schema of `kmsplan due --json` (JSON Schema 2020-12)."""
    one = {
        "at": _TIME,
        "kind": {"enum": [kind.value for kind in DueKind]},
        "overdue": _FLAG,
        "address": {**_MAYBE, "description": "A waiver's as written; null for a key that is not managed."},
        "identity": {**_MAYBE, "description": "null for a waiver."},
        "summary": _TEXT,
        "remedy": _TEXT,
    }
    return _document(
        "kmsplan due --json",
        DUE_VERSION,
        {
            "time": _TIME,
            "until": _TIME,
            "environment": _TEXT,
            "due": {"type": "array", "items": _object(one)},
            "untold": {**_NAMES, "description": "Keys with dates that could not be read."},
            "summary": _object({kind.value: _COUNT for kind in DueKind}),
        },
    )


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }


def _document(title: str, version: str, body: dict[str, Any]) -> dict[str, Any]:
    head = {"format_version": {"const": version}, "kmsplan_version": _TEXT}
    return {"$schema": _DRAFT, "title": title, **_object({**head, **body})}
