from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.offer import HARDWARE_SPECS
from kmsplan.kms.spec import KeySpec

if TYPE_CHECKING:
    from kmsplan.engine.protection.pkcs11 import Pkcs11Protection

pytestmark = pytest.mark.hsm
_RSA_ON_SOFTHSM = ("RSA_PSS_SHA_256", "RSA_PKCS1_SHA_256", "RSAES_OAEP_SHA_1")


def test_softhsm_makes_every_spec_that_is_offered_for_hardware_keys(protection: Pkcs11Protection) -> None:
    assert protection.specs() == set(HARDWARE_SPECS)


def test_what_the_mechanism_list_promises_and_the_token_cannot_do_is_left_out(protection: Pkcs11Protection) -> None:
    # SoftHSM lists CKM_RSA_PKCS_OAEP and refuses it with SHA-256 (in 2.6 and 2.7; later ones may do it).
    offered = protection.algorithms(KeySpec.RSA_4096)
    assert tuple(name for name in offered if name != "RSAES_OAEP_SHA_256") == _RSA_ON_SOFTHSM


@pytest.mark.parametrize(
    ("spec", "algorithms"),
    [
        (KeySpec.AES_192, ("AES_GCM",)),
        (KeySpec.EC_P256, ("ECDSA_SHA_256",)),
        (KeySpec.EC_P256K, ("ECDSA_SHA_256",)),
        (KeySpec.EC_SM2, ()),
        (KeySpec.HMAC_SHA_256, ("HMAC_SHA_256",)),
        (KeySpec.HMAC_SM3, ()),
        (KeySpec.SM4, ()),
        (KeySpec.DES3_192, ()),
    ],
)
def test_algorithms_are_those_that_worked(
    protection: Pkcs11Protection, spec: KeySpec, algorithms: tuple[str, ...]
) -> None:
    assert protection.algorithms(spec) == algorithms


def test_probing_leaves_nothing_in_the_token(protection: Pkcs11Protection) -> None:
    assert protection.specs()
    report = protection.probe()
    assert (report.keys, report.strays, report.sentinel) == (0, (), False)
