"""What a reviewer looks at first: changes after which something works no more, or can no more be undone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.plan.blast import CHANGING, KEYS, disables, stops
from kmsplan.plan.plan import Action
from kmsplan.report.blast_text import blast_lines
from kmsplan.resource.address import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kmsplan.plan.plan import Change


class Risk(StrEnum):
    """A kind of risk, the gravest first."""

    DESTROY = "destroy"
    """A key is scheduled for deletion; an instance or alias is deleted."""
    DISABLE = "disable"
    EXPIRE = "expire"
    """Imported key material is destroyed sooner than it would have been."""
    REPLACE = "replace"
    UNPROTECT = "unprotect"
    """Deletion protection goes off."""
    MOVE = "move"
    """An alias will point at another key."""


RISKS: Final = tuple(Risk)
MEANINGS: Final[Mapping[Risk, str]] = MappingProxyType(
    {
        Risk.DESTROY: "What was encrypted with a key cannot be read without it; an alias is a name that callers use.",
        Risk.DISABLE: "Nothing can be encrypted, decrypted or signed with it until it is enabled again.",
        Risk.EXPIRE: "The KMS destroys the material then; until the same is imported again nothing works with the key.",
        Risk.REPLACE: "A successor with new material takes its place; the predecessor is kept for what it encrypted.",
        Risk.UNPROTECT: "Nothing but its window stands between the key and its deletion then.",
        Risk.MOVE: "Whoever calls by the alias uses another key from then on.",
    }
)
TITLES: Final[Mapping[Risk, str]] = MappingProxyType(
    {
        Risk.DESTROY: "The plan destroys",
        Risk.DISABLE: "The plan disables a key",
        Risk.EXPIRE: "The plan lets key material expire sooner",
        Risk.REPLACE: "The plan replaces a key",
        Risk.UNPROTECT: "The plan takes deletion protection off",
        Risk.MOVE: "The plan moves an alias",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Risky:
    """One change and the gravest of its risks."""

    change: Change
    risk: Risk

    @property
    def words(self) -> str:
        """What happens, in a word or a few."""
        kind = kind_of(self.change.address)
        if self.risk is Risk.DESTROY and kind in KEYS:
            return "is scheduled for deletion"
        return _WORDS[self.risk]

    @property
    def consequences(self) -> tuple[str, ...]:
        """Who would notice, and what may become unreadable; () where nothing is known of it."""
        return tuple(blast_lines(self.change.blast)) if self.change.blast is not None else ()


_WORDS: Final[Mapping[Risk, str]] = MappingProxyType(
    {
        Risk.DESTROY: "is deleted",
        Risk.DISABLE: "is disabled",
        Risk.EXPIRE: "loses its material sooner",
        Risk.REPLACE: "is replaced by a successor",
        Risk.UNPROTECT: "loses its deletion protection",
        Risk.MOVE: "points at another key",
    }
)


def risk_of(change: Change) -> Risk | None:
    """Return the gravest risk of a change; None where there is none, or where it is blocked."""
    if not change.active:
        return None
    if change.action is Action.DELETE:
        return Risk.DESTROY
    if stops(change):
        return Risk.DISABLE if disables(change) else Risk.EXPIRE
    if change.action is Action.REPLACE:
        return Risk.REPLACE
    return _of_update(change) if change.action in CHANGING else None


def _of_update(change: Change) -> Risk | None:
    before, after = change.before or {}, change.after or {}
    if before.get("deletion_protection") is True and after.get("deletion_protection") is False:
        return Risk.UNPROTECT
    return Risk.MOVE if kind_of(change.address) == "alias" and "key" in change.attributes else None


def risky(changes: Iterable[Change]) -> tuple[Risky, ...]:
    """Return the changes that carry a risk, the gravest first, then by address."""
    found = [Risky(change=change, risk=risk) for change in changes if (risk := risk_of(change)) is not None]
    return tuple(sorted(found, key=lambda one: (RISKS.index(one.risk), one.change.address)))
