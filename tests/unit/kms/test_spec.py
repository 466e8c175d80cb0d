from __future__ import annotations

import pytest

from kmsplan.kms.spec import ALGORITHMS, SPECS, KeySpec, KeyType, KeyUsage, specs_for


def test_every_spec_has_one_row() -> None:
    assert set(SPECS) == set(KeySpec)


@pytest.mark.parametrize("spec", list(KeySpec))
def test_every_algorithm_of_a_spec_is_in_the_algorithm_table(spec: KeySpec) -> None:
    assert set(SPECS[spec].algorithms) <= set(ALGORITHMS)


@pytest.mark.parametrize(
    ("spec", "usage"),
    [
        (KeySpec.AES_256, KeyUsage.ENCRYPT),
        (KeySpec.RSA_2048, KeyUsage.SIGN),
        (KeySpec.EC_P256, KeyUsage.SIGN),
        (KeySpec.EC_SM2, KeyUsage.SIGN),
        (KeySpec.HMAC_SHA_256, KeyUsage.MAC),
    ],
)
def test_default_usage_is_signing_wherever_the_spec_can_sign(spec: KeySpec, usage: KeyUsage) -> None:
    assert SPECS[spec].default_usage is usage


def test_usages_of_rsa_are_both_and_of_ec_only_signing() -> None:
    assert SPECS[KeySpec.RSA_3072].usages == (KeyUsage.ENCRYPT, KeyUsage.SIGN)
    assert SPECS[KeySpec.EC_P256K].usages == (KeyUsage.SIGN,)


@pytest.mark.parametrize(
    ("spec", "algorithm", "limit"),
    [
        (KeySpec.RSA_2048, "RSAES_OAEP_SHA_256", 190),
        (KeySpec.RSA_3072, "RSAES_OAEP_SHA_256", 318),
        (KeySpec.RSA_4096, "RSAES_OAEP_SHA_256", 446),
        (KeySpec.RSA_2048, "RSAES_OAEP_SHA_1", 214),
        (KeySpec.RSA_3072, "RSAES_OAEP_SHA_1", 342),
        (KeySpec.RSA_4096, "RSAES_OAEP_SHA_1", 470),
        (KeySpec.EC_SM2, "SM2PKE", 6047),
        (KeySpec.AES_256, "AES_GCM", 6144),
    ],
)
def test_plaintext_limits_are_the_published_ones(spec: KeySpec, algorithm: str, limit: int) -> None:
    assert SPECS[spec].plaintext_limit(algorithm) == limit


def test_default_and_service_keys_are_aes_256_only() -> None:
    assert specs_for(KeyType.DEFAULT_CMK) == (KeySpec.AES_256,)
    assert specs_for(KeyType.SERVICE_KEY) == (KeySpec.AES_256,)


def test_software_instances_offer_no_short_aes_and_external_ones_no_asymmetric_key() -> None:
    assert KeySpec.AES_128 not in specs_for(KeyType.SOFTWARE)
    assert specs_for(KeyType.EXTERNAL) == (KeySpec.AES_256, KeySpec.SM4)


@pytest.mark.parametrize("spec", [spec for spec in KeySpec if SPECS[spec].material_bytes])
def test_symmetric_material_is_as_long_as_its_bits(spec: KeySpec) -> None:
    assert SPECS[spec].material_bytes == SPECS[spec].bits // 8
    assert SPECS[spec].symmetric
