"""Journal entries: what a run writes down before and after everything it does.

An entry's JSON is its fields, in order; `journal.py` adds the check that chains each line to the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from kmsplan.kms.settling import OPERATIONS
from kmsplan.resource.step import Effect, Status
from kmsplan.state.record import Deletions

if TYPE_CHECKING:
    from kmsplan.resource.address import Address


class Ending(StrEnum):
    """How an operation that began has ended."""

    DONE = "done"
    FAILED = "failed"
    """The KMS refused; nothing was done."""
    NOT_DONE = "not_done"
    """Its run was interrupted, and a later one found that it had not been carried out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEntry:
    """A run begins: what it carries out, and on which state."""

    event: str = "run"
    sequence: int
    run: str
    fence: int
    time: datetime
    lineage: str
    serial: int
    environment: str
    plan: str
    """Digest of the plan; "" where a command works without one."""
    command: str
    by: str = ""
    """user@host."""
    deletions: Deletions | None = None
    """What it is allowed to delete, an interrupted run's that it finishes included; None where it deletes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginEntry:
    """An operation is about to be sent to the KMS."""

    event: str = "begin"
    sequence: int
    run: str
    fence: int
    time: datetime
    address: Address
    operation: str
    parameters: Mapping[str, Any]
    token: str | None
    identity: str | None
    effect: Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class EndEntry:
    """An operation has ended."""

    event: str = "end"
    sequence: int
    run: str
    fence: int
    time: datetime
    begin: int
    """Sequence number of its begin."""
    ending: Ending
    identity: str | None
    """Of what it made."""
    code: str | None
    message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordEntry:
    """A record changes without any operation: adopted, forgotten, moved, or a setting of kmsplan's own."""

    event: str = "record"
    sequence: int
    run: str
    fence: int
    time: datetime
    address: Address
    effect: Effect
    identity: str | None
    """Where given, a new record with this identity takes the address; else the effect is merged into the record."""
    moved_from: Address | None
    """The record that stood here moves to `address` first."""


Entry: TypeAlias = RunEntry | BeginEntry | EndEntry | RecordEntry


def decode_effect(values: Mapping[str, Any]) -> Effect:
    """Return an effect from its JSON.

    Raises:
        KeyError, TypeError, ValueError: it has another form.
    """
    status = values["status"]
    return Effect(
        attributes=values["attributes"],
        status=None if status is None else Status(status),
        removes=values["removes"],
        retires=values["retires"],
    )


def decode_deletions(values: Mapping[str, Any] | None) -> Deletions | None:
    """Return a run's deletions from their JSON.

    Raises:
        KeyError, TypeError: they have another form.
    """
    return None if values is None else Deletions(values["purpose"], tuple(values["addresses"]))


def _run(values: dict[str, Any]) -> RunEntry:
    return RunEntry(**{**values, "deletions": decode_deletions(values.get("deletions"))})


def _begin(values: dict[str, Any]) -> BeginEntry:
    if values["operation"] not in OPERATIONS:
        raise UnknownEntryError(f"operation {values['operation']!r}")
    return BeginEntry(**{**values, "effect": decode_effect(values["effect"])})


_DECODERS: Final[Mapping[str, Callable[[dict[str, Any]], Entry]]] = MappingProxyType(
    {
        "run": _run,
        "begin": _begin,
        "end": lambda values: EndEntry(**{**values, "ending": Ending(values["ending"])}),
        "record": lambda values: RecordEntry(**{**values, "effect": decode_effect(values["effect"])}),
    }
)


class UnknownEntryError(ValueError):
    """An intact entry that this version has no word for: a newer one wrote it."""


def decode(values: Any) -> Entry:
    """Return an entry from its JSON.

    Raises:
        UnknownEntryError: its event or operation is unknown.
        KeyError, TypeError, ValueError: it has another form.
    """
    decoder = _DECODERS.get(values["event"])
    if decoder is None:
        raise UnknownEntryError(f"event {values['event']!r}")
    return decoder({**values, "time": datetime.fromisoformat(values["time"])})
