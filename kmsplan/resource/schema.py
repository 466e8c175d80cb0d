"""JSON schemas of what is written in the same way in several places of a configuration."""

from __future__ import annotations

from typing import Final

DURATION: Final = r"^[0-9]{1,9}[dhms]$"
VARIABLE_NAME: Final = "^[A-Za-z_][A-Za-z0-9_]*$"
ALIAS_NAME_SCHEMA: Final = {"type": "string", "pattern": r"^(?!acs)[A-Za-z0-9_/-]{1,249}$"}
COMMAND_SCHEMA: Final = {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}}
"""A command and its arguments, run without a shell."""
SECRET_SCHEMA: Final = {
    "oneOf": [
        {
            "type": "object",
            "required": ["env"],
            "additionalProperties": False,
            "properties": {"env": {"type": "string", "pattern": VARIABLE_NAME}},
        },
        {
            "type": "object",
            "required": ["file"],
            "additionalProperties": False,
            "properties": {"file": {"type": "string", "minLength": 1}},
        },
        {
            "type": "object",
            "required": ["exec"],
            "additionalProperties": False,
            "properties": {"exec": COMMAND_SCHEMA},
        },
    ],
}
