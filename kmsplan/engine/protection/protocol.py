"""Protection backends and key handles, as protocols."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

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


class WrapperMissingError(ProtectionUnavailableError):
    """The backend answers, and does not hold the key that wraps the material which is kept outside."""


class NotOfferedError(Exception):
    """The backend works and cannot do this: another spec or algorithm has to be chosen, waiting does not help."""


class InvalidMaterialError(Exception):
    """Imported material cannot be taken. There is one message and no reason: a reason is an oracle on the wrapping."""

    def __init__(self) -> None:
        super().__init__("the key material does not unwrap, or is not what a key of this spec is made of")


class UnfitObjectError(Exception):
    """No key can stand for what was named in the backend; the message says why, and nothing was changed."""


@dataclass(frozen=True, slots=True)
class Generated:
    """What making or importing material yields."""

    secret: SecretBytes | None
    """The material for the keystore to wrap; None where it stays inside the backend."""
    public_key: bytes | None
    """DER SubjectPublicKeyInfo of an asymmetric key."""
    fingerprint: bytes | None = None
    """Of imported material: 32 bytes that are the same for the same material under the same spec and backend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundObject:
    """A key inside a backend that somebody else made."""

    identity: str
    """What the backend calls it: the CKA_ID in hexadecimal digits; empty where it has none."""
    label: str
    """What people called it; it may hold anything."""
    spec: str | None = None
    """Of the key that can stand for it; None where none can."""
    usages: tuple[str, ...] = ()
    """What that key may be for, the usual first."""
    problem: str | None = None
    """Why no key can."""
    never_left: bool = True
    """Whether the backend says that it made the material and could never hand it out."""


@runtime_checkable
class Encrypter(Protocol):
    """Authenticated symmetric encryption (AES-GCM and SM4-GCM, SP 800-38D)."""

    def encrypt(self, plaintext: bytes, aad: bytes) -> bytes:
        """Return IV (12 bytes), ciphertext and tag (16 bytes)."""

    def decrypt(self, sealed: bytes, aad: bytes) -> bytes:
        """Open what `encrypt` returned.

        Raises:
            InvalidCiphertextError: anything about it is wrong.
        """


@runtime_checkable
class Signer(Protocol):
    """Signatures over a digest: RSA PSS (salt 32) and PKCS#1 v1.5; ECDSA and SM2 as ASN.1 DER."""

    def sign(self, algorithm: str, digest: bytes) -> bytes:
        """Return the signature.

        Raises:
            NotOfferedError: the backend does not know the algorithm.
        """


@runtime_checkable
class AsymmetricDecrypter(Protocol):
    """Decryption with a private key: RSA OAEP (RFC 8017, 7.1.2), SM2 (GM/T 0009: ASN.1 of C1, C3, C2)."""

    def asymmetric_decrypt(self, algorithm: str, ciphertext: bytes) -> bytes:
        """Return the plaintext.

        Raises:
            InvalidCiphertextError: anything about it is wrong.
            NotOfferedError: the backend does not know the algorithm.
        """


@runtime_checkable
class Mac(Protocol):
    """Message authentication codes: HMAC (FIPS 198-1, RFC 2104)."""

    def mac(self, algorithm: str, message: bytes) -> bytes:
        """Return the code of a message, untruncated.

        Raises:
            NotOfferedError: the backend does not know the algorithm.
        """


Handle: TypeAlias = Encrypter | Signer | AsymmetricDecrypter | Mac
"""What `open` returns: one of them, or several in one."""


@runtime_checkable
class Accepter(Protocol):
    """A backend that takes imported material as it is, because its keys live in this process anyway."""

    def accept(self, spec: KeySpec, material: SecretBytes) -> Generated:
        """Check imported material and return it as the keystore keeps it.

        Args:
            spec: of the key.
            material: the raw bytes of a symmetric key, PKCS#8 DER of a private key, or SM2's private number.

        Raises:
            InvalidMaterialError: its length, form, size or curve is not the spec's.
            NotOfferedError: this machine cannot use such keys.
        """


