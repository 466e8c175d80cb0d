"""SM2: signatures over a digest and encryption (GM/T 0003.2, GM/T 0003.4), keys and results in ASN.1 (GM/T 0009, 0010).

A signature is over e = SM3(Z_A then the message), which `digest` makes and the API's callers make themselves. A
ciphertext is the ASN.1 sequence of the point C1 (two integers), the hash C3 and C2, which is as long as the plaintext.
"""

from __future__ import annotations

import ctypes
import weakref
from functools import cache
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.hashes import SM3, Hash

from kmsplan.engine.protection.protocol import InvalidCiphertextError, NotOfferedError
from kmsplan.engine.sm.encoding import is_ciphertext
from kmsplan.engine.sm.libcrypto import functions, unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

DIGEST_BYTES: Final = 32
SCALAR_BYTES: Final = 32
DEFAULT_IDENTITY: Final = b"1234567812345678"
"""Who signs, where nobody says otherwise (GM/T 0009, 10)."""

_NAME: Final = b"SM2"
# The curve of GM/T 0003.5: the order, and what Z_A is made of: a, b and the base point.
_ORDER: Final = int("FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123", 16)
_CURVE: Final = bytes.fromhex(
    "FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFC"
    "28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93"
    "32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7"
    "BC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0"
)
# PKCS#8 (RFC 5958) of an ECPrivateKey (RFC 5915) on sm2p256v1 without its public key, up to the 32-byte number.
_PKCS8_HEAD: Final = bytes.fromhex("3041020100301306072a8648ce3d020106082a811ccf5501822d042730250201010420")
# SubjectPublicKeyInfo of a point on sm2p256v1, up to its two coordinates.
_SPKI_HEAD: Final = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d03420004")


# OpenSSL reads every number and the point at infinity. With the order less 1 its signing never ends.
_CHECKS: Final = {"private": "EVP_PKEY_private_check", "public": "EVP_PKEY_public_check_quick"}


class _Key:
    """An EVP_PKEY, freed with this object; used from any thread."""

    def __init__(self, pointer: int) -> None:
        self._pointer = pointer
        weakref.finalize(self, functions()["EVP_PKEY_free"], pointer)

    def run(self, operation: str, content: bytes, room: int) -> bytes | None:
        """Return what EVP_PKEY_sign, _encrypt or _decrypt makes of `content`; None where it fails."""
        context = self._context(operation)
        length, answer = ctypes.c_size_t(room), ctypes.create_string_buffer(room)
        try:
            done = functions()[f"EVP_PKEY_{operation}"](context, answer, ctypes.byref(length), content, len(content))
        finally:
            functions()["EVP_PKEY_CTX_free"](context)
        if done != 1:
            functions()["ERR_clear_error"]()
            return None
        return answer.raw[: length.value]

    def verify(self, signature: bytes, digest: bytes) -> bool:
        """Return whether a signature over a digest holds."""
        context = self._context("verify")
        try:
            holds = functions()["EVP_PKEY_verify"](context, signature, len(signature), digest, len(digest))
        finally:
            functions()["EVP_PKEY_CTX_free"](context)
        if holds != 1:
            functions()["ERR_clear_error"]()
        return bool(holds == 1)

    def holds(self, part: str) -> bool:
        """Return whether the private number ("private") or the point ("public") is one of the curve's."""
        context = functions()["EVP_PKEY_CTX_new_from_pkey"](None, self._pointer, None)
        try:
            fits = bool(context) and functions()[_CHECKS[part]](context) == 1
        finally:
            functions()["EVP_PKEY_CTX_free"](context)
        functions()["ERR_clear_error"]()
        return fits

    def private_der(self) -> bytes:
        """Return PKCS#8."""
        info = functions()["EVP_PKEY2PKCS8"](self._pointer)
        try:
            return _der(functions()["i2d_PKCS8_PRIV_KEY_INFO"], info)
        finally:
            functions()["PKCS8_PRIV_KEY_INFO_free"](info)

    def public_der(self) -> bytes:
        """Return SubjectPublicKeyInfo."""
        return _der(functions()["i2d_PUBKEY"], self._pointer)

    def _context(self, operation: str) -> int:
        context = functions()["EVP_PKEY_CTX_new_from_pkey"](None, self._pointer, None)
        if not context or functions()[f"EVP_PKEY_{operation}_init"](context) != 1:
            functions()["EVP_PKEY_CTX_free"](context)
            raise unsupported(f"its OpenSSL cannot {operation} with SM2")
        return int(context)


class PublicKey:
    """What anybody may do.

    Args:
        der: SubjectPublicKeyInfo.

    Raises:
        ValueError: it is no SM2 key.
        NotOfferedError: SM2 does not work on this host.
    """

    def __init__(self, der: bytes) -> None:
        self._key = _parsed("d2i_PUBKEY", der, "public")

    def verify(self, signature: bytes, digest: bytes) -> bool:
        """Return whether a signature (ASN.1 of r and s) over a digest of 32 bytes holds."""
        return self._key.verify(signature, digest)

    def encrypt(self, plaintext: bytes) -> bytes:
        """Return the ASN.1 ciphertext.

        Raises:
            ValueError: there is nothing to encrypt: SM2 has no ciphertext of an empty text.
        """
        if not plaintext:
            raise ValueError("SM2 encrypts one byte at least")
        sealed = self._key.run("encrypt", plaintext, len(plaintext) + _OVERHEAD)
        if sealed is None:
            raise unsupported("its OpenSSL fails to encrypt")
        return sealed


