"""Where every step puts what it found wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from kmsplan.config.codes import CODES
from kmsplan.config.diagnostic import Diagnostic, Severity
from kmsplan.config.place import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kmsplan.config.place import Place

HIDDEN_CODES: Final = frozenset({"K601", "K602"})
"""Problems whose own line may be the secret."""
_PART: Final = 3


class Gap(IntEnum):
    """What could not be understood, so that nobody can say what is missing in it."""

    NONE = 0
    NAMES = 1
    """Some objects' names."""
    TEXT = 2
    """A file, or a section of one."""


@dataclass(frozen=True, slots=True)
class _Found:
    diagnostic: Diagnostic
    until: Gap | None
    more: int = 0
    """How many other objects have it at the same place."""


class Problems:
    """Collects problems; `diagnostics` gives them in the order of files and lines."""

    def __init__(self) -> None:
        self._found: dict[tuple[Any, ...], _Found] = {}
        self._gap = Gap.NONE

    def gap(self, gap: Gap) -> None:
        """Note that something is unknown from here on."""
        self._gap = max(self._gap, gap)

    def add(
        self,
        code: str,
        detail: str,
        place: Place | None = None,
        *,
        address: str | None = None,
        severity: Severity = Severity.ERROR,
        until: Gap | None = None,
    ) -> None:
        """Note one problem. The same code at the same place is told once, however many objects are made there.

        Args:
            code: One of CODES.
            detail: What is wrong, why, and what to do.
            place: Where; None for what is outside files.
            address: The object that has it.
            severity: Warnings stop nothing.
            until: For something missing: the gap from which on it may be there all the same, and so is not told.
        """
        detail, address = printable(detail), printable(address) if address else None
        span = place.span if place else None
        key: tuple[Any, ...] = (code, span) if span else (code, detail)
        first = self._found.get(key)
        if first is not None and (first.diagnostic.address != address or first.diagnostic.detail == detail):
            others = first.diagnostic.address != address
            self._found[key] = replace(first, more=first.more + others)
            return
        diagnostic = Diagnostic(
            code=code,
            summary=CODES[code],
            detail=detail,
            span=span,
            excerpt=place.source.excerpt(span) if place and span and code not in HIDDEN_CODES else None,
            address=address,
            severity=severity,
        )
        self._found[(*key, detail) if first else key] = _Found(diagnostic, until)

    def __bool__(self) -> bool:
        return any(found.diagnostic.severity is Severity.ERROR for found in self._found.values())

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Return all that is known to be wrong, sorted by file, line, column and code."""
        known = (found for found in self._found.values() if found.until is None or self._gap < found.until)
        return in_order(map(_told, known))


def _told(found: _Found) -> Diagnostic:
    if not found.more:
        return found.diagnostic
    objects = "object" if found.more == 1 else "objects"
    detail = f"{found.diagnostic.detail} ({found.more} more {objects} made here, too.)"
    return replace(found.diagnostic, detail=detail)


def in_order(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return problems sorted by file, line, column and code."""
    return tuple(sorted(found, key=_order))


def _order(found: Diagnostic) -> tuple[Any, ...]:
    span = found.span
    place = (span.filename, span.line, span.column) if span else ("", 0, 0)
    return (*place, found.code, found.detail)


def near(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the nearest of `known`, or nothing where none is near."""
    import difflib  # noqa: PLC0415 - only on the error path

    names = list(known)
    found = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    # A part of a name is far from it by distance: SIGN from SIGN/VERIFY, aes_256 from Aliyun_AES_256.
    found = found or [name for name in names if len(word) >= _PART and word.lower() in name.lower()][:1]
    return f" Did you mean {found[0]!r}?" if found else ""


def repeated(items: Sequence[Any]) -> Any:
    """Return the first element that stood earlier in the list already."""
    seen: set[str] = set()
    for item in items:
        if repr(item) in seen:
            return item
        seen.add(repr(item))
    return None


def listed(words: Iterable[Any]) -> str:
    """Return words as a sentence lists them."""
    return ", ".join("null" if word is None else str(word) for word in words)
