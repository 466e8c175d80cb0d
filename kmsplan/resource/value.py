"""Objects as values: a resource, and the three things that reading one can yield."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from kmsplan.resource.address import Address


@dataclass(frozen=True, slots=True)
class Resource:
    """An object with canonical attributes, wherever it came from."""

    address: Address
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """The object exists and was read whole.

    References among `attributes` are identities here (`kst-...`, `key-...`); `localise` turns them into addresses.
    """

    kind: str
    identity: str
    attributes: Mapping[str, Any]
    state: str = "Enabled"
    """Keys: the KeyState. Instances: their status. Aliases: Enabled."""
    owner: str | None = None
    """The owner tag's value; it is not among the tags."""
    migrated: bool = False
    """Whether the key is one of KMS 1.0, which is read and nothing else: no plan can manage it."""
    computed: Mapping[str, Any] = field(default_factory=dict)
    """What only the KMS decides: arn, creation_date, delete_date, last_rotation_date, next_rotation_date,
    last_used, primary_key_version, protection_level, encryptions (at most; None where they are not counted)."""


@dataclass(frozen=True, slots=True)
class Absent:
    """The KMS answered, and says that there is no such object."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The object could not be read; nothing is known of it, least of all that it is gone."""

    code: str
    message: str


Observation: TypeAlias = Present | Absent | Unreadable
ABSENT = Absent()


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed:
    """The newest serial of a state that the KMS was told of."""

    serial: int
    by: str
    """Who told it; "" where the KMS keeps no names."""
    at: str
    """When; "" where it keeps no times."""

    def __str__(self) -> str:
        by = f", by {self.by}" if self.by else ""
        return f"serial {self.serial}{by}{f' at {self.at}' if self.at else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One reading of a KMS."""

    environment: str
    """Which KMS this is; a plan made for one is refused by another."""
    objects: Mapping[str, Observation]
    """By identity: every one that was asked for."""
    others: tuple[Present, ...] = ()
    """What the KMS also holds and nobody asked for: owned objects of an unknown identity, and unmanaged ones."""
    states: Mapping[str, Witnessed] = field(default_factory=dict)
    """By lineage: the newest serial of every state that the KMS was told of."""

    def ahead_of(self, lineage: str, serial: int) -> Witnessed | None:
        """Return what the KMS has seen of a state where that is newer than this serial; None where it is not."""
        known = self.states.get(lineage)
        return known if known is not None and known.serial > serial else None


def localise(present: Present, addresses: Mapping[str, str], references: tuple[str, ...]) -> dict[str, Any]:
    """Return the attributes with identities of known objects replaced by their addresses."""
    attributes = dict(present.attributes)
    for name in references:
        value = attributes.get(name)
        attributes[name] = addresses.get(value, value) if value is not None else None
    return attributes
