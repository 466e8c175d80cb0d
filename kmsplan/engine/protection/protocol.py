"""Protection backends and key handles, as protocols."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Collection

    from kmsplan.kms.secret import SecretBytes
    from kmsplan.kms.spec import KeySpec, KeyUsage


class InvalidCiphertextError(Exception):
    """The ciphertext does not open. There is one message and no reason: a reason is an oracle."""

    def __init__(self) -> None:
        super().__init__("the ciphertext does not open under this key and context")


class ProtectionUnavailableError(Exception):
    """The backend cannot be reached or lost its material: nothing is known, nothing was changed."""


class NotOfferedError(Exception):
    """The backend works and cannot do this: another spec or algorithm has to be chosen, waiting does not help."""


@dataclass(frozen=True, slots=True)
class Generated:
    """What making material yields."""

    secret: SecretBytes | None
    """The material for the keystore to wrap; None where it stays inside the backend."""
    public_key: bytes | None
    """DER SubjectPublicKeyInfo of an asymmetric key."""


@runtime_checkable
class Encrypter(Protocol):
    """Authenticated symmetric encryption (AES-GCM, SP 800-38D)."""

    def encrypt(self, plaintext: bytes, aad: bytes) -> bytes:
        """Return IV (12 bytes), ciphertext and tag (16 bytes)."""

    def decrypt(self, sealed: bytes, aad: bytes) -> bytes:
        """Open what `encrypt` returned.

        Raises:
            InvalidCiphertextError: anything about it is wrong.
        """


@runtime_checkable
class Signer(Protocol):
    """Signatures over a digest: RSA PSS (salt 32) and PKCS#1 v1.5, ECDSA as ASN.1 DER."""

    def sign(self, algorithm: str, digest: bytes) -> bytes:
        """Return the signature.

        Raises:
            NotOfferedError: the backend does not know the algorithm.
        """


@runtime_checkable
class AsymmetricDecrypter(Protocol):
    """RSA OAEP decryption (RFC 8017, 7.1.2)."""

    def asymmetric_decrypt(self, algorithm: str, ciphertext: bytes) -> bytes:
        """Return the plaintext.

        Raises:
            InvalidCiphertextError: anything about it is wrong.
            NotOfferedError: the backend does not know the algorithm.
        """


class Protection(Protocol):
    """One backend."""

    def specs(self) -> frozenset[KeySpec]:
        """The specs it can really make and use here, found out by doing.

        Raises:
            ProtectionUnavailableError: it does not answer.
        """

    def generate(self, spec: KeySpec, usage: KeyUsage, reference: bytes) -> Generated:
        """Make material. `reference` (16 random bytes) is committed to the keystore before the call.

        Raises:
            NotOfferedError: it cannot make such material.
            ProtectionUnavailableError: it does not answer.
        """

    def open(
        self, spec: KeySpec, reference: bytes, secret: SecretBytes | None
    ) -> Encrypter | Signer | AsymmetricDecrypter:
        """Return a handle on material made before; `secret` is what `generate` handed out.

        Raises:
            ProtectionUnavailableError: it does not answer, or the material is not there.
        """

    def missing(self, references: Collection[bytes]) -> frozenset[bytes]:
        """Return the references whose material is not there, though the backend answers and its sentinel stands.

        Raises:
            ProtectionUnavailableError: it does not answer; never taken for "missing".
        """

    def destroy(self, reference: bytes) -> None:
        """Destroy material for ever; destroying what is not there is no error."""

    def close(self) -> None:
        """Give back sessions and processes."""
