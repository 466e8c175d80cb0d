"""What rules judge, and everything that is known to make it from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from datetime import datetime

    from kmsplan.config.configuration import Declared
    from kmsplan.config.diagnostic import Span
    from kmsplan.plan.plan import Plan
    from kmsplan.resource.address import Address
    from kmsplan.resource.value import Observed
    from kmsplan.rule.fact import Subject
    from kmsplan.state.record import Recorded

KEYS: Final = ("key", "default_key")
"""The kinds that rules about keys judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One object that rules judge."""

    subject: Subject
    address: str
    identity: str
    facts: Mapping[str, Any]
    span: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Everything that is known."""

    desired: Mapping[Address, Declared]
    now: datetime
    """Aware."""
    recorded: Recorded
    observed: Observed | None = None
    """None where the KMS was not asked."""
    plan: Plan | None = None
    """None where none was made."""
    moved: Mapping[Address, Address] = field(default_factory=dict)
