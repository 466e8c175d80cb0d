"""JSON for machines: one document on one line, or one event on a line of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from kmsplan import __version__
from kmsplan.state.plain import plain

if TYPE_CHECKING:
    from collections.abc import Mapping


def line(value: Mapping[str, Any]) -> str:
    """Return a JSON value on one line, newline included."""
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE, default=plain).decode()


def document(version: str, body: Mapping[str, Any]) -> str:
    """Return a document: its format's version, the program's, then the body."""
    return line({"format_version": version, "kmsplan_version": __version__, **body})
