"""Key material in this process: made, used and forgotten here, kept wrapped by the keystore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kmsplan.engine.offer import HARDWARE_SPECS, SOFTWARE_SPECS
from kmsplan.engine.protection.protocol import Generated, InvalidCiphertextError
from kmsplan.engine.protection.publickey import OAEP_PADDINGS, SHA256, SIGNATURE_PADDINGS
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import SPECS, Family, KeySpec, KeyUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from kmsplan.engine.protection.protocol import AsymmetricDecrypter, Encrypter, Signer

IV_BYTES: Final = 12
_CURVES: Final = {KeySpec.EC_P256: ec.SECP256R1, KeySpec.EC_P256K: ec.SECP256K1}
_PUBLIC_EXPONENT: Final = 65537

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class AesHandle:
    """AES-GCM (SP 800-38D) with random IVs (8.2.2)."""

    def __init__(self, key: SecretBytes, entropy: Callable[[int], bytes]) -> None:
        self._cipher = AESGCM(key.reveal())
        self._entropy = entropy

    def encrypt(self, plaintext: bytes, aad: bytes) -> bytes:
        """Return IV (12 bytes), ciphertext and tag (16 bytes)."""
        iv = self._entropy(IV_BYTES)
        return iv + self._cipher.encrypt(iv, plaintext, aad)

    def decrypt(self, sealed: bytes, aad: bytes) -> bytes:
        """Open what `encrypt` returned.

        Raises:
            InvalidCiphertextError: anything about it is wrong.
        """
        try:
            return self._cipher.decrypt(sealed[:IV_BYTES], sealed[IV_BYTES:], aad)
        except (InvalidTag, ValueError) as error:  # ValueError: too short to hold an IV
            raise InvalidCiphertextError from error


class RsaHandle:
    """RSA (RFC 8017): PSS, PKCS#1 v1.5 signatures, OAEP."""

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key

    def sign(self, algorithm: str, digest: bytes) -> bytes:
        """Return the signature over a SHA-256 digest."""
        return self._key.sign(digest, SIGNATURE_PADDINGS[algorithm], SHA256)

    def asymmetric_decrypt(self, algorithm: str, ciphertext: bytes) -> bytes:
        """Return the plaintext.

        Raises:
            InvalidCiphertextError: anything about it is wrong.
        """
        try:
            return self._key.decrypt(ciphertext, OAEP_PADDINGS[algorithm])
        except ValueError as error:
            raise InvalidCiphertextError from error


class EcHandle:
    """ECDSA (FIPS 186-5, 6)."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key

    def sign(self, algorithm: str, digest: bytes) -> bytes:
        """Return the signature over a SHA-256 digest as ASN.1 DER."""
        del algorithm  # ECDSA_SHA_256 is the only one
        return self._key.sign(digest, ec.ECDSA(SHA256))


class SoftwareProtection:
    """Makes and opens material with the package `cryptography`.

    Args:
        entropy: source of symmetric keys and IVs; key pairs come from OpenSSL's generator.
    """

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy

    def specs(self) -> frozenset[KeySpec]:
        """Return everything that this backend can make; what an instance offers of it is the KMS's table."""
        return frozenset((*SOFTWARE_SPECS, *HARDWARE_SPECS))

    def generate(self, spec: KeySpec, usage: KeyUsage, reference: bytes) -> Generated:
        """Make material and hand it out for wrapping."""
        del usage, reference  # one material serves either usage; the keystore keeps it, so no reference is needed
        facts = SPECS[spec]
        if facts.family is Family.AES:
            return Generated(SecretBytes(self._entropy(facts.bits // 8)), None)
        key = (
            rsa.generate_private_key(_PUBLIC_EXPONENT, facts.bits)
            if facts.family is Family.RSA
            else ec.generate_private_key(_CURVES[spec]())
        )
        return Generated(SecretBytes(_private_bytes(key)), public_bytes(key))

    def open(
        self, spec: KeySpec, reference: bytes, secret: SecretBytes | None
    ) -> Encrypter | Signer | AsymmetricDecrypter:
        """Return a handle on unwrapped material."""
        del reference
        if secret is None:
            raise TypeError("the material of a software key comes from the keystore")
        if SPECS[spec].family is Family.AES:
            return AesHandle(secret, self._entropy)
        # Checking an RSA key takes 50 ms; this one was made here, and the keystore's AEAD says that it is unchanged.
        key = serialization.load_der_private_key(secret.reveal(), None, unsafe_skip_rsa_key_validation=True)
        if isinstance(key, rsa.RSAPrivateKey):
            return RsaHandle(key)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return EcHandle(key)
        raise TypeError(f"no handle for {type(key).__name__}")

    def missing(self, references: Collection[bytes]) -> frozenset[bytes]:
        """Return nothing: the material is in the keystore."""
        del references
        return frozenset()

    def destroy(self, reference: bytes) -> None:
        """Do nothing: the keystore destroys its wrapped material."""

    def close(self) -> None:
        """Do nothing."""


def _private_bytes(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_bytes(key: PrivateKey) -> bytes:
    """Return DER SubjectPublicKeyInfo of a key pair's public half (RFC 5280, 4.1.2.7)."""
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
