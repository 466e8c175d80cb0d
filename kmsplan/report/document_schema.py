"""The JSON Schemas of the smaller documents that commands print with --json, which are files in schemas/."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.report import approval_json, diagnostics_json, difference_json, history, rules_json, state_json
from kmsplan.resource.kinds import KINDS
from kmsplan.resource.step import Status
from kmsplan.state.difference import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEXT: Final = {"type": "string"}
_TEXT_OR_NULL: Final = {"type": ["string", "null"]}
_COUNT: Final = {"type": "integer", "minimum": 0}
_COUNT_OR_NULL: Final = {"type": ["integer", "null"], "minimum": 0}
_FLAG: Final = {"type": "boolean"}
_ANY_OBJECT: Final = {"type": "object"}
_COUNTS: Final = {"type": "object", "additionalProperties": _COUNT}
_STRINGS: Final = {"type": "array", "items": _TEXT}
_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_PLAIN: Final = "1.0"
"""Of documents whose commands write it themselves."""


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an object that has all of these properties and no other."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": dict(properties),
    }


def _or_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"anyOf": [dict(schema), {"type": "null"}]}


def _list(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": dict(item)}


def _document(command: str, version: str, properties: Mapping[str, Any], *, program: bool = True) -> dict[str, Any]:
    """Return the schema of a document (JSON Schema 2020-12); `program` says whether kmsplan's version is in it."""
    head = {"format_version": {"const": version}, **({"kmsplan_version": _TEXT} if program else {})}
    return {
        "$schema": _DRAFT,
        "title": command,
        **_object({**head, **properties}),
    }


_POSITION: Final = _object({"line": _COUNT, "column": _COUNT})
_RECORD: Final = MappingProxyType(
    {
        "address": _TEXT,
        "identity": _TEXT,
        "status": {"enum": [status.value for status in Status]},
        "attributes": _ANY_OBJECT,
    }
)


def validation_schema() -> dict[str, Any]:
    """Of `kmsplan validate --json`."""
    place = _object({"filename": _TEXT, "start": _POSITION, "end": _POSITION})
    diagnostic = {
        "severity": {"enum": ["error", "warning"]},
        "code": _TEXT,
        "summary": _TEXT,
        "detail": _TEXT,
        "address": _TEXT_OR_NULL,
        "range": _or_null(place),
        "snippet": _or_null(_object({"code": _TEXT})),
    }
    counts = {"valid": _FLAG, "error_count": _COUNT, "warning_count": _COUNT}
    version = diagnostics_json.FORMAT_VERSION
    return _document("kmsplan validate --json", version, {**counts, "diagnostics": _list(_object(diagnostic))})


def recorded_schema() -> dict[str, Any]:
    """Of `kmsplan show --json`."""
    record = {"type": {"enum": list(KINDS)}, "name": _TEXT, **_RECORD}
    interrupted = {"address": _TEXT, "operation": _TEXT, "identity": _TEXT_OR_NULL}
    return _document(
        "kmsplan show --json, kmsplan state show --json",
        state_json.FORMAT_VERSION,
        {
            "lineage": _TEXT,
            "serial": _COUNT,
            "environment": _TEXT,
            "resources": _list(_object(record)),
            "interrupted": _list(_object(interrupted)),
        },
    )


def record_schema() -> dict[str, Any]:
    """Of `kmsplan state show ADDRESS`."""
    return {"$schema": _DRAFT, "title": "kmsplan state show ADDRESS", **_object(_RECORD)}


def history_schema() -> dict[str, Any]:
    """Of `kmsplan state history --json`."""
    serial = {
        "serial": _COUNT,
        "current": _FLAG,
        "readable": {**_FLAG, "description": "false: it is encrypted with another key."},
        "at": _TEXT_OR_NULL,
        "by": _TEXT_OR_NULL,
        "command": _TEXT_OR_NULL,
        "plan": {**_TEXT_OR_NULL, "description": "The digest of the plan that made it."},
    }
    return _document("kmsplan state history --json", history.FORMAT_VERSION, {"serials": _list(_object(serial))})


def difference_schema() -> dict[str, Any]:
    """Of `kmsplan state diff --json`."""
    record = _or_null(_object(_RECORD))
    change = {
        "address": _TEXT,
        "change": {"enum": [kind.value for kind in Kind]},
        "before": record,
        "after": record,
        "attributes": _STRINGS,
    }
    return _document(
        "kmsplan state diff --json",
        difference_json.FORMAT_VERSION,
        {
            "lineage": _TEXT,
            "before": {**_COUNT, "description": "A serial."},
            "after": _COUNT,
            "changes": _list(_object(change)),
            "summary": _object({kind.value: _COUNT for kind in Kind}),
        },
    )


