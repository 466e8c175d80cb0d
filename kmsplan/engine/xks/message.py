"""The bodies of requests and answers as values (specification, "API operations"), and what binds them together."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from kmsplan.engine.xks.field import FieldError, TooLongError, binary, encoded, optional, text

if TYPE_CHECKING:
    from collections.abc import Mapping

AES_GCM: Final = "AES_GCM"
AES_256: Final = "AES_256"
SHA_256: Final = "SHA_256"
ENABLED: Final = "ENABLED"
DISABLED: Final = "DISABLED"
ACTIVE: Final = "ACTIVE"
UNAVAILABLE: Final = "UNAVAILABLE"
HEALTH: Final = ("ACTIVE", "DEGRADED", "UNAVAILABLE")

CHECK_BYTES: Final = 16
"""What this KMS adds to each plaintext for an external key: a value that tells a wrong answer."""
PLAINTEXT_BYTES: Final = 6144 + CHECK_BYTES
"""What Encrypt of this KMS takes, with that value; the specification asks for 4,300."""
AAD_BYTES: Final = 8192
METADATA_BYTES: Final = 20
IV_SIZES: Final = (12, 16)
TAG_BYTES: Final = 16
_ARN: Final = 2048
_NAME: Final = 2048
"""Longest operation, request id and other text that is read; the specification limits only ARNs."""
_FLEET: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """On whose behalf a KMS calls; all opaque, for logs and further authorisation."""

    operation: str
    request_id: str
    principal: str | None = None
    key_arn: str | None = None

    def fields(self) -> dict[str, str]:
        """Return it as the field `requestMetadata`."""
        values = {
            "awsPrincipalArn": self.principal,
            "kmsKeyArn": self.key_arn,
            "kmsOperation": self.operation,
            "kmsRequestId": self.request_id,
        }
        return {name: value for name, value in values.items() if value is not None}


def read_metadata(body: Mapping[str, Any], *, required: tuple[str, ...] = ()) -> Metadata:
    """Return a request's metadata. What is unknown in it is let be: it may grow.

    Args:
        body: of the request.
        required: which fields must be there beside operation and request id.

    Raises:
        FieldError: a required field is missing or no text.
    """
    found = body.get("requestMetadata")
    if not isinstance(found, dict):
        raise FieldError("requestMetadata is missing, or not an object")
    arns = {
        name: text(found, name, limit=_ARN) if name in required or found.get(name) is not None else None
        for name in ("awsPrincipalArn", "kmsKeyArn")
    }
    return Metadata(
        operation=text(found, "kmsOperation", limit=_NAME),
        request_id=text(found, "kmsRequestId", limit=_NAME),
        principal=arns["awsPrincipalArn"],
        key_arn=arns["kmsKeyArn"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What Encrypt answers and Decrypt is given."""

    ciphertext: bytes
    iv: bytes
    tag: bytes
    metadata: bytes = b""
    """The key manager's own, up to 20 bytes; it sees to it that a changed one does not open."""

    def integrity(self, aad: bytes) -> bytes:
        """Return the ciphertext data integrity value, a SHA-256 digest (specification, appendix C)."""
        return hashlib.sha256(aad + self.metadata + self.iv + self.ciphertext + self.tag).digest()

    def fields(self) -> dict[str, str]:
        """Return it as fields; metadata that is empty is left out."""
        values = {
            "ciphertext": encoded(self.ciphertext),
            "initializationVector": encoded(self.iv),
            "authenticationTag": encoded(self.tag),
        }
        return {**values, "ciphertextMetadata": encoded(self.metadata)} if self.metadata else values


def read_sealed(body: Mapping[str, Any]) -> Sealed:
    """Return the fields of a ciphertext.

    Raises:
        FieldError: one is missing, no Base64, or of a wrong size.
    """
    return Sealed(
        ciphertext=binary(body, "ciphertext", limit=PLAINTEXT_BYTES),
        iv=binary(body, "initializationVector", limit=max(IV_SIZES), sizes=IV_SIZES),
        tag=binary(body, "authenticationTag", limit=TAG_BYTES, sizes=(TAG_BYTES,)),
        metadata=_metadata(body),
    )


def _metadata(body: Mapping[str, Any]) -> bytes:
    try:
        return optional(body, "ciphertextMetadata", limit=METADATA_BYTES)
    except TooLongError as error:
        raise FieldError(str(error)) from None  # it is the API that has no longer one, and not this implementation


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptRequest:
    """What Encrypt is given."""

    metadata: Metadata
    plaintext: bytes = field(repr=False)
    aad: bytes
    integrity: bool
    """Whether an integrity value is to be in the answer."""


