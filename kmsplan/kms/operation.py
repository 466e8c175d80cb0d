"""The closed set of control-plane operations, named as the API names them, as values.

1. An operation says everything that its call needs; executing one needs nothing else.
2. An id that an earlier operation will make is a `Reference` to its address until the executor resolves it.
3. `wire` turns each into a call of the API, and `settling` says of each whether a repeat is harmless.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Reference:
    """The identity of the object at `address`, known when that object exists."""

    address: str


Identity: TypeAlias = str | Reference
"""A KMS id (`key-...`, `kst-...`, `alias/...`), or a reference to one that is not known yet."""


def _wire(name: str, **options: Any) -> Any:
    """Return a field with the parameter name that the API uses."""
    return field(metadata={"wire": name}, **options)


class _Call:
    """What all operations share: equality by content, and a readable form.

    Written once rather than generated for each class: making a method costs a tenth of a millisecond at every start.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and _contents(self) == _contents(other)

    def __hash__(self) -> int:
        return hash((type(self).__name__, repr(_contents(self))))

    def __repr__(self) -> str:
        names = FIELDS[type(self).__name__]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name, _ in names)})"


def _contents(call: object) -> tuple[object, ...]:
    return tuple(getattr(call, name) for name, _ in FIELDS[type(call).__name__])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class CreateInstance(_Call):
    """Order and connect an instance (BssOpenApi CreateInstance, then ConnectKmsInstance)."""

    type: str = _wire("ProductType")
    spec: int = _wire("Spec")
    key_quota: int = _wire("KeyNum")
    hsm: Mapping[str, str] | None = _wire("Hsm", default=None)
    """Hardware: PKCS#11 module path and token label; never the PIN."""
    proxy: Mapping[str, str] | None = _wire("Proxy", default=None)
    """External: URL, path and certificate fingerprint of the key manager's proxy; never the access key."""
    tags: Mapping[str, str] = _wire("Tags", default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ModifyInstance(_Call):
    """Resize an instance (BssOpenApi ModifyInstance), or say where an external one's proxy is now."""

    instance: Identity = _wire("KmsInstanceId")
    spec: int | None = _wire("Spec", default=None)
    key_quota: int | None = _wire("KeyNum", default=None)
    proxy: Mapping[str, str] | None = _wire("Proxy", default=None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ReleaseKmsInstance(_Call):
    """Release an instance: the API destroys every key in it at once."""

    instance: Identity = _wire("KmsInstanceId")
    force: bool | None = _wire("ForceDeleteWithoutBackup", default=None)
    """Destroy the keys that it holds, at once and for ever; without it an instance that holds keys stays."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ConnectKmsInstance(_Call):
    """Put an instance into its network: one VPC, its vSwitches and zones."""

    instance: Identity = _wire("KmsInstanceId")
    provider: str = _wire("KMProvider", default="Aliyun")
    vpc: str = _wire("VpcId")
    switches: tuple[str, ...] = _wire("VSwitchIds")
    zones: tuple[str, ...] = _wire("ZoneIds")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class UpdateKmsInstanceBindVpc(_Call):
    """Replace the list of further VPCs that may reach an instance."""

    instance: Identity = _wire("KmsInstanceId")
    vpcs: tuple[Mapping[str, Any], ...] = _wire("BindVpcs")
    """Each with VpcId, VSwitchId, RegionId and VpcOwnerId (a number)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class UpdateKmsInstance(_Call):
    """Name an instance; the Terraform provider calls it, the SDK does not have it."""

    instance: Identity = _wire("KmsInstanceId")
    name: str = _wire("InstanceName")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class CreateKey(_Call):
    """Create a key. The API takes no client token: the owner tag among `tags` is the token."""

    instance: Identity | None = _wire("DKMSInstanceId", default=None)
    """None enables the default CMK."""
    spec: str = _wire("KeySpec")
    usage: str = _wire("KeyUsage")
    origin: str = _wire("Origin")
    storage_mechanism: str | None = _wire("KeyStorageMechanism", default=None)
    description: str = _wire("Description", default="")
    rotation: int | None = _wire("RotationInterval", default=None)
    """Seconds; None leaves automatic rotation off."""
    policy: Mapping[str, Any] | None = _wire("Policy", default=None)
    tags: Mapping[str, str] = _wire("Tags", default_factory=dict)
    external_key_id: str | None = _wire("ExternalKeyId", default=None)
    """External instances: what the key manager calls the key. Our own: the API has no parameter for it."""
    hsm_object: str | None = _wire("HsmObject", default=None)
    """Hardware instances: the CKA_ID, in hexadecimal digits, of the object in the token that is the key's material
    already; None lets the HSM make it. Our own, too."""
    protection_level: str | None = _wire("ProtectionLevel", default=None)
    """Of the default CMK; an instance decides for its keys."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class CreateKeyVersion(_Call):
    """Give an asymmetric key one more version; it answers with the version's id."""

    key: Identity = _wire("KeyId")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class EnableKey(_Call):
    """Enable a key."""

    key: Identity = _wire("KeyId")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class DisableKey(_Call):
    """Disable a key: no cryptography until it is enabled."""

    key: Identity = _wire("KeyId")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ScheduleKeyDeletion(_Call):
    """Schedule a key's deletion; until the window ends CancelKeyDeletion undoes it."""

    key: Identity = _wire("KeyId")
    window_days: int = _wire("PendingWindowInDays")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class CancelKeyDeletion(_Call):
    """Cancel a scheduled deletion; the key comes back Enabled."""

    key: Identity = _wire("KeyId")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ImportKeyMaterial(_Call):
    """Give a key of origin EXTERNAL its material, or its material another expiry date (BYOK).

    It says where the material is found, never what it is: whoever carries it out finds it, wraps it under a key of the
    KMS's (GetParametersForImport) and sends that.
    """

    key: Identity = _wire("KeyId")
    spec: str = _wire("KeySpec")
    """What the key is, which decides what material it takes."""
    material: Mapping[str, Any] = _wire("Material")
    """`{"file": PATH}`, `{"env": NAME}` or `{"exec": [COMMAND, ...]}`, and `"format"`."""
    expires: int | None = _wire("KeyMaterialExpireUnix", default=None)
    """Seconds since 1970; None is never."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class DeleteKeyMaterial(_Call):
    """Destroy imported material at once; the key waits for the same material again."""

    key: Identity = _wire("KeyId")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class SetDeletionProtection(_Call):
    """Turn deletion protection of a key or of an instance on or off; exactly one of the two is named."""

    key: Identity | None = _wire("KeyId", default=None)
    instance: Identity | None = _wire("KmsInstanceId", default=None)
    enable: bool = _wire("EnableDeletionProtection")
    description: str | None = _wire("DeletionProtectionDescription", default=None)
    """Why it is protected; None leaves what is there. Switching it off clears it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class UpdateKeyDescription(_Call):
    """Set a key's description; empty clears it."""

    key: Identity = _wire("KeyId")
    description: str = _wire("Description")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class UpdateRotationPolicy(_Call):
    """Turn automatic rotation on with an interval in seconds, or off with None."""

    key: Identity = _wire("KeyId")
    rotation: int | None = _wire("RotationInterval", default=None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class SetKeyPolicy(_Call):
    """Replace a key's policy; None puts the KMS's default policy back."""

    key: Identity = _wire("KeyId")
    policy: Mapping[str, Any] | None = _wire("Policy", default=None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class TagResource(_Call):
    """Add tags to a key, or change their values: the older form of TagResources, for one key."""

    key: Identity = _wire("KeyId")
    tags: Mapping[str, str] = _wire("Tags")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class UntagResource(_Call):
    """Remove tags from a key by their keys: the older form of UntagResources."""

    key: Identity = _wire("KeyId")
    tag_keys: tuple[str, ...] = _wire("TagKeys")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class TagResources(_Call):
    """Add tags to keys or instances, or change their values."""

    resource: Identity | tuple[str, ...] = _wire("ResourceId")
    """One, or up to 50 of them."""
    resource_type: str = _wire("ResourceType")
    tags: Mapping[str, str] = _wire("Tag")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class UntagResources(_Call):
    """Remove tags from keys or instances by their keys, or all of them."""

    resource: Identity | tuple[str, ...] = _wire("ResourceId")
    """One, or up to 50 of them."""
    resource_type: str = _wire("ResourceType")
    tag_keys: tuple[str, ...] = _wire("TagKey")
    """Empty where all tags are removed."""
    every: bool | None = _wire("All", default=None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class CreateAlias(_Call):
    """Bind a new alias to a key."""

    alias: str = _wire("AliasName")
    key: Identity = _wire("KeyId")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class UpdateAlias(_Call):
    """Point an existing alias at another key, in one atomic step."""

    alias: str = _wire("AliasName")
    key: Identity = _wire("KeyId")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class DeleteAlias(_Call):
    """Delete an alias; the key stays."""

    alias: str = _wire("AliasName")


Operation: TypeAlias = (
    CreateInstance
    | ModifyInstance
    | ReleaseKmsInstance
    | ConnectKmsInstance
    | UpdateKmsInstanceBindVpc
    | UpdateKmsInstance
    | CreateKey
    | CreateKeyVersion
    | EnableKey
    | DisableKey
    | ScheduleKeyDeletion
    | CancelKeyDeletion
    | ImportKeyMaterial
    | DeleteKeyMaterial
    | SetDeletionProtection
    | UpdateKeyDescription
    | UpdateRotationPolicy
    | SetKeyPolicy
    | TagResource
    | UntagResource
    | TagResources
    | UntagResources
    | CreateAlias
    | UpdateAlias
    | DeleteAlias
)


KINDS: Final[Mapping[str, type[Operation]]] = MappingProxyType({kind.__name__: kind for kind in get_args(Operation)})
FIELDS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = MappingProxyType(
    {
        name: tuple((item.name, item.metadata["wire"]) for item in dataclasses.fields(kind))
        for name, kind in KINDS.items()
    }
)
"""By operation: (field, API parameter) of every field, so that no call has to look them up."""


def name_of(operation: Operation) -> str:
    """Return the API's name of an operation."""
    return type(operation).__name__
