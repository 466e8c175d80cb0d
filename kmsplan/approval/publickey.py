"""Public keys of signers: which may sign, how each is checked, and what it is called.

The key alone decides the algorithm; a signature does not say one, so that nobody can choose a weaker one for it.
Ed25519 (RFC 8032) signs the message itself. Keys of a KMS sign its SHA-256 digest: ECDSA as ASN.1 DER (RFC 3279,
2.2.3), RSA as PSS with MGF1 and 32 bytes of salt (RFC 8017, 8.1), which is how the KMS makes them.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from kmsplan.approval.error import SignatureFileError

_CURVES: Final = (ec.SECP256R1, ec.SECP256K1)
_RSA_BITS: Final = range(2048, 4097)
"""Shorter keys are broken soon (SP 800-131A), longer ones are no keys of the KMS."""
_PEM: Final = "-----BEGIN PUBLIC KEY-----"
_OFFERED: Final = "Ed25519, or a key of the KMS with spec EC_P256, EC_P256K or RSA_2048 to RSA_4096"
_PSS: Final = padding.PSS(padding.MGF1(hashes.SHA256()), 32)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A signer's public key. Equal keys are equal, however they were written."""

    der: bytes
    """SubjectPublicKeyInfo, in its one normal encoding."""

    @property
    def text(self) -> str:
        """The key on one line, as lists of signers have it."""
        return base64.b64encode(self.der).decode()

    @property
    def fingerprint(self) -> str:
        """What the key is called, in the form that SSH made known."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.der).digest()).decode().rstrip("=")

    @property
    def kms_algorithm(self) -> str | None:
        """What the KMS calls the algorithm that such a key signs with; None for keys that it does not have."""
        match _load(self.der):
            case ec.EllipticCurvePublicKey():
                return "ECDSA_SHA_256"
            case rsa.RSAPublicKey():
                return "RSA_PSS_SHA_256"
            case _:
                return None

    def verify(self, message: bytes, signature: bytes) -> None:
        """Check a signature.

        Raises:
            SignatureFileError: it is not this key's, or not over this message.
        """
        try:
            match _load(self.der):
                case ed25519.Ed25519PublicKey() as key:
                    key.verify(signature, message)
                case ec.EllipticCurvePublicKey() as key:
                    key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
                case rsa.RSAPublicKey() as key:
                    key.verify(signature, message, _PSS, hashes.SHA256())
        except InvalidSignature as error:
            raise SignatureFileError(f"a signature does not hold under its own key, {self.fingerprint}") from error


def parse(text: str) -> PublicKey:
    """Read a public key: PEM, or the Base64 text of its DER on one line.

    Raises:
        ValueError: it is none, or of a kind that cannot sign plans; says what it should be.
    """
    try:
        if text.lstrip().startswith(_PEM):
            key = serialization.load_pem_public_key(text.encode())
            return PublicKey(key.public_bytes(*_FORM)) if _fits(key) else _refused()
        return from_der(base64.b64decode("".join(text.split()), validate=True))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(f"it is no public key for this: wanted is {_OFFERED}, as PEM or as Base64") from error


def from_der(der: bytes) -> PublicKey:
    """Read a public key, and encode it anew.

    One elliptic key has a short and a long encoding. Were they two keys, one person could be two signers.

    Raises:
        ValueError: it is none, or of a kind that cannot sign plans.
    """
    try:
        key = serialization.load_der_public_key(der)
    except UnsupportedAlgorithm as error:
        raise ValueError(f"wanted is {_OFFERED}") from error
    return PublicKey(key.public_bytes(*_FORM)) if _fits(key) else _refused()


_FORM: Final = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _load(der: bytes) -> object:
    return serialization.load_der_public_key(der)


def _fits(key: object) -> bool:
    match key:
        case ed25519.Ed25519PublicKey():
            return True
        case ec.EllipticCurvePublicKey():
            return isinstance(key.curve, _CURVES)
        case rsa.RSAPublicKey():
            return key.key_size in _RSA_BITS
        case _:
            return False


def _refused() -> PublicKey:
    raise ValueError(f"wanted is {_OFFERED}")
