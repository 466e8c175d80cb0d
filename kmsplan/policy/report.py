"""What a policy check says: evidence for and against each rule, never a claim of compliance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kmsplan.config.configuration import Waiver
    from kmsplan.config.diagnostic import Span


class Severity(StrEnum):
    """How much a broken rule matters; only an ERROR refuses a plan (exit 4)."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of a pack, or of the user's own."""

    id: str
    """R101 and so on in kmsplan's packs; the user's own choice elsewhere."""
    title: str
    """A sentence that says what must hold."""
    severity: Severity
    remedy: str
    """What to do where it does not hold."""
    pack: str
    clauses: tuple[str, ...] = ()
    """What it takes after: "NIST SP 800-57 Part 1 Rev. 5, 5.3.6", ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One object that breaks one rule."""

    rule: Rule
    address: str
    identity: str = ""
    message: str
    """What is the case, with the values."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """The values that were judged, by name."""
    span: Span | None = None
    """Where the object is declared."""
    waiver: Waiver | None = None
    """Who accepts it until when; also one that has expired, which then accepts nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """How one rule came out."""

    rule: Rule
    held: int
    """Objects for which it holds."""
    broken: int
    waived: int
    skipped: int
    """Objects of which what it asks is not known."""
    unknown: tuple[str, ...] = ()
    """The facts that were not known of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyReport:
    """Every rule over every object."""

    findings: tuple[Finding, ...] = ()
    """Sorted by severity, then address, then rule."""
    waived: tuple[Finding, ...] = ()
    unused: tuple[Waiver, ...] = ()
    """Waivers that nothing matches any more."""
    judged: tuple[Judged, ...] = ()
    """Every rule, in the packs' order."""
    objects: int = 0

    @property
    def refused(self) -> bool:
        """Whether a rule that must hold does not."""
        return any(finding.rule.severity is Severity.ERROR for finding in self.findings)
