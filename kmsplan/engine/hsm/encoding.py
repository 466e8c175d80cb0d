"""Public keys as a token stores them, to and from what the rest of the engine uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kmsplan.kms.spec import SPECS, Family, KeySpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CURVES: Final[Mapping[KeySpec, type[ec.EllipticCurve]]] = {
    KeySpec.EC_P256: ec.SECP256R1,
    KeySpec.EC_P256K: ec.SECP256K1,
}
_OCTET_STRING: Final = 0x04
_SHORT_FORM: Final = 0x80


def subject_public_key_info(spec: KeySpec, parts: Sequence[bytes]) -> bytes | None:
    """Return DER SubjectPublicKeyInfo (RFC 5280, 4.1.2.7) of CKA_MODULUS and CKA_PUBLIC_EXPONENT, or of CKA_EC_POINT.

    None where there are no parts: the key is symmetric.

    Raises:
        ValueError: the parts are no public key.
    """
    family = SPECS[spec].family
    if family is Family.RSA:
        modulus, exponent = (int.from_bytes(part, "big") for part in parts)
        key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    elif family is Family.EC:
        key = ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[spec](), _point(parts[0]))
    else:
        return None
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def der_signature(raw: bytes) -> bytes:
    """Return an ECDSA signature as ASN.1 DER (RFC 3279, 2.2.3); CKM_ECDSA gives r and s side by side."""
    half = len(raw) // 2
    return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))


def _point(attribute: bytes) -> bytes:
    """Return the bare point: the standard wraps it in an OCTET STRING, and some tokens do not."""
    wrapped = len(attribute) > 2 and attribute[0] == _OCTET_STRING and attribute[1] < _SHORT_FORM  # noqa: PLR2004 - tag and length
    return attribute[2:] if wrapped and attribute[1] == len(attribute) - 2 else attribute
