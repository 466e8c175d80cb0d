"""How messages name the values that they are about, and how wide text is."""

from __future__ import annotations

import unicodedata
from typing import Any, Final

_SHOWN: Final = 60
_WIDE: Final = frozenset("WF")


def quoted(text: str) -> str:
    """Return text in quotes, shortened."""
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")


def shown(value: Any) -> str:
    """Return a value as a message names it: what it is, shortened."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {quoted(value)}"
    return "a list" if isinstance(value, list | tuple) else "a mapping"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number of things: 1 key, 2 keys, 1 alias, 2 aliases."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def width(text: str) -> int:
    """Return how many columns of a terminal text without control characters takes (Unicode Standard Annex 11)."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in _WIDE else 1
        for character in text
    )
