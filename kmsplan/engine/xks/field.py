"""Fields of JSON objects from outside, each read with its rules; both sides of the API use it."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class FieldError(Exception):
    """A field is missing or wrong. The message names it, never its content."""


class TooLongError(FieldError):
    """A field is well-formed and longer than what is processed here."""


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a body is.

    Raises:
        FieldError: it is none.
    """
    try:
        value = orjson.loads(body)
    except ValueError:  # of which orjson's own error is one; it would repeat what was read
        raise FieldError("the body is not JSON") from None
    if not isinstance(value, dict):
        raise FieldError("the body is not a JSON object")
    return value


def text(source: Mapping[str, Any], name: str, *, limit: int) -> str:
    """Return a non-empty text.

    Raises:
        FieldError: it is missing, no text, or longer than `limit` characters.
    """
    value = source.get(name)
    if not isinstance(value, str) or not value or len(value) > limit:
        raise FieldError(f"{name} is missing, or not a text of at most {limit} characters")
    return value


def binary(source: Mapping[str, Any], name: str, *, limit: int, sizes: Collection[int] = ()) -> bytes:
    """Return a field that is binary data in Base64.

    Args:
        source: the JSON object.
        name: of the field.
        limit: how many bytes it has at most.
        sizes: the only numbers of bytes that it may have; empty for any.

    Raises:
        FieldError: it is missing, no Base64 (RFC 4648, 4), or of another size.
        TooLongError: it has more than `limit` bytes.
    """
    value = source.get(name)
    if not isinstance(value, str):
        raise FieldError(f"{name} is missing, or not a text in Base64")
    try:
        content = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise FieldError(f"{name} is not Base64") from None
    if sizes and len(content) not in sizes:
        raise FieldError(f"{name} has {len(content)} bytes, and not {' or '.join(map(str, sizes))}")
    if len(content) > limit:
        raise TooLongError(f"{name} has {len(content)} bytes, more than the {limit} that are processed here")
    return content


def optional(source: Mapping[str, Any], name: str, *, limit: int) -> bytes:
    """Return a field in Base64 that may be left out or null; empty then. Raises as `binary`."""
    return b"" if source.get(name) is None else binary(source, name, limit=limit)


def encoded(content: bytes) -> str:
    """Return binary data in Base64."""
    return base64.b64encode(content).decode("ascii")
