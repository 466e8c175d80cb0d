"""Records and the state they make up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kmsplan.resource.step import Status

if TYPE_CHECKING:
    from kmsplan.resource.address import Address
    from kmsplan.resource.step import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the last run left of one object."""

    address: Address
    identity: str
    attributes: Mapping[str, Any]
    status: Status = Status.READY


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An operation that began and has no end on record."""

    sequence: int
    address: Address
    operation: str
    parameters: Mapping[str, Any]
    token: str | None
    """CreateKey, CreateInstance: the token in the owner tag."""
    identity: str | None
    """The object it acts on, where that was known."""
    effect: Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """How a serial came to be: the run that made it."""

    at: datetime
    """When that run began."""
    by: str
    """user@host; "" where it is not known."""
    command: str
    plan: str
    """Digest of the plan; "" where a command works without one."""


@dataclass(frozen=True, slots=True)
class Deletions:
    """The deletions that a run was allowed, and what for."""

    purpose: str
    """sha256 hex: equal for runs of one command on one configuration."""
    addresses: tuple[Address, ...]
    """Sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The state as it is known: the snapshot with the journal folded in."""

    lineage: str
    """Random, born with the state; "" where there is none yet."""
    serial: int
    """Counts the runs that changed something; 0 where there is no state yet."""
    environment: str
    """The KMS that the records speak of; "" until the first apply."""
    records: Mapping[Address, Record] = field(default_factory=dict)
    pending: tuple[Pending, ...] = ()
    made: Made | None = None
    """How this serial came to be; None for one that no run has made, or an old one."""
    unfinished: Deletions | None = None
    """Of the last run, if it was to delete something and has not come to its end."""

    @property
    def exists(self) -> bool:
        """Whether there is a state at all."""
        return bool(self.lineage)


NO_STATE = Recorded(lineage="", serial=0, environment="")
