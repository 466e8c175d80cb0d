"""A plan: a value that says what will be done and why; it can be printed, saved, compared and refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from kmsplan.resource.address import Address
    from kmsplan.resource.step import Effect, Step


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
    SERVICE = "made_by_its_service"
    """A cloud service's key: it exists, and its alias tells whose it is."""
    REMOVED = "removed_block"
    MOVED = "moved_block"
    FOLLOWS = "follows_successor"
    """What it points at has been replaced."""
    SETTING = "setting"
    """Only rules for kmsplan itself differ: recorded, no operation."""
    ACCEPTED = "accept_observed"
    """The configuration asks for what was changed behind the record's back: recorded, no operation."""
    WAITING = "pending_deletion"
    """Deletion is scheduled, and nobody asks for the object any more."""
    STAGED_UNPROTECT = "staged_unprotect"
    """Staged destruction: protection goes off."""
    STAGED_DISABLE = "staged_disable"
    """Staged destruction: the key is disabled."""
    STAGED_WAITING = "staged_waiting"
    """Staged destruction: disabled, and not unused for long enough yet."""
    STAGED_SCHEDULE = "staged_schedule"
    """Staged destruction: unused for long enough; its deletion is scheduled."""
    GRACE = "predecessor_in_grace"
    """Replaced, and kept enabled until its grace has ended."""
    VERSIONS = "versions_due_later"
    """It is to have more versions, and the KMS makes the next one later."""
    UNREADABLE = "unreadable"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blast:
    """What a change may make unreadable, and for whom."""

    aliases: tuple[str, ...] = ()
    """API names of the managed aliases that point at the key."""
    unmanaged: tuple[str, ...] = ()
    """API names of the others."""
    used_by: tuple[str, ...] = ()
    """Who is declared to use it."""
    last_used: str | None = None
    """The day of its last use; None where there was none, or nobody knows."""
    tracked_since: str | None = None
    """The day since which uses are noted; None where they are not."""
    versions: int | None = None
    """How many versions the key has, where the KMS counts them."""
    encryptions: int | None = None
    """At most so many ciphertexts and data keys are under it, rounded up to a power of ten; None: not counted."""
    holds: tuple[str, ...] = ()
    """The keys in an instance: addresses, and identities of those that nobody manages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One object's way from before to after.

    What becomes of its record: first the record at `moved_from` comes here, then `effect` happens, then the effects
    of the steps, one by one. An adopted object's record is made by its `effect`, with `identity`.
    """

    address: Address
    action: Action
    reason: Reason
    identity: str | None = None
    before: Mapping[str, Any] | None = None
    """Observed attributes and recorded settings; None where there is no object."""
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
    tests: Address | None = None
    """The key that must do what it is for before anything of this change is done: a successor."""
    moved_from: Address | None = None
    effect: Effect | None = None
    """What becomes of the record without any operation."""
    note: str | None = None
    """One sentence for the reviewer: what it means for data."""
    blast: Blast | None = None
    """Of what deletes, disables or replaces: what may become unreadable."""

    @property
    def active(self) -> bool:
        """Whether it does something, if only to the record, and may."""
        return self.blocked is None and (
            self.action is not Action.NO_OP or self.effect is not None or self.moved_from is not None
        )

    @property
    def adopts_and_changes(self) -> bool:
        """Whether it takes over an object that is not as declared, so that it changes it too."""
        return self.action is Action.ADOPT and bool(self.attributes)


class Unchanged(NamedTuple):
    """An object that is as it should be. A plan has thousands of them, so they are cheaper than changes."""

    address: Address
    identity: str
    attributes: Mapping[str, Any]
    """Desired attributes."""


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
    where: str = ""
    """FILE:LINE:COLUMN of the declaration, where there is one."""


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
class Allowances:
    """Which brakes are let go, each by its flag."""

    delete: int = 0
    """--allow-delete N: how many deletions are expected, exactly."""
    mass: bool = False
    """--allow-mass."""
    in_use: tuple[str, ...] = ()
    """--allow-in-use ADDRESS, each."""
    release: tuple[str, ...] = ()
    """--allow-release ADDRESS, each."""

    def joined(self, other: Allowances) -> Allowances:
        """Return what is allowed when `other` is said on top."""
        return Allowances(
            delete=other.delete or self.delete,
            mass=self.mass or other.mass,
            in_use=tuple(sorted({*self.in_use, *other.in_use})),
            release=tuple(sorted({*self.release, *other.release})),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """What the command line says about a plan."""

    now: datetime
    """Aware; brakes look at it, and whether a key may have another version."""
    destroy: bool = False
    targets: tuple[str, ...] = ()
    """Addresses or globs; with what they depend on, nothing else is planned."""
    excludes: tuple[str, ...] = ()
    """Addresses or globs; neither they nor what depends on them are planned."""
    allowances: Allowances = field(default_factory=Allowances)
    accept_old_state: bool = False
    """Whether to plan although the KMS has seen a newer state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything an apply will do, and what it was made from."""

    lineage: str
    serial: int
    environment: str
    config_digest: str
    changes: tuple[Change, ...]
    """Sorted by address: all that there is something to say about."""
    unchanged: tuple[Unchanged, ...] = ()
    """Sorted by address; () in a plan that was saved."""
    drift: tuple[Drift, ...] = ()
    violations: tuple[Violation, ...] = ()
    complete: bool = True
    """False where targets, excludes or blocked changes left something out."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    destroy: bool = False
    allow_delete: int = 0
    allow_mass: bool = False
    allow_in_use: tuple[str, ...] = ()
    allow_release: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    keys: int = 0
    """How many keys are recorded and live: what the mass brake measures against."""
    author: str = ""
    """USER@HOST that saved it; not in its digest, so that equal plans are equal whoever made them."""

    @property
    def effective(self) -> tuple[Change, ...]:
        """The changes that do something."""
        return tuple(change for change in self.changes if change.active)

    @property
    def blocked(self) -> tuple[Change, ...]:
        """The changes that cannot be carried out now."""
        return tuple(change for change in self.changes if change.blocked is not None)

    @property
    def empty(self) -> bool:
        """Whether everything is as it should be."""
        return not any(change.active or change.blocked is not None for change in self.changes)

    @property
    def applyable(self) -> bool:
        """Whether there is something to do and no rule forbids it."""
        return not self.violations and any(change.active for change in self.changes)

    @property
    def allowances(self) -> Allowances:
        """The brakes that were let go when the plan was made."""
        return Allowances(
            delete=self.allow_delete, mass=self.allow_mass, in_use=self.allow_in_use, release=self.allow_release
        )