@runtime_checkable
class Importer(Protocol):
    """A backend that unwraps imported material inside itself: it never is in this process's memory (BYOK)."""

    def wrappings(self, spec: KeySpec) -> tuple[str, ...]:
        """Return the wrapping algorithms that it can unwrap a key of `spec` by, the best first; maybe none.

        Raises:
            ProtectionUnavailableError: it does not answer.
        """

    def wrapping_key(self, reference: bytes) -> bytes:
        """Make an RSA-2048 wrapping key pair that only unwraps, and return its public half (DER SubjectPublicKeyInfo).

        Asking again with the same reference returns the same key; `Protection.destroy` destroys it.

        Raises:
            NotOfferedError: it cannot make one.
            ProtectionUnavailableError: it does not answer.
        """

    def unwrap(
        self,
        spec: KeySpec,
        usage: KeyUsage,
        reference: bytes | None,
        algorithm: str,
        wrapped: bytes,
        wrapping_reference: bytes,
    ) -> Generated:
        """Unwrap material and keep it; what was kept under the reference before gives way.

        Args:
            spec: of the key.
            usage: of the key.
            reference: as for `generate`; None keeps nothing and hands the material out as `Wrapper.generate_wrapped`
                does, and raises what that does.
            algorithm: one of `wrappings(spec)`.
            wrapped: what was wrapped for `wrapping_key(wrapping_reference)`.
            wrapping_reference: the wrapping key's.

        Raises:
            InvalidMaterialError: anything about the material is wrong.
            NotOfferedError: it does not unwrap such keys, or not by this algorithm.
            ProtectionUnavailableError: it does not answer.
        """


@runtime_checkable
class Wrapper(Protocol):
    """A backend that makes material and hands it out wrapped by a key that never leaves it (HsmEncryptedDatabase).

    It holds as many such keys as the keystore does. The material is in the clear inside the backend only.
    """

    def prepare_wrapping(self) -> None:
        """Make the key that wraps, unless it is there.

        What another one wrapped stays closed. So it is asked for only while nothing is kept outside that was wrapped.

        Raises:
            NotOfferedError: it cannot make such a key.
            ProtectionUnavailableError: it does not answer.
        """

    def wraps(self) -> bool:
        """Return whether the key that wraps is there, as `Protection.missing` finds out.

        Raises:
            ProtectionUnavailableError: it does not answer; never taken for "gone".
        """

    def generate_wrapped(self, spec: KeySpec, usage: KeyUsage) -> Generated:
        """Make material; `Generated.secret` is the wrapped material.

        Raises:
            NotOfferedError: it cannot make such material, or not hand it out.
            WrapperMissingError: the key that wraps is not there.
            ProtectionUnavailableError: it does not answer.
        """

    def open_wrapped(self, spec: KeySpec, usage: KeyUsage, wrapped: SecretBytes) -> Handle:
        """Return a handle on what `generate_wrapped` handed out; the backend unwraps it when it is used.

        Raises:
            ProtectionUnavailableError: it does not answer, or lacks the key that wraps.
        """


@runtime_checkable
class Movable(Protocol):
    """A backend of which another one can stand in the same place: a token of the same name."""

    def expect_home(self, expects: bool) -> None:  # noqa: FBT001 - a setting
        """Say whether it holds material already.

        Then nothing is made in one that does not look like it, and it is not made to look like it.

        Raises:
            ProtectionUnavailableError: it does not answer.
        """


@runtime_checkable
class Attacher(Protocol):
    """A backend that may hold keys which somebody else made, and lets keys of ours stand for them.

    They are used, and never changed: `Protection.destroy` leaves them as they are.
    """

    def objects(self) -> tuple[FoundObject, ...]:
        """Return the keys that no engine made, in the order of their identities.

        Raises:
            ProtectionUnavailableError: it does not answer.
        """

    def attach(self, spec: KeySpec, usage: KeyUsage, identity: str) -> tuple[bytes, Generated]:
        """Check that a key can stand for an object; return the reference to it, and its public key.

        Asking again for the same object returns the same reference.

        Args:
            spec: of the key.
            usage: of the key.
            identity: as `FoundObject.identity`.

        Raises:
            UnfitObjectError: there is no such object, or no such key can stand for it.
            NotOfferedError: it cannot use such keys.
            ProtectionUnavailableError: it does not answer.
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

    def open(self, spec: KeySpec, reference: bytes, secret: SecretBytes | None) -> Handle:
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
