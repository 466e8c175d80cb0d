"""Remarks: what somebody should look at, one object each, in whichever form a pipeline shows it at a line of a file.

The makers (`plan_remarks` and its like) turn a finished value into remarks; the forms (`sarif`, `github`, `azure`,
`gitlab_codequality`) write them. No text in here is escaped: each form escapes for itself.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kmsplan.config.diagnostic import Span
    from kmsplan.report.scene import Scene


class Level(StrEnum):
    """How much a remark matters; the words are SARIF's."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


LEVELS: Final = tuple(Level)
"""The worst first."""
_RANK: Final[Mapping[Level, int]] = {level: rank for rank, level in enumerate(LEVELS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What remarks of one kind have in common."""

    id: str
    """P109, drift-changed, R101: the same in every version."""
    title: str
    help: str
    """What to do about it."""
    level: Level
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One of them."""

    rule: Rule
    level: Level
    subject: str
    """An address, or an identity where there is no address; "" where it is about everything."""
    message: str
    span: Span | None = None
    """Where the object is declared."""
    fingerprint: str
    """16 hex digits: the same remark has the same one in every run, wherever its line has moved."""
    planned: bool = False
    """It tells what will be done; nothing is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remarks:
    """Everything to say about one value."""

    title: str
    """`kmsplan plan` and its like."""
    headline: str
    """One line that counts."""
    clean: bool
    """Whether nobody need look at anything."""
    rules: tuple[Rule, ...] = ()
    """Those that were looked at, or those that have remarks."""
    found: tuple[Remark, ...] = ()
    """The worst first, then as they came."""
    accepted: int = 0
    """How many more a waiver accepts."""

    @property
    def defects(self) -> tuple[Remark, ...]:
        """Those that say that something is wrong."""
        return tuple(remark for remark in self.found if not remark.planned)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A line of a file, seen from where the command runs."""

    path: str
    line: int = 1
    column: int = 1


@dataclass(slots=True)
class Fingerprints:
    """Makes fingerprints that are unique in one report: a second one of the same parts gets another."""

    _seen: Counter[str] = field(default_factory=Counter)

    def of(self, *parts: str) -> str:
        """Return the fingerprint of these parts."""
        return self.unique(fingerprint(*parts))

    def unique(self, made: str) -> str:
        """Return this fingerprint, or another one where it was given out already."""
        self._seen[made] += 1
        count = self._seen[made]
        return made if count == 1 else fingerprint(made, str(count))


def fingerprint(*parts: str) -> str:
    """Return 16 hex digits that stand for these parts."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:16]


def worst_first(remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    """Return them sorted by level; those of one level stay as they are."""
    return tuple(sorted(remarks, key=lambda remark: _RANK[remark.level]))


def rules_of(remarks: Iterable[Remark]) -> tuple[Rule, ...]:
    """Return the rules that have remarks, sorted by id."""
    found = {remark.rule.id: remark.rule for remark in remarks}
    return tuple(found[name] for name in sorted(found))


def place_of(remark: Remark, scene: Scene) -> Place:
    """Return where a remark is shown: its declaration, or else the first line of the configuration's first file."""
    if remark.span is not None:
        return Place(path=scene.path(remark.span), line=max(1, remark.span.line), column=max(1, remark.span.column))
    return Place(path=default_path(scene))


def default_path(scene: Scene) -> str:
    """Return the configuration's first file; what no declaration is the cause of is shown there."""
    first = min((span.filename for span in scene.places.values()), default="kmsplan.yaml")
    return f"{scene.folder}/{first}" if scene.folder else first
