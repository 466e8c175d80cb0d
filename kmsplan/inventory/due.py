"""One date that somebody has to know: a rotation, an expiry, an end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class DueKind(StrEnum):
    """What falls due."""

    ROTATION = "rotation"
    """The KMS makes a new version of the key."""
    VERSION = "version"
    """An asymmetric key may be given its next version, by an apply."""
    MATERIAL_EXPIRY = "material_expiry"
    """Imported material is deleted by the KMS; the key does not work until it is imported again."""
    DELETION = "deletion"
    """The key is deleted for ever; until then the deletion can be cancelled."""
    STAGED = "staged"
    """The next step of a key's staged destruction may be taken, by an apply."""
    GRACE = "grace"
    """A predecessor's grace ends, and an apply disables it."""
    WAIVER = "waiver"
    """A waiver counts for the last day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Something that happens, or is to be done, at a time."""

    at: datetime
    """Aware, UTC. What is due on a day and at no time of it is due at that day's start."""
    kind: DueKind
    address: str
    """As somebody finds it in the configuration; a waiver's as written; "" where the object is not managed."""
    identity: str
    """"" for a waiver."""
    summary: str
    """What happens, in one sentence without a full stop; holds users' own words."""
    remedy: str
    """What to do about it."""

    @property
    def subject(self) -> str:
        """Return what it is about, as people name it."""
        return self.address or self.identity

    def overdue(self, now: datetime) -> bool:
        """Whether its time has passed."""
        return self.at < now


@dataclass(frozen=True, slots=True, kw_only=True)
class DueReport:
    """Everything that falls due until a time, and what nobody could tell."""

    due: tuple[Due, ...] = ()
    """Sorted by time, then subject and kind; what is overdue comes first."""
    until: datetime
    """Aware, UTC."""
    untold: tuple[str, ...] = ()
    """Addresses, or identities, of keys that have dates which could not be read."""
    environment: str = ""
    lineage: str = ""
