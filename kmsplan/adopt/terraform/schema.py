"""What is read of a Terraform state, as JSON Schema: https://developer.hashicorp.com/terraform/internals/json-format."""

from __future__ import annotations

import json
from typing import Any, Final

_INDEX: Final[dict[str, Any]] = {"type": ["string", "integer", "null"]}
_NAMES: Final[dict[str, Any]] = {
    "mode": {"type": "string"},
    "type": {"type": "string"},
    "name": {"type": "string"},
}
_INSTANCE: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "index_key": _INDEX,
        "attributes": {"type": ["object", "null"]},
        "deposed": {"type": ["string", "null"]},
        "status": {"type": ["string", "null"]},
    },
}
_STATED: Final[dict[str, Any]] = {
    "type": "object",
    "required": [*_NAMES, "instances"],
    "properties": {
        **_NAMES,
        "module": {"type": ["string", "null"]},
        "instances": {"type": "array", "items": _INSTANCE},
    },
}
_SHOWN: Final[dict[str, Any]] = {
    "type": "object",
    "required": list(_NAMES),
    "properties": {
        **_NAMES,
        "index": _INDEX,
        "values": {"type": ["object", "null"]},
        "deposed_key": {"type": ["string", "null"]},
        "tainted": {"type": ["boolean", "null"]},
    },
}
_MODULE: Final[dict[str, Any]] = {
    "type": ["object", "null"],
    "properties": {
        "address": {"type": ["string", "null"]},
        "resources": {"type": ["array", "null"], "items": _SHOWN},
        "child_modules": {"type": ["array", "null"], "items": {"$ref": "#/$defs/module", "type": "object"}},
    },
}

STATE: Final = json.dumps(
    {"type": "object", "properties": {"resources": {"type": ["array", "null"], "items": _STATED}}}
)
"""The file, version 4."""
SHOWN: Final = json.dumps(
    {
        "$defs": {"module": _MODULE},
        "type": "object",
        "properties": {
            "values": {"type": ["object", "null"], "properties": {"root_module": {"$ref": "#/$defs/module"}}}
        },
    }
)
"""The output of `terraform show -json`, format 1."""
