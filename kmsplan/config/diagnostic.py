"""Problems in what users wrote: collected, never raised one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is; only errors stop."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a file; line and column count from 1."""

    filename: str
    """Relative to the configuration folder where it lies inside, for reports that are the same everywhere."""
    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One problem: what is wrong, where, why, and what to do."""

    code: str
    """Stable, for example K101; docs/errors.md explains each."""
    summary: str
    """A short line without user data."""
    detail: str
    """Full sentences: the value, the rule, the remedy."""
    span: Span | None = None
    excerpt: str | None = None
    """The source line at `span`, without its newline."""
    address: str | None = None
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """How a check of a configuration came out."""

    diagnostics: tuple[Diagnostic, ...] = ()
    objects: int = 0
    """How many are declared, where there is no error."""

    @property
    def errors(self) -> int:
        """How many of them stop."""
        return sum(one.severity is Severity.ERROR for one in self.diagnostics)

    @property
    def valid(self) -> bool:
        """Whether there is no error."""
        return self.errors == 0


class ConfigurationError(Exception):
    """The configuration has errors; every one is in `diagnostics`."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        self.diagnostics = diagnostics
        super().__init__(f"{len(diagnostics)} problems in the configuration")
