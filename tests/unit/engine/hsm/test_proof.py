from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.hsm import proof
from kmsplan.engine.protection.software import SoftwareProtection
from kmsplan.kms.spec import KeySpec, KeyUsage

if TYPE_CHECKING:
    from kmsplan.engine.hsm.handle import Handle

_BACKEND = SoftwareProtection(os.urandom)
_CASES = [
    (KeySpec.AES_256, KeyUsage.ENCRYPT, "AES_GCM"),
    (KeySpec.EC_P256, KeyUsage.SIGN, "ECDSA_SHA_256"),
    (KeySpec.RSA_2048, KeyUsage.SIGN, "RSA_PSS_SHA_256"),
    (KeySpec.RSA_2048, KeyUsage.ENCRYPT, "RSAES_OAEP_SHA_1"),
]


def _made(spec: KeySpec, usage: KeyUsage) -> tuple[Handle, bytes | None]:
    made = _BACKEND.generate(spec, usage, b"")
    return _BACKEND.open(spec, b"", made.secret), made.public_key  # type: ignore[return-value] # alike in what it can do


@pytest.mark.parametrize(("spec", "usage", "algorithm"), _CASES)
def test_a_key_that_works_is_proven(spec: KeySpec, usage: KeyUsage, algorithm: str) -> None:
    handle, public_key = _made(spec, usage)
    assert proof.works(handle, algorithm, public_key)


@pytest.mark.parametrize(("spec", "usage", "algorithm"), _CASES[1:])
def test_a_private_key_with_another_ones_public_key_is_not(spec: KeySpec, usage: KeyUsage, algorithm: str) -> None:
    handle, _ = _made(spec, usage)
    _, others = _made(spec, usage)
    assert not proof.works(handle, algorithm, others)


@pytest.mark.parametrize(("spec", "usage", "algorithm"), _CASES)
def test_a_handle_that_cannot_do_the_algorithm_is_not(spec: KeySpec, usage: KeyUsage, algorithm: str) -> None:
    _, public_key = _made(spec, usage)
    other = KeySpec.EC_P256 if usage is KeyUsage.ENCRYPT else KeySpec.AES_256
    other_usage = KeyUsage.SIGN if usage is KeyUsage.ENCRYPT else KeyUsage.ENCRYPT
    assert not proof.works(_made(other, other_usage)[0], algorithm, public_key)
