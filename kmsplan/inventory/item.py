"""One key of the inventory, with every fact that is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from kmsplan.kms.quantum import QuantumClass

if TYPE_CHECKING:
    from kmsplan.kms.quantum import Quantum


class Presence(StrEnum):
    """What reading the KMS yielded."""

    PRESENT = "present"
    ABSENT = "absent"
    """It is recorded, and the KMS does not have it."""
    UNREADABLE = "unreadable"
    """It could not be read: what is said of it is what the last apply left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One key. None means that there is none; what nobody could tell is None too, and named in `unknown`."""

    address: str | None
    """In this configuration; None where it is not managed by it."""
    identity: str
    kind: str
    """key, default_key or service_key."""
    presence: Presence
    unknown: frozenset[str] = frozenset()
    """Names of the fields that nobody could tell."""
    arn: str | None = None
    lineage: str | None = None
    """Of the state that owns it, by its owner tag or because it is recorded there."""
    instance: str | None = None
    """The address of its instance, or the identity of one that is not managed; None for keys without one."""
    protection: str | None = None
    """software, hardware or external: what protects its material."""
    spec: str | None = None
    size: int | None = None
    """Bits: of the secret of a symmetric key, of the modulus of RSA, of the order of a curve."""
    usage: str | None = None
    origin: str | None = None
    hsm_object: str | None = None
    """The CKA_ID of the object of a token that it stands for: its material was there before it."""
    state: str | None = None
    """The API's KeyState."""
    created: datetime | None = None
    age_days: int | None = None
    versions: int | None = None
    primary_version: str | None = None
    last_rotation: datetime | None = None
    next_rotation: datetime | None = None
    rotation_seconds: int | None = None
    """The period; None where it does not rotate by itself."""
    last_used: datetime | None = None
    """None where there was no use since `tracked_since`."""
    tracked_since: datetime | None = None
    """Since when its uses are noted; None where they are not."""
    material_expires: datetime | None = None
    deletion: datetime | None = None
    """When it is deleted; None where it is not to be."""
    deletion_protection: bool | None = None
    owner: str | None = None
    """The tag `owner`, else `team`."""
    description: str = ""
    aliases: tuple[str, ...] = ()
    """Sorted, with `alias/`."""
    used_by: tuple[str, ...] = ()
    """Who uses it, as the configuration says."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """The user's, sorted by name."""
    data_lifetime: str | None = None
    """The tag `data-lifetime`: how long what it protects must stay secret, in the user's words."""
    quantum: Quantum | None = None
    """What a quantum computer would do to it; None where its spec is not known."""
    harvest: bool = False
    """Whether what it encrypts today can be kept and read by a later quantum computer."""
    note: str = ""
    """Why something is not known, in the KMS's words."""

    @property
    def managed(self) -> bool:
        """Whether this configuration manages it."""
        return self.address is not None

    @property
    def vulnerable(self) -> bool:
        """Whether a quantum computer breaks it outright."""
        return self.quantum is not None and self.quantum.kind is QuantumClass.VULNERABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Every key, and where it was seen."""

    items: tuple[Item, ...]
    """Managed ones by address, then the others by identity."""
    environment: str = ""
    lineage: str = ""
    """Of this configuration's state; "" where there is none yet."""
    unmanaged: int = 0
    """Keys of the KMS that this configuration does not manage, listed or not."""
