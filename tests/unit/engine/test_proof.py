from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine import proof
from kmsplan.engine.protection.software import SoftwareProtection
from kmsplan.kms.spec import KeySpec, KeyUsage

if TYPE_CHECKING:
    from kmsplan.engine.protection.protocol import Handle

_BACKEND = SoftwareProtection(os.urandom)
_CASES = [
    (KeySpec.AES_256, KeyUsage.ENCRYPT, "AES_GCM"),
    (KeySpec.SM4, KeyUsage.ENCRYPT, "SM4_GCM"),
    (KeySpec.HMAC_SM3, KeyUsage.MAC, "HMAC_SM3"),
    (KeySpec.EC_P256, KeyUsage.SIGN, "ECDSA_SHA_256"),
    (KeySpec.EC_SM2, KeyUsage.SIGN, "SM2DSA"),
    (KeySpec.EC_SM2, KeyUsage.ENCRYPT, "SM2PKE"),
    (KeySpec.RSA_2048, KeyUsage.SIGN, "RSA_PSS_SHA_256"),
    (KeySpec.RSA_2048, KeyUsage.ENCRYPT, "RSAES_OAEP_SHA_1"),
]


def _made(spec: KeySpec, usage: KeyUsage) -> tuple[Handle, bytes | None]:
    made = _BACKEND.generate(spec, usage, b"")
    return _BACKEND.open(spec, b"", made.secret), made.public_key


@pytest.mark.parametrize(("spec", "usage", "algorithm"), _CASES)
def test_a_key_that_works_is_proven(spec: KeySpec, usage: KeyUsage, algorithm: str) -> None:
    handle, public_key = _made(spec, usage)
    assert proof.works(handle, algorithm, public_key)


@pytest.mark.parametrize(("spec", "usage", "algorithm"), _CASES[3:])
def test_a_private_key_with_another_ones_public_key_is_not(spec: KeySpec, usage: KeyUsage, algorithm: str) -> None:
    handle, _ = _made(spec, usage)
    _, others = _made(spec, usage)
    assert not proof.works(handle, algorithm, others)


@pytest.mark.parametrize(("spec", "usage", "algorithm"), _CASES)
def test_a_handle_that_cannot_do_the_algorithm_is_not(spec: KeySpec, usage: KeyUsage, algorithm: str) -> None:
    _, public_key = _made(spec, usage)
    other = KeySpec.EC_P256 if usage is not KeyUsage.SIGN else KeySpec.AES_256
    other_usage = KeyUsage.SIGN if usage is not KeyUsage.SIGN else KeyUsage.ENCRYPT
    assert not proof.works(_made(other, other_usage)[0], algorithm, public_key)
