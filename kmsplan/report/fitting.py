"""Reports that must not be longer than their reader takes: whole objects or none, and never silently less.

A comment on GitHub holds 65,536 characters, and one longer is refused; a step's summary holds 1 MiB, and one longer is
dropped. Sizes here are bytes of UTF-8, of which there are never fewer than characters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """Where a Markdown report is shown."""

    limit: int
    """Bytes."""
    marked: bool
    """Whether it begins with the hidden line by which it is found again."""


COMMENT: Final = Medium(limit=59_000, marked=True)
SUMMARY: Final = Medium(limit=1_000_000, marked=False)


def size(text: str) -> int:
    """Return the bytes of a text."""
    return len(text) if text.isascii() else len(text.encode())


def some_of(rows: Iterable[str], total: int, room: int, more: Callable[[int], str]) -> str:
    """Return as many of the rows as have room, and what `more` says of those left out.

    Args:
        rows: whole lines; only those are made that are looked at.
        total: how many there are.
        room: bytes.
        more: told how many are left out, where any are.
    """
    taken: list[str] = []
    for row in rows:
        room -= size(row)
        if room < 0:
            break
        taken.append(row)
    left = total - len(taken)
    return "".join(taken) + (more(left) if left else "")


def all_of(rows: Iterable[str], room: int) -> str | None:
    """Return the rows, or None as soon as they turn out to be too long."""
    taken: list[str] = []
    for row in rows:
        room -= size(row)
        if room < 0:
            return None
        taken.append(row)
    return "".join(taken)