def read_encrypt(body: Mapping[str, Any]) -> EncryptRequest:
    """Return an Encrypt request.

    Raises:
        FieldError: a field is missing or wrong.
        TooLongError: plaintext or associated data are longer than what is processed.
    """
    metadata = read_metadata(body, required=("awsPrincipalArn", "kmsKeyArn"))
    _require(body, "encryptionAlgorithm", AES_GCM)
    integrity = body.get("ciphertextDataIntegrityValueAlgorithm") is not None
    if integrity:
        _require(body, "ciphertextDataIntegrityValueAlgorithm", SHA_256)
    return EncryptRequest(
        metadata=metadata,
        plaintext=binary(body, "plaintext", limit=PLAINTEXT_BYTES),
        aad=optional(body, "additionalAuthenticatedData", limit=AAD_BYTES),
        integrity=integrity,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DecryptRequest:
    """What Decrypt is given."""

    metadata: Metadata
    sealed: Sealed
    aad: bytes


def read_decrypt(body: Mapping[str, Any]) -> DecryptRequest:
    """Return a Decrypt request; raises as `read_encrypt`."""
    metadata = read_metadata(body, required=("awsPrincipalArn", "kmsKeyArn"))
    _require(body, "encryptionAlgorithm", AES_GCM)
    aad = optional(body, "additionalAuthenticatedData", limit=AAD_BYTES)
    return DecryptRequest(metadata=metadata, sealed=read_sealed(body), aad=aad)


def _require(body: Mapping[str, Any], name: str, only: str) -> None:
    if body.get(name) != only:
        raise FieldError(f"{name} is missing, or not {only}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyMetadata:
    """What GetKeyMetadata answers."""

    spec: str
    usages: frozenset[str]
    enabled: bool

    def fields(self) -> dict[str, Any]:
        """Return it as fields."""
        status = ENABLED if self.enabled else DISABLED
        return {"keySpec": self.spec, "keyUsage": sorted(self.usages, reverse=True), "keyStatus": status}


def read_key_metadata(body: Mapping[str, Any]) -> KeyMetadata:
    """Return what a proxy says of a key.

    Raises:
        FieldError: a field is missing or wrong.
    """
    usages, status = body.get("keyUsage"), body.get("keyStatus")
    if not isinstance(usages, list) or len(usages) > _FLEET or not all(isinstance(usage, str) for usage in usages):
        raise FieldError(f"keyUsage is missing, or not a list of at most {_FLEET} texts")
    if status not in (ENABLED, DISABLED):
        raise FieldError(f"keyStatus is missing, or neither {ENABLED} nor {DISABLED}")
    return KeyMetadata(spec=text(body, "keySpec", limit=_NAME), usages=frozenset(usages), enabled=status == ENABLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manager:
    """One external key manager behind a proxy."""

    manager_id: str
    model: str
    health: str
    """ACTIVE, DEGRADED (unhealthy, and still serving) or UNAVAILABLE."""


def health_fields(vendor: str, model: str, managers: tuple[Manager, ...]) -> dict[str, Any]:
    """Return the answer of GetHealthStatus for a proxy that is alone and made by whom the key managers are."""
    return {
        "xksProxyFleetSize": 1,
        "xksProxyVendor": vendor,
        "xksProxyModel": model,
        "ekmVendor": vendor,
        "ekmFleetDetails": [
            {"id": each.manager_id, "model": each.model, "healthStatus": each.health} for each in managers[:_FLEET]
        ],
    }


def read_health(body: Mapping[str, Any]) -> tuple[Manager, ...]:
    """Return the key managers behind a proxy.

    Raises:
        FieldError: a field is missing or wrong.
    """
    details = body.get("ekmFleetDetails")
    if not isinstance(details, list) or not 1 <= len(details) <= _FLEET:
        raise FieldError(f"ekmFleetDetails is missing, or does not have 1 to {_FLEET} entries")
    return tuple(map(_manager, details))


def _manager(entry: Any) -> Manager:
    if not isinstance(entry, dict) or entry.get("healthStatus") not in HEALTH:
        raise FieldError(f"an entry of ekmFleetDetails has no healthStatus of {', '.join(HEALTH)}")
    return Manager(
        manager_id=text(entry, "id", limit=_NAME),
        model=text(entry, "model", limit=_NAME),
        health=entry["healthStatus"],
    )
