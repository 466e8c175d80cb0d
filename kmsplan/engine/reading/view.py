"""What questions are answered with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list."""

    items: tuple[T, ...]
    page: int
    """Counted from 1."""
    size: int
    """As it was asked for; the last page may have fewer items."""
    total: int
    """Items on all pages."""


class Filter(NamedTuple):
    """One entry of a filter: the named property has one of these values."""

    key: str
    values: tuple[str, ...]


class KeyRef(NamedTuple):
    """A key in a list."""

    key_id: str
    arn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyView:
    """A key. Times are UTC, `yyyy-MM-ddTHH:mm:ssZ`."""

    key_id: str
    arn: str
    creator: str
    """An account, or the cloud service that owns it."""
    instance_id: str
    """Empty where it is in none."""
    key_type: str
    spec: str
    usage: str
    origin: str
    state: str
    description: str
    storage_mechanism: str | None
    protection_level: str
    """SOFTWARE or HSM."""
    creation_date: str
    delete_date: str | None
    """None unless its deletion is scheduled."""
    rotation: int | None
    """Seconds between automatic rotations; None where there are none."""
    rotation_state: str
    """Enabled, Disabled or Suspended."""
    last_rotation_date: str | None
    next_rotation_date: str | None
    primary_version: str | None
    """None for asymmetric keys, whose calls name a version, and while there is no material."""
    material_expires: str | None
    deletion_protection: bool
    protection_reason: str
    external_key_id: str | None
    last_used: str | None
    """To the minute."""
    read_only: bool
    """Migrated from KMS 1.0."""


class VersionView(NamedTuple):
    """A key version."""

    key_id: str
    version_id: str
    creation_date: str


class AliasView(NamedTuple):
    """An alias."""

    alias: str
    arn: str
    key_id: str


class TagView(NamedTuple):
    """A tag of a resource."""

    resource_id: str
    resource_type: str
    """key or instance."""
    name: str
    value: str


class InstanceRef(NamedTuple):
    """An instance in a list."""

    instance_id: str
    arn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceView:
    """An instance."""

    instance_id: str
    arn: str
    name: str
    type: str
    product_version: str
    """How the API writes the type; empty for external ones, where no source tells."""
    status: str
    spec: int
    """Symmetric requests a second."""
    key_quota: int
    versions: int
    """Key versions in it."""
    vpc_quota: int
    created: str
    vpc_id: str
    vswitch_ids: tuple[str, ...]
    zone_ids: tuple[str, ...]
    bind_vpcs: tuple[Mapping[str, Any], ...]
    """Each with VpcId, VSwitchId, RegionId and VpcOwnerId."""
    deletion_protection: bool
    protection_reason: str
    hsm: Mapping[str, str] | None
    """PKCS#11 module and token label; None where it has no HSM."""
    proxy: Mapping[str, str] | None
    """Where the key manager's proxy is; None where it has none."""


class QuotaView(NamedTuple):
    """How much of something an instance may hold, or all of them, and how much it is."""

    resource_type: str
    quota: int
    used: int