_OVERHEAD: Final = 128
"""C1 (two integers of up to 33 bytes), C3 (32 bytes) and the tags and lengths of the ASN.1, rounded up."""


class PrivateKey:
    """A key pair.

    Args:
        der: PKCS#8.

    Raises:
        ValueError: it is no SM2 key.
        NotOfferedError: SM2 does not work on this host.
    """

    def __init__(self, der: bytes) -> None:
        self._key = _parsed("d2i_AutoPrivateKey", der, "private")

    def sign(self, digest: bytes) -> bytes:
        """Return the signature over a digest of 32 bytes as ASN.1 of r and s.

        Raises:
            ValueError: the digest is not that long.
        """
        if len(digest) != DIGEST_BYTES:
            raise ValueError(f"SM2 signs a digest of {DIGEST_BYTES} bytes, not of {len(digest)}")
        signature = self._key.run("sign", digest, _OVERHEAD)
        if signature is None:
            raise unsupported("its OpenSSL fails to sign")
        return signature

    def decrypt(self, ciphertext: bytes) -> bytes:
        """Open an ASN.1 ciphertext.

        Raises:
            InvalidCiphertextError: anything about it is wrong.
        """
        plaintext = self._key.run("decrypt", ciphertext, len(ciphertext)) if is_ciphertext(ciphertext) else None
        if plaintext is None:
            raise InvalidCiphertextError
        return plaintext

    def private_der(self) -> bytes:
        """Return PKCS#8."""
        return self._key.private_der()

    def public_der(self) -> bytes:
        """Return SubjectPublicKeyInfo."""
        return self._key.public_der()


def generate() -> PrivateKey:
    """Make a key pair with OpenSSL's generator.

    Raises:
        NotOfferedError: SM2 does not work on this host.
    """
    context = functions()["EVP_PKEY_CTX_new_from_name"](None, _NAME, None)
    pointer = ctypes.c_void_p()
    try:
        if not context or functions()["EVP_PKEY_keygen_init"](context) != 1:
            raise unsupported("its OpenSSL was built without it")
        if functions()["EVP_PKEY_generate"](context, ctypes.byref(pointer)) != 1 or not pointer.value:
            raise unsupported("its OpenSSL makes no key")
        return PrivateKey(_Key(pointer.value).private_der())
    finally:
        functions()["EVP_PKEY_CTX_free"](context)


def from_scalar(scalar: bytes) -> PrivateKey:
    """Return the key pair of a private number.

    Raises:
        ValueError: it has not 32 bytes, or is not from 1 to the curve's order less 2.
        NotOfferedError: SM2 does not work on this host.
    """
    if len(scalar) != SCALAR_BYTES or not 1 <= int.from_bytes(scalar, "big") <= _ORDER - 2:
        raise ValueError("this is no private number of SM2")
    return PrivateKey(_PKCS8_HEAD + scalar)


def digest(public_key: bytes, message: bytes, identity: bytes = DEFAULT_IDENTITY) -> bytes:
    """Return e = SM3(Z_A then the message), which is what SM2DSA signs (GM/T 0003.2, 5.5).

    Args:
        public_key: DER SubjectPublicKeyInfo.
        message: what is signed.
        identity: the signer's; both sides have to take the same.

    Raises:
        ValueError: the key is no uncompressed SM2 key.
    """
    if not public_key.startswith(_SPKI_HEAD) or len(public_key) != len(_SPKI_HEAD) + 2 * SCALAR_BYTES:
        raise ValueError("this is no SM2 public key")
    bits = (len(identity) * 8).to_bytes(2, "big")
    return _sm3(_sm3(bits + identity + _CURVE + public_key[len(_SPKI_HEAD) :]) + message)


@cache
def supported() -> bool:
    """Say whether SM2 works on this host, found out by doing."""
    try:
        key = generate()
        public, proof = PublicKey(key.public_der()), bytes(DIGEST_BYTES)
        return public.verify(key.sign(proof), proof) and key.decrypt(public.encrypt(proof)) == proof
    except (NotOfferedError, InvalidCiphertextError, ValueError):
        return False


def _sm3(content: bytes) -> bytes:
    running = Hash(SM3())
    running.update(content)
    return running.finalize()


def _parsed(function: str, der: bytes, part: str) -> _Key:
    content = ctypes.create_string_buffer(der, len(der))
    at = ctypes.c_void_p(ctypes.addressof(content))
    pointer = functions()[function](None, ctypes.byref(at), len(der))
    if not pointer:
        functions()["ERR_clear_error"]()
        raise ValueError("this is no key that OpenSSL can read")
    key = _Key(pointer)
    if at.value != ctypes.addressof(content) + len(der) or functions()["EVP_PKEY_is_a"](pointer, _NAME) != 1:
        raise ValueError("this is a key, but not one of SM2, or something follows it")
    if not key.holds(part):
        raise ValueError(f"this is no {part} key of SM2: it is outside the curve's range")
    return key


def _der(encode: Callable[..., int], pointer: int) -> bytes:
    length = encode(pointer, None)
    room = ctypes.create_string_buffer(length)
    end = ctypes.c_void_p(ctypes.addressof(room))
    encode(pointer, ctypes.byref(end))
    return room.raw