def approval_schema() -> dict[str, Any]:
    """Of `kmsplan plan verify --json`."""
    signature = {
        "signer": _TEXT,
        "key": _TEXT,
        "signed": _TEXT,
        "expires": _TEXT_OR_NULL,
        "counts": _FLAG,
        "refusal": {**_TEXT_OR_NULL, "description": "Why it does not count."},
    }
    policy = {
        "trusted": _TEXT,
        "required": _COUNT,
        "not_author": _FLAG,
        "counted": _COUNT,
        "approved": _FLAG,
        "missing": _STRINGS,
        "signatures": _list(_object(signature)),
    }
    return _document(
        "kmsplan plan verify --json",
        approval_json.FORMAT_VERSION,
        {"digest": _TEXT, "lineage": _TEXT, "author": _TEXT, "approved": _FLAG, "policies": _list(_object(policy))},
    )


def rules_schema() -> dict[str, Any]:
    """Of `kmsplan policy list --json`."""
    value = {"type": ["string", "integer", "boolean", "number", "array", "null"]}
    picked = _object({"severity": _TEXT, "clauses": _STRINGS, "parameters": _ANY_OBJECT})
    parameter = _object({"default": value, "stricter": _TEXT, "doc": _TEXT})
    pack = {"name": _TEXT, "title": _TEXT, "about": _TEXT, "rules": _by_name(picked)}
    rule = dict.fromkeys(("id", "title", "judges", "when", "must", "severity", "remedy"), _TEXT)
    return _document(
        "kmsplan policy list --json",
        rules_json.FORMAT_VERSION,
        {"packs": _list(_object(pack)), "rules": _list(_object({**rule, "parameters": _by_name(parameter)}))},
    )


def version_schema() -> dict[str, Any]:
    """Of `kmsplan version --json`."""
    return _document("kmsplan version --json", _PLAIN, {})


def engine_status_schema() -> dict[str, Any]:
    """Of `kmsplan engine status --json`."""
    texts = ("engine", "path", "keystore", "database", "region", "account", "created", "seal", "audit_head")
    counts = ("nodes", "machines", "schema_version", "keyring_term", "versions_of_older_terms", "instances")
    return _document(
        "kmsplan engine status --json",
        _PLAIN,
        {
            **dict.fromkeys(texts, _TEXT),
            **dict.fromkeys((*counts, "audit_entries", "audit_signed_up_to"), _COUNT),
            "scheduler_runs": _FLAG,
            "late": {**_COUNTS, "description": "Keys that wait for ten minutes or longer, by what for."},
            "seal_token": _or_null(_by_name(_TEXT)),
            "sealed": _FLAG,
            "rewrapping": _FLAG,
            "keys": {**_COUNTS, "description": "By state."},
            "access_keys": {**_COUNTS, "description": "By status."},
            "last_backup": _TEXT_OR_NULL,
            "last_backup_age_seconds": _COUNT_OR_NULL,
        },
        program=False,
    )


def access_keys_schema() -> dict[str, Any]:
    """Of `kmsplan engine access-key list --json`."""
    texts = ("access_key_id", "status", "role", "account", "user", "created")
    row = {**dict.fromkeys(texts, _TEXT), **dict.fromkeys(("last_used", "expires"), _TEXT_OR_NULL)}
    return _document(
        "kmsplan engine access-key list --json", _PLAIN, {"access_keys": _list(_object(row))}, program=False
    )


def access_key_schema() -> dict[str, Any]:
    """Of `kmsplan engine access-key create` and `rotate` with --json."""
    pair = _object({"access_key_id": _TEXT, "access_key_secret": {**_TEXT, "description": "Shown this once."}})
    return {"$schema": _DRAFT, "title": "kmsplan engine access-key create and rotate with --json", **pair}


def backup_schema() -> dict[str, Any]:
    """Of `kmsplan engine backup`, `backup verify` and `restore` with --json."""
    token = _object({"module": _TEXT, "token": _TEXT, "keys": _COUNT})
    return _document(
        "kmsplan engine backup, backup verify and restore with --json",
        _PLAIN,
        {
            "engine": _TEXT,
            "made": _TEXT,
            "rows": {**_COUNTS, "description": "By table."},
            "versions_opened": {**_COUNT, "description": "Key versions whose material was opened."},
            "sealed_by": _or_null(_by_name(_TEXT)),
            "hardware": _list(token),
        },
        program=False,
    )


def _by_name(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": dict(item)}
