"""What anybody can do with a public key: verify, and encrypt. No backend is asked for it.

Algorithms are named as the KMS names them. PSS has a salt of 32 bytes and MGF1 with SHA-256 (RFC 8017, 8.1); OAEP uses
one hash for the label and for MGF1 (RFC 8017, 7.1); ECDSA signatures are ASN.1 DER (RFC 3279, 2.2.3), and so is all of
SM2 (GM/T 0009).
"""

from __future__ import annotations

import base64
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from kmsplan.engine.sm import sm2

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

SM2_SIGNATURE: Final = "SM2DSA"
SM2_ENCRYPTION: Final = "SM2PKE"
_PEM_COLUMNS: Final = 64
_KEPT: Final = 1024
SHA256: Final = Prehashed(hashes.SHA256())
SIGNATURE_PADDINGS: Final[Mapping[str, padding.AsymmetricPadding]] = MappingProxyType(
    {
        "RSA_PSS_SHA_256": padding.PSS(padding.MGF1(hashes.SHA256()), 32),
        "RSA_PKCS1_SHA_256": padding.PKCS1v15(),
    }
)
OAEP_PADDINGS: Final[Mapping[str, padding.OAEP]] = MappingProxyType(
    {
        "RSAES_OAEP_SHA_256": padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None),
        # The API offers it, and SoftHSM nothing else; SHA-1's collisions do not touch OAEP.
        "RSAES_OAEP_SHA_1": padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None),  # noqa: S303 - as said
    }
)


def verify(public_key: bytes, algorithm: str, digest: bytes, signature: bytes) -> bool:
    """Return whether the signature over a digest holds.

    Args:
        public_key: DER SubjectPublicKeyInfo.
        algorithm: RSA_PSS_SHA_256, RSA_PKCS1_SHA_256, ECDSA_SHA_256 or SM2DSA.
        digest: 32 bytes.
        signature: as the algorithm makes it.

    Raises:
        NotOfferedError: SM2 does not work on this host.
    """
    if algorithm == SM2_SIGNATURE:
        return _sm2_key(public_key).verify(signature, digest)
    key = _key(public_key)
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, digest, SIGNATURE_PADDINGS[algorithm], SHA256)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, digest, ec.ECDSA(SHA256))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def encrypt(public_key: bytes, algorithm: str, plaintext: bytes) -> bytes:
    """Return the ciphertext; the plaintext is no longer than the key allows.

    Args:
        public_key: DER SubjectPublicKeyInfo of an RSA key, or of an SM2 key.
        algorithm: RSAES_OAEP_SHA_256, RSAES_OAEP_SHA_1 or SM2PKE.
        plaintext: what to encrypt; for SM2 one byte at least.

    Raises:
        ValueError: the plaintext is too long for the key, or too short.
        NotOfferedError: SM2 does not work on this host.
    """
    if algorithm == SM2_ENCRYPTION:
        return _sm2_key(public_key).encrypt(plaintext)
    key = _key(public_key)
    if not isinstance(key, rsa.RSAPublicKey):
        raise TypeError("only RSA keys encrypt with OAEP")
    return key.encrypt(plaintext, OAEP_PADDINGS[algorithm])


def pem(public_key: bytes) -> str:
    """Return DER SubjectPublicKeyInfo as PEM (RFC 7468, 13)."""
    text = base64.b64encode(public_key).decode()
    lines = [text[cut : cut + _PEM_COLUMNS] for cut in range(0, len(text), _PEM_COLUMNS)]
    return "\n".join(("-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""))


# Parsing costs as much as verifying with P-256; these are public keys, so keeping them tells nobody anything.
@lru_cache(maxsize=_KEPT)
def _key(public_key: bytes) -> PublicKeyTypes:
    return serialization.load_der_public_key(public_key)


@lru_cache(maxsize=_KEPT)
def _sm2_key(public_key: bytes) -> sm2.PublicKey:
    return sm2.PublicKey(public_key)
