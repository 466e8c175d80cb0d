"""Handles on material in this process, one class per algorithm family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kmsplan.engine.protection.protocol import InvalidCiphertextError, NotOfferedError
from kmsplan.engine.protection.publickey import OAEP_PADDINGS, SHA256, SIGNATURE_PADDINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.sm import sm2
    from kmsplan.kms.secret import SecretBytes

IV_BYTES: Final = 12
TAG_BYTES: Final = 16
_ECDSA: Final = ec.ECDSA(SHA256)
_HASHES: Final[dict[str, type[hashes.HashAlgorithm]]] = {
    "HMAC_SHA_224": hashes.SHA224,
    "HMAC_SHA_256": hashes.SHA256,
    "HMAC_SHA_384": hashes.SHA384,
    "HMAC_SHA_512": hashes.SHA512,
    "HMAC_SM3": hashes.SM3,
}


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


class Sm4Handle:
    """SM4-GCM (GB/T 32907; RFC 8998, 2.1) with random IVs, laid out as `AesHandle` does.

    Raises:
        NotOfferedError: the OpenSSL of `cryptography` was built without SM4.
    """

    def __init__(self, key: SecretBytes, entropy: Callable[[int], bytes]) -> None:
        self._key = algorithms.SM4(key.reveal())
        self._entropy = entropy
        try:
            Cipher(self._key, modes.GCM(bytes(IV_BYTES))).encryptor()
        except UnsupportedAlgorithm as error:
            raise NotOfferedError(
                "SM4 is not supported on this host: the OpenSSL of the package cryptography was built without it. "
                "Install cryptography from its wheel"
            ) from error

    def encrypt(self, plaintext: bytes, aad: bytes) -> bytes:
        """Return IV (12 bytes), ciphertext and tag (16 bytes)."""
        iv = self._entropy(IV_BYTES)
        running = Cipher(self._key, modes.GCM(iv)).encryptor()
        running.authenticate_additional_data(aad)
        return iv + running.update(plaintext) + running.finalize() + running.tag

    def decrypt(self, sealed: bytes, aad: bytes) -> bytes:
        """Open what `encrypt` returned.

        Raises:
            InvalidCiphertextError: anything about it is wrong.
        """
        if len(sealed) < IV_BYTES + TAG_BYTES:
            raise InvalidCiphertextError
        running = Cipher(self._key, modes.GCM(sealed[:IV_BYTES], sealed[-TAG_BYTES:])).decryptor()
        running.authenticate_additional_data(aad)
        plaintext = running.update(sealed[IV_BYTES:-TAG_BYTES])
        try:
            return plaintext + running.finalize()
        except InvalidTag as error:
            raise InvalidCiphertextError from error


class HmacHandle:
    """HMAC (FIPS 198-1) with SHA-2 or SM3."""

    def __init__(self, key: SecretBytes) -> None:
        self._key = key

    def mac(self, algorithm: str, message: bytes) -> bytes:
        """Return the code of a message, untruncated."""
        running = hmac.HMAC(self._key.reveal(), _HASHES[algorithm]())
        running.update(message)
        return running.finalize()


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
        return self._key.sign(digest, _ECDSA)


class Sm2Handle:
    """SM2 (GM/T 0003): signatures over a digest, and decryption."""

    def __init__(self, key: sm2.PrivateKey) -> None:
        self._key = key

    def sign(self, algorithm: str, digest: bytes) -> bytes:
        """Return the signature over SM3(Z_A then the message) as ASN.1 DER."""
        del algorithm  # SM2DSA is the only one
        return self._key.sign(digest)

    def asymmetric_decrypt(self, algorithm: str, ciphertext: bytes) -> bytes:
        """Return the plaintext of an ASN.1 ciphertext.

        Raises:
            InvalidCiphertextError: anything about it is wrong.
        """
        del algorithm  # SM2PKE is the only one
        return self._key.decrypt(ciphertext)
