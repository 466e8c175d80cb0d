"""Imported material (BYOK) that this process may see: checked, and brought into the form that the keystore keeps."""

from __future__ import annotations

import hashlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kmsplan.engine.protection import publickey
from kmsplan.engine.protection.protocol import Generated, InvalidMaterialError
from kmsplan.engine.sm import sm2
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import SPECS, Family, KeySpec

if TYPE_CHECKING:
    from collections.abc import Mapping

CURVES: Final[Mapping[KeySpec, type[ec.EllipticCurve]]] = MappingProxyType(
    {KeySpec.EC_P256: ec.SECP256R1, KeySpec.EC_P256K: ec.SECP256K1}
)
_DER: Final = serialization.Encoding.DER
_PROOF: Final = bytes(sm2.DIGEST_BYTES)


def accept(spec: KeySpec, material: SecretBytes) -> Generated:
    """Check imported material and return it as the keystore keeps it; see `Accepter.accept`."""
    facts = SPECS[spec]
    content = material.reveal()
    if facts.symmetric:
        if len(content) != facts.material_bytes:
            raise InvalidMaterialError
        return Generated(material, None, fingerprint(spec, content))
    try:
        private, public = _sm2_pair(content) if facts.family is Family.SM2 else _pair(spec, content)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidMaterialError from error
    return Generated(SecretBytes(private), public, fingerprint(spec, public))


def fingerprint(spec: KeySpec, what: bytes) -> bytes:
    """Return what imported material is known by later on, of its bytes or of what only they make."""
    return hashlib.sha256(f"kmsplan imported {spec.value}\n".encode() + what).digest()


def private_bytes(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """Return PKCS#8 DER (RFC 5958)."""
    return key.private_bytes(_DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _pair(spec: KeySpec, content: bytes) -> tuple[bytes, bytes]:
    """Return PKCS#8 and SubjectPublicKeyInfo.

    Raises:
        ValueError: it is another kind of key, or one whose numbers do not fit together.
    """
    key = serialization.load_der_private_key(content, None)
    if isinstance(key, rsa.RSAPrivateKey):
        fits = SPECS[spec].family is Family.RSA and key.key_size == SPECS[spec].bits
    else:
        fits = isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, CURVES.get(spec, type(None)))
    if not fits or not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ValueError
    public = key.public_key().public_bytes(_DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private_bytes(key), public


def _sm2_pair(content: bytes) -> tuple[bytes, bytes]:
    """Return PKCS#8 and SubjectPublicKeyInfo of the private number, or of PKCS#8.

    Raises:
        ValueError: it is neither, or the public key in it belongs to another private key.
    """
    key = sm2.from_scalar(content) if len(content) == sm2.SCALAR_BYTES else sm2.PrivateKey(content)
    public = key.public_der()
    if not publickey.verify(public, publickey.SM2_SIGNATURE, _PROOF, key.sign(_PROOF)):
        raise ValueError
    return key.private_der(), public
