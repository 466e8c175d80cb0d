"""Attribute values as people write them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.kms.naming import format_duration
from kmsplan.report.escape import escape, quote
from kmsplan.resource.kinds import REFERENCES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KNOWN_AFTER_APPLY: Final = "(known after apply)"

_FORMS: Final[Mapping[str, Callable[[Any], str]]] = MappingProxyType(
    {
        "rotation": format_duration,
        "unused_for": format_duration,
        "grace": format_duration,
        "deletion_window": lambda days: f"{days}d",
    }
)
"""Attributes whose canonical form is not the one that people write."""


def value_text(kind: str, name: str, value: Any) -> str:
    """Return one value of an attribute on one line: references bare, durations as written, strings quoted."""
    if value is not None and name in _FORMS and isinstance(value, int) and not isinstance(value, bool):
        return _FORMS[name](value)
    if isinstance(value, str) and name in REFERENCES[kind]:
        return escape(value)
    return json_text(value)


def json_text(value: Any) -> str:
    """Return a JSON value on one line, safe for a terminal."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return quote(value)
        case list() | tuple():
            return f"[{', '.join(json_text(item) for item in value)}]"
        case int() | float():
            return str(value)
        case _:
            items = (f"{quote(str(name))}: {json_text(item)}" for name, item in sorted(value.items()))
            return f"{{{', '.join(items)}}}"
