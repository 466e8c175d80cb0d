"""What each key type can do: the comparison tables of "Understanding KMS keys", cell by cell."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.kms.spec import SPECS, Family, KeySpec, KeyType

if TYPE_CHECKING:
    from collections.abc import Mapping


class Origin(StrEnum):
    """Where key material comes from."""

    KMS = "Aliyun_KMS"
    EXTERNAL = "EXTERNAL"


class KeyStorageMechanism(StrEnum):
    """How a hardware instance keeps a key: inside the HSM, or wrapped by it in a database."""

    HSM_INTERNAL = "HsmInternal"
    HSM_ENCRYPTED_DATABASE = "HsmEncryptedDatabase"


class Rotation(StrEnum):
    """Which keys of a type rotate by themselves."""

    NEVER = "never"
    ADD_ON = "with the paid add-on"
    SYMMETRIC = "symmetric, KMS-made keys"
    ENCRYPTED_DATABASE = "symmetric, KMS-made keys kept as HsmEncryptedDatabase"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """One row of the feature matrix."""

    rotation: Rotation
    schedule_deletion: bool
    deletion_protection: bool
    import_symmetric: bool
    import_asymmetric: bool
    backup: bool
    encrypt: bool
    """Encrypt and decrypt by the user's own applications."""
    sign: bool
    server_side_encryption: bool
    user_creates: bool
    policy: bool
    manage: bool = True
    """A user may enable, disable and describe such a key."""
    aliases: bool = True
    """A user may add and remove aliases; a service key's `alias/acs/...` belongs to its service."""
    tags: bool = True
    audit: bool = True
    symmetric_qps: tuple[int, ...] = (1000,)
    """Requests a second by instance spec; one value where it cannot be upgraded."""


CAPABILITIES: Final[Mapping[KeyType, Capability]] = MappingProxyType(
    {
        KeyType.SERVICE_KEY: Capability(
            rotation=Rotation.NEVER,
            schedule_deletion=False,
            deletion_protection=False,
            import_symmetric=False,
            import_asymmetric=False,
            backup=False,
            encrypt=False,
            sign=False,
            server_side_encryption=True,
            user_creates=False,
            policy=False,
            manage=False,
            aliases=False,
        ),
        KeyType.DEFAULT_CMK: Capability(
            rotation=Rotation.ADD_ON,
            schedule_deletion=True,
            deletion_protection=True,
            import_symmetric=True,
            import_asymmetric=False,
            backup=False,
            encrypt=False,
            sign=False,
            server_side_encryption=True,
            user_creates=False,
            policy=False,
        ),
        KeyType.SOFTWARE: Capability(
            rotation=Rotation.SYMMETRIC,
            schedule_deletion=True,
            deletion_protection=True,
            import_symmetric=True,
            import_asymmetric=True,
            backup=True,
            encrypt=True,
            sign=True,
            server_side_encryption=True,
            user_creates=True,
            policy=True,
            symmetric_qps=(200, 1000, 2000, 4000, 10_000, 20_000),
        ),
        KeyType.HARDWARE: Capability(
            rotation=Rotation.ENCRYPTED_DATABASE,
            schedule_deletion=True,
            deletion_protection=True,
            # Sources disagree on asymmetric import into an HSM; symmetric import is sure.
            import_symmetric=True,
            import_asymmetric=True,
            backup=False,
            encrypt=True,
            sign=True,
            server_side_encryption=True,
            user_creates=True,
            policy=True,
            symmetric_qps=(200, 1000, 2000, 4000, 8000),
        ),
        KeyType.EXTERNAL: Capability(
            rotation=Rotation.NEVER,
            schedule_deletion=True,
            deletion_protection=True,
            import_symmetric=False,
            import_asymmetric=False,
            backup=False,
            encrypt=True,
            sign=False,
            server_side_encryption=True,
            user_creates=True,
            policy=True,
        ),
    }
)

