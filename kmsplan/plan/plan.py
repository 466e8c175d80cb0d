"""A plan: a value that says what will be done and why; it can be printed, saved, compared and refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kmsplan.resource.address import Address
    from kmsplan.resource.step import Step


class Action(StrEnum):
    """What becomes of an object."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    """Make a successor; its predecessor is kept under a retired address."""
    DELETE = "delete"
    """Keys: schedule deletion. Aliases and instances: delete."""
    RESTORE = "restore"
    """Cancel a pending deletion."""
    ADOPT = "adopt"
    """Record an object that exists already: an import, or an owned one that the state lost."""
    FORGET = "forget"
    """Drop the record; the object stays."""
    NO_OP = "no-op"


GLYPHS: Mapping[Action, str] = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.REPLACE: "-/+",
    Action.DELETE: "-",
    Action.RESTORE: "<-",
    Action.ADOPT: "<=",
    Action.FORGET: ".",
    Action.NO_OP: " ",
}


class Reason(StrEnum):
    """Why an action is planned; for people and reports, nothing branches on it."""

    NEW = "new"
    CHANGED = "changed"
    DRIFTED = "drifted"
    VANISHED = "vanished"
    CANNOT_UPDATE = "replace_because_cannot_update"
    SUCCEEDED = "retired_by_successor"
    NOT_IN_CONFIGURATION = "delete_because_no_resource_config"
    DESTROY = "delete_by_request"
    PENDING_DELETION = "restore_pending_deletion"
    DELETION_COMPLETED = "deletion_completed"
    IMPORTED = "import"
    OWNED = "found_by_owner_tag"
    REMOVED = "removed_block"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One object's way from before to after."""

    address: Address
    action: Action
    reason: Reason
    identity: str | None = None
    before: Mapping[str, Any] | None = None
    """Observed attributes; None where there is no object."""
    after: Mapping[str, Any] | None = None
    attributes: tuple[str, ...] = ()
    """Names that differ."""
    unknown: tuple[str, ...] = ()
    """Names known only after apply: identities that the KMS will choose."""
    steps: tuple[Step, ...] = ()
    depends_on: tuple[Address, ...] = ()
    """Changes that must be done before this one."""
    blocked: str | None = None
    """Why it cannot be carried out now; its steps are empty then."""
    digest: str | None = None
    """sha256 hex of what was observed; apply refuses if it has moved."""
    moved_from: Address | None = None
    note: str | None = None
    """One sentence for the reviewer: what it means for data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A rule of key safety that the plan breaks."""

    code: str
    """P101 and so on; docs/errors.md explains each."""
    address: Address | None
    summary: str
    detail: str
    brake: bool = False
    """True where a named flag lets it pass; False where nothing does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How one object differs from its record."""

    address: str
    identity: str
    kind: str
    """changed, vanished, pending_deletion, unmanaged or unreadable."""
    attributes: tuple[DriftedAttribute, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftedAttribute:
    """One attribute three ways; `desired` is None where the configuration does not say."""

    name: str
    recorded: Any
    observed: Any
    desired: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything an apply will do, and what it was made from."""

    lineage: str
    serial: int
    environment: str
    config_digest: str
    changes: tuple[Change, ...]
    """Sorted by address; unchanged objects are among them."""
    drift: tuple[Drift, ...] = ()
    violations: tuple[Violation, ...] = ()
    complete: bool = True
    """False where targets or unreadable objects left something out."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    destroy: bool = False
    allow_delete: int = 0
    allow_mass: bool = False
    allow_in_use: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()

    @property
    def effective(self) -> tuple[Change, ...]:
        """The changes that do something."""
        return tuple(change for change in self.changes if change.action is not Action.NO_OP)

    @property
    def applyable(self) -> bool:
        """Whether there is something to do and no rule forbids it."""
        return bool(self.effective) and not self.violations
