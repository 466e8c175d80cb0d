from __future__ import annotations

import pytest

from kmsplan.kms.quantum import QUANTUM, QuantumClass, harvestable, quantum
from kmsplan.kms.spec import SPECS, KeySpec


def test_every_spec_has_a_row() -> None:
    assert set(QUANTUM) == set(KeySpec)


@pytest.mark.parametrize("spec", KeySpec)
def test_what_has_a_public_key_is_broken_and_nothing_else_is(spec: KeySpec) -> None:
    found = QUANTUM[spec]
    broken = found.kind is QuantumClass.VULNERABLE
    assert broken is not SPECS[spec].symmetric
    assert not (broken and found.level)


@pytest.mark.parametrize(
    ("spec", "kind", "level"),
    [
        ("Aliyun_AES_256", "resistant", 5),
        ("Aliyun_AES_192", "resistant", 3),
        ("Aliyun_AES_128", "reduced", 1),
        ("Aliyun_SM4", "reduced", 1),
        ("Aliyun_DES3_192", "reduced", 0),
        ("RSA_4096", "quantum-vulnerable", 0),
        ("EC_SM2", "quantum-vulnerable", 0),
        ("HMAC_SHA_224", "resistant", 3),
        ("HMAC_SM3", "resistant", 5),
    ],
)
def test_levels_are_nist_s_categories(spec: str, kind: str, level: int) -> None:
    found = quantum(spec)
    assert found is not None
    assert (found.kind.value, found.level) == (kind, level)


@pytest.mark.parametrize("spec", [None, "", "ML_KEM_768"])
def test_of_an_unknown_spec_nothing_is_known(spec: str | None) -> None:
    assert quantum(spec) is None
    assert not harvestable(spec, "ENCRYPT/DECRYPT")


@pytest.mark.parametrize(
    ("spec", "usage", "expected"),
    [
        ("RSA_2048", "ENCRYPT/DECRYPT", True),
        ("RSA_2048", "SIGN/VERIFY", False),
        ("EC_SM2", "ENCRYPT/DECRYPT", True),
        ("Aliyun_AES_128", "ENCRYPT/DECRYPT", False),
    ],
)
def test_only_ciphertext_of_a_broken_key_can_be_harvested(spec: str, usage: str, *, expected: bool) -> None:
    assert harvestable(spec, usage) is expected
