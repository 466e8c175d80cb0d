from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kmsplan.engine.hsm.encoding import der_signature, subject_public_key_info
from kmsplan.kms.spec import KeySpec

_CURVES = [(KeySpec.EC_P256, ec.SECP256R1()), (KeySpec.EC_P256K, ec.SECP256K1())]


@pytest.mark.parametrize(("spec", "curve"), _CURVES)
@pytest.mark.parametrize("wrapped", [True, False])
def test_a_point_becomes_the_public_key_wrapped_or_bare(
    spec: KeySpec, curve: ec.EllipticCurve, *, wrapped: bool
) -> None:
    key = ec.generate_private_key(curve).public_key()
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    part = bytes([4, len(point)]) + point if wrapped else point
    assert subject_public_key_info(spec, [part]) == key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_modulus_and_exponent_become_the_public_key() -> None:
    key = rsa.generate_private_key(65537, 2048).public_key()
    parts = [key.public_numbers().n.to_bytes(256, "big"), b"\1\0\1"]
    wanted = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert subject_public_key_info(KeySpec.RSA_2048, parts) == wanted


def test_a_secret_key_has_no_public_key() -> None:
    assert subject_public_key_info(KeySpec.AES_256, []) is None


def test_a_point_off_the_curve_is_refused() -> None:
    with pytest.raises(ValueError, match=r"[Ii]nvalid"):
        subject_public_key_info(KeySpec.EC_P256, [b"\x04" + b"\1" * 64])


def test_two_numbers_side_by_side_become_der() -> None:
    raw = (7).to_bytes(32, "big") + (2**255 + 9).to_bytes(32, "big")
    assert decode_dss_signature(der_signature(raw)) == (7, 2**255 + 9)
