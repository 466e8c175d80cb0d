"""A request's head, once the parser has taken it apart: where it goes, and its headers by name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

_ABSOLUTE: Final = re.compile(rb"https?://[^/?#]+", re.IGNORECASE)
"""The part of a target in absolute form that names the server."""


def origin(target: bytes) -> bytes:
    """Return a target without the server's name, which clients of proxies write before it (RFC 9112, 3.2.2)."""
    match = None if target.startswith(b"/") else _ABSOLUTE.match(target)
    if match is None:
        return target
    rest = target[match.end() :]
    return rest if rest.startswith(b"/") else b"/" + rest


def named(lines: Collection[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return headers by their names in lower case; see `Call`."""
    if not lines:
        return {}
    names, values = zip(*lines, strict=True)
    headers: dict[bytes, bytes] = dict(zip(map(bytes.lower, names), values, strict=True))
    if len(headers) == len(lines):
        return headers
    several: dict[bytes, list[bytes]] = {}
    for name, value in lines:
        several.setdefault(name.lower(), []).append(value)
    return {name: b",".join(values) for name, values in several.items()}
