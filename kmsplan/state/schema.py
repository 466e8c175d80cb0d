"""The JSON Schema of the snapshot, which is the file schemas/state.json; derived from the attribute tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kmsplan.kms.settling import OPERATIONS
from kmsplan.resource.kinds import KINDS
from kmsplan.resource.step import Status
from kmsplan.state.upgrade import FORMAT_VERSION

if TYPE_CHECKING:
    from kmsplan.resource.attribute import Attribute, Kind

_COUNT = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"type": ["string", "null"]}


def state_schema() -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "kmsplan.state.json",
        "description": "What the last apply left. Written by kmsplan alone; the digest shows every other edit.",
        **_object(
            optional={"unfinished": _unfinished()},
            digest={"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "SHA-256 of everything else."},
            environment={**_TEXT, "description": "The KMS that the records speak of; empty before the first apply."},
            format_version={"const": FORMAT_VERSION},
            journal_sequence={**_COUNT, "description": "The last journal entry that is part of this snapshot."},
            lineage={"type": "string", "minLength": 1, "description": "Random, born with the state."},
            made={**_made(), "description": "How this serial came to be; null for one that no run has made."},
            pending={"type": "array", "items": _pending(), "description": "Operations that are still in doubt."},
            records={
                "type": "object",
                "additionalProperties": False,
                "patternProperties": {f"^{name}\\..": _record(kind) for name, kind in KINDS.items()},
                "description": "By address.",
            },
            serial={**_COUNT, "description": "Counts the runs that changed something."},
        ),
    }


def _object(optional: dict[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
    """Return the schema of an object that has all of these properties, and no others than the optional ones."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": {**properties, **(optional or {})},
    }


def _unfinished() -> dict[str, Any]:
    return {
        **_object(
            purpose={**_TEXT, "description": "Digest of configuration and selection."},
            addresses={"type": "array", "items": _TEXT},
        ),
        "description": "What the last run was allowed to delete; only there if that run did not come to its end.",
    }


def _made() -> dict[str, Any]:
    run = _object(
        at={**_TEXT, "description": "When the run began."},
        by={**_TEXT, "description": "user@host."},
        command=_TEXT,
        plan={**_TEXT, "description": "Digest of the plan; empty where there was none."},
    )
    return {"anyOf": [run, {"type": "null"}]}


def _record(kind: Kind) -> dict[str, Any]:
    recorded = [attribute for attribute in kind.attributes if attribute.recorded]
    return {
        **_object(
            attributes={
                "type": "object",
                "additionalProperties": False,
                "properties": {attribute.name: _canonical(attribute) for attribute in recorded},
            },
            identity={**_TEXT, "description": "The KMS's id of the object."},
            status={"enum": [status.value for status in Status]},
        ),
        "description": kind.doc,
    }


def _canonical(attribute: Attribute) -> dict[str, Any]:
    """Return an attribute in canonical form; its table describes the written one, which may be another."""
    if attribute.canonical is not None:
        return {"description": f"{attribute.doc} Canonical form."}
    optional = attribute.default is None and not attribute.required
    schema = {"anyOf": [attribute.schema, {"type": "null"}]} if optional else dict(attribute.schema)
    return {**schema, "description": attribute.doc}


def _pending() -> dict[str, Any]:
    return _object(
        sequence={**_COUNT, "description": "The journal entry that began it."},
        address=_TEXT,
        operation={"enum": list(OPERATIONS)},
        parameters={"type": "object"},
        token={**_TEXT_OR_NULL, "description": "In the owner tag of what it makes."},
        identity=_TEXT_OR_NULL,
        effect=_object(
            attributes={"type": "object"},
            status={"enum": [*(status.value for status in Status), None]},
            removes={"type": "boolean"},
            retires=_TEXT_OR_NULL,
        ),
    )