# CreateKey caps a software key's period at 365 days where UpdateRotationPolicy's page says 730: what is declared takes
# the narrower one, which is legal in both.
ROTATION_DAYS: Final = (7, 365)
ROTATION_UPDATE_DAYS: Final = (7, 730)
VERSIONS_LIMIT: Final = 50
"""Versions that an asymmetric key has at most."""
VERSION_INTERVAL_DAYS: Final = 7
"""Days between two versions that CreateKeyVersion makes of one key."""
DELETION_WINDOW_DAYS: Final = (7, 366)
# 10,000 and 20,000 are sold on request.
INSTANCE_SPECS: Final = (200, 1000, 2000, 4000, 8000, 10_000, 20_000)
KEY_QUOTA: Final = (100, 100_000)
VPC_QUOTA: Final = 10_000
"""VPCs that may reach an instance: the most that can be bought."""

_NEEDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "CancelKeyDeletion": "schedule_deletion",
        "CreateAlias": "aliases",
        "CreateKeyVersion": "manage",
        "DeleteKeyMaterial": "import_symmetric",
        "DisableKey": "manage",
        "EnableKey": "manage",
        "GetParametersForImport": "import_symmetric",
        "ImportKeyMaterial": "import_symmetric",
        "ScheduleKeyDeletion": "schedule_deletion",
        "SetDeletionProtection": "deletion_protection",
        "SetKeyPolicy": "policy",
        "UpdateAlias": "aliases",
        "UpdateKeyDescription": "manage",
        "UpdateRotationPolicy": "manage",
    }
)
"""The feature that an action is part of; reading and tagging go with every key."""


def action_refusal(key_type: KeyType, action: str) -> str | None:
    """Return why a management action does not go with a type of key, or None where it does."""
    feature = _NEEDS.get(action)
    if feature is None or getattr(CAPABILITIES[key_type], feature):
        return None
    if key_type is KeyType.SERVICE_KEY:
        return "a service key is managed by the cloud service that made it; its users read and tag it"
    return f"{key_type.value} keys have no {feature.replace('_', ' ')}"


def rotation_refusal(
    key_type: KeyType, spec: KeySpec, origin: Origin, mechanism: KeyStorageMechanism | None
) -> str | None:
    """Return why such a key cannot rotate automatically, or None where it can."""
    facts = SPECS[spec]
    if not facts.symmetric:
        return f"{spec} is asymmetric, and asymmetric keys never rotate by themselves"
    if facts.family is Family.HMAC:
        return "MAC keys never rotate by themselves"
    if origin is Origin.EXTERNAL:
        return "its material is imported, and an imported key has one version for ever"
    match CAPABILITIES[key_type].rotation:
        case Rotation.NEVER:
            return f"{key_type.value} keys never rotate by themselves"
        case Rotation.ADD_ON:
            return "the default CMK rotates only with the paid add-on, which kmsplan does not buy"
        case Rotation.ENCRYPTED_DATABASE if mechanism is not KeyStorageMechanism.HSM_ENCRYPTED_DATABASE:
            return "keys stored as HsmInternal never rotate; HsmEncryptedDatabase keys do"
        case _:
            return None


def version_refusal(key_type: KeyType, spec: KeySpec, origin: Origin) -> str | None:
    """Return why such a key is given no further version by CreateKeyVersion, or None where it is."""
    if SPECS[spec].symmetric:
        return f"{spec} is symmetric, and versions of symmetric keys are made by automatic rotation alone"
    if origin is Origin.EXTERNAL:
        return "its material is imported, and an imported key has one version for ever"
    if key_type not in (KeyType.SOFTWARE, KeyType.HARDWARE):
        return f"{key_type.value} keys have one version"
    return None


def import_refusal(key_type: KeyType, spec: KeySpec) -> str | None:
    """Return why material cannot be imported (BYOK) into such a key, or None where it can."""
    capability = CAPABILITIES[key_type]
    allowed = capability.import_symmetric if SPECS[spec].symmetric else capability.import_asymmetric
    return None if allowed else f"{key_type.value} keys take no imported material for {spec}"
