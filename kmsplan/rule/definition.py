"""Rules as values: as they are written down, and as somebody chose them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from kmsplan.rule.fact import Subject

Value: TypeAlias = int | str | tuple[str, ...]
"""Of a parameter."""


class Stricter(StrEnum):
    """Which of two values of a parameter asks for more."""

    LOWER = "lower"
    HIGHER = "higher"
    FEWER = "fewer"
    """Of two lists: what is in both."""
    MORE = "more"
    """Of two lists: what is in either."""
    NEITHER = "neither"
    """It only says what something is called; the last one counts."""


SEVERITIES: Final = ("error", "warning", "note")
"""The gravest first; only an error refuses a plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """What can be set in a rule of kmsplan's."""

    default: Value
    stricter: Stricter
    doc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A rule as it is written down."""

    id: str
    title: str
    judges: Subject
    must: str
    """CEL: what has to hold."""
    when: str = "true"
    """CEL: whom it concerns."""
    severity: str = "error"
    remedy: str = ""
    clauses: tuple[str, ...] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A rule that counts."""

    definition: Definition
    severity: str
    packs: tuple[str, ...]
    """Those that have it; a file's name for a rule of the user's own."""
    clauses: tuple[str, ...] = ()
    """What it takes after, in those packs."""
    values: Mapping[str, Value] = field(default_factory=dict)
    """By parameter."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What decides how it judges, for a digest."""
        definition = self.definition
        return {
            "severity": self.severity,
            "judges": definition.judges,
            "when": definition.when,
            "must": definition.must,
            "values": dict(self.values),
        }


@dataclass(frozen=True, slots=True)
class Policy:
    """Every rule that counts, in the order of packs and files."""

    rules: tuple[Chosen, ...]

    @property
    def facts(self) -> Mapping[str, Any]:
        """What a plan is made under, by rule; another policy is another configuration."""
        return {rule.definition.id: rule.facts for rule in self.rules}


def stricter(parameter: Parameter, first: Value, second: Value) -> Value:
    """Return the value that asks for more."""
    match parameter.stricter:
        case Stricter.LOWER:
            return min(first, second)
        case Stricter.HIGHER:
            return max(first, second)
        case Stricter.FEWER:
            return tuple(item for item in _items(first) if item in _items(second))
        case Stricter.MORE:
            return tuple(dict.fromkeys((*_items(first), *_items(second))))
    return second


def _items(value: Value) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()
