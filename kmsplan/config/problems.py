"""Where every step puts what it found wrong."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from kmsplan.config.codes import ABSENCES, CODES
from kmsplan.config.diagnostic import Diagnostic, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kmsplan.config.place import Place

HIDDEN_CODES: Final = frozenset({"K601", "K602"})
"""Problems whose own line may be the secret."""
_SHOWN: Final = 60
_PART: Final = 3


class Problems:
    """Collects problems; `diagnostics` gives them in the order of files and lines."""

    def __init__(self) -> None:
        self._found: dict[tuple[Any, ...], Diagnostic] = {}
        self._repeats: dict[tuple[Any, ...], int] = {}
        self.whole = True
        """False once something could not be understood at all: then nothing is known to be missing."""

    def add(
        self,
        code: str,
        detail: str,
        place: Place | None = None,
        *,
        address: str | None = None,
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Note one problem. The same code at the same place is told once, however many objects are made there."""
        span = place.span if place else None
        first = self._found.get((code, span)) if span else None
        if first is not None and first.address != address:
            self._repeats[code, span] = self._repeats.get((code, span), 0) + 1
            return
        if first is not None and first.detail == detail:
            return
        self._found[(code, span) if first is None and span else (code, span, detail)] = Diagnostic(
            code=code,
            summary=CODES[code],
            detail=detail,
            span=span,
            excerpt=place.source.excerpt(span) if place and span and code not in HIDDEN_CODES else None,
            address=address,
            severity=severity,
        )

    def __bool__(self) -> bool:
        return any(found.severity is Severity.ERROR for found in self._found.values())

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Return all that is known to be wrong, sorted by file, line, column and code."""
        found = (self._told(key) for key, found in self._found.items() if self.whole or found.code not in ABSENCES)
        return tuple(sorted(found, key=_order))

    def _told(self, key: tuple[Any, ...]) -> Diagnostic:
        found, more = self._found[key], self._repeats.get(key, 0)
        objects = "object" if more == 1 else "objects"
        return replace(found, detail=f"{found.detail} ({more} more {objects} made here, too.)") if more else found


def _order(found: Diagnostic) -> tuple[Any, ...]:
    span = found.span
    place = (span.filename, span.line, span.column) if span else ("", 0, 0)
    return (*place, found.code, found.detail)


def near(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the nearest of `known`, or nothing where none is near."""
    names = list(known)
    found = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    # A part of a name is far from it by distance: SIGN from SIGN/VERIFY, aes_256 from Aliyun_AES_256.
    found = found or [name for name in names if len(word) >= _PART and word.lower() in name.lower()][:1]
    return f" Did you mean {found[0]!r}?" if found else ""


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
    return "a list" if isinstance(value, list) else "a mapping"


def repeated(items: Sequence[Any]) -> Any:
    """Return the first element that stood earlier in the list already."""
    return next(item for position, item in enumerate(items) if item in items[:position])


def listed(words: Iterable[Any]) -> str:
    """Return words as a sentence lists them."""
    return ", ".join("null" if word is None else str(word) for word in words)
