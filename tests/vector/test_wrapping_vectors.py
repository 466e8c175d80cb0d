"""What carries imported material: AES key wrap with padding, AES-ECB, SM4-ECB, PKCS#1 v1.5 and OAEP.

Vectors of NIST's CAVP (SP 800-38F; AESAVS), GB/T 32907 (as in draft-ribose-cfrg-sm4), RSA Laboratories and pyca. Every
case runs as an import does: the ephemeral key under the wrapping key, the content under the ephemeral key. Ephemeral
keys have 256 bits (AES) and 128 bits (SM4), so cases with other keys do not apply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import padding

from kmsplan.engine import wrapping
from kmsplan.engine.protection.protocol import InvalidMaterialError
from kmsplan.engine.protection.publickey import OAEP_PADDINGS
from kmsplan.engine.sm import sm2
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.wrapping import WrappingKeySpec
from tests.vectors import cases, oaep_groups, pkcs8, rsa_private, spki

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.wrapping import WrappingKey

KWP = "RSA_AES_KEY_WRAP_SHA_256"
ECB = "RSAES_OAEP_SHA_256_AES_256_ECB_PKCS7_PAD"
MODULUS = 256
BLOCK = 16


@pytest.fixture(scope="module")
def rsa_key() -> WrappingKey:
    return wrapping.generate(WrappingKeySpec.RSA_2048)


def _chooser(case: dict[str, str], name: str) -> Callable[[int], bytes]:
    """Return what makes the engine take a case's key as its ephemeral key."""
    key = bytes.fromhex(case[name])

    def entropy(size: int) -> bytes:
        assert size == len(key)
        return key

    return entropy


def test_aes_key_wrap_wraps_as_published(rsa_key: WrappingKey) -> None:
    done = 0
    for case in cases("keywrap/kwtestvectors/KWP_AE_256.txt"):
        wrapped = wrapping.wrap(KWP, rsa_key.public, SecretBytes(bytes.fromhex(case["P"])), _chooser(case, "K"))
        assert wrapped[MODULUS:].hex() == case["C"]
        done += 1
    assert done == 500


def test_aes_key_wrap_unwraps_and_refuses_as_published(rsa_key: WrappingKey) -> None:
    opened = refused = 0
    for case in cases("keywrap/kwtestvectors/KWP_AD_256.txt"):
        head = wrapping.wrap(KWP, rsa_key.public, SecretBytes(bytes(8)), _chooser(case, "K"))[:MODULUS]
        wrapped = head + bytes.fromhex(case["C"])
        if "FAIL" in case:
            with pytest.raises(InvalidMaterialError):
                wrapping.unwrap(KWP, rsa_key.private, wrapped)
            refused += 1
        else:
            assert wrapping.unwrap(KWP, rsa_key.private, wrapped).reveal().hex() == case["P"]
            opened += 1
    assert opened + refused == 500
    assert min(opened, refused) >= 100


@pytest.mark.parametrize("kind", ["GFSbox", "KeySbox", "MMT", "VarKey", "VarTxt"])
def test_aes_ecb_is_as_published(rsa_key: WrappingKey, kind: str) -> None:
    done = 0
    for case in cases(f"ciphers/AES/ECB/ECB{kind}256.rsp"):
        material = SecretBytes(bytes.fromhex(case["PLAINTEXT"]))
        wrapped = wrapping.wrap(ECB, rsa_key.public, material, _chooser(case, "KEY"))
        assert wrapped[MODULUS:-BLOCK].hex() == case["CIPHERTEXT"], "all but the block of padding"
        assert wrapping.unwrap(ECB, rsa_key.private, wrapped).matches(material)
        done += 1
    assert done >= 10


@pytest.mark.skipif(not sm2.supported(), reason="no SM2 on this host")
def test_sm4_ecb_is_as_published() -> None:
    key, done = wrapping.generate(WrappingKeySpec.EC_SM2), 0
    for case in cases("ciphers/SM4/draft-ribose-cfrg-sm4-10-ecb.txt"):
        # A private number has two blocks; what ECB makes of a block that is there twice is there twice.
        times = 64 // len(case["PLAINTEXT"])
        material = SecretBytes(bytes.fromhex(case["PLAINTEXT"] * times))
        wrapped = wrapping.wrap("SM2PKE_SM4_ECB", key.public, material, _chooser(case, "KEY"))
        assert wrapped[-2 * BLOCK :].hex() == case["CIPHERTEXT"] * times
        assert wrapping.unwrap("SM2PKE_SM4_ECB", key.private, wrapped).matches(material)
        done += 1
    assert done == 4


@pytest.mark.parametrize(
    ("name", "algorithm", "ciphertexts"),
    [
        ("pkcs1v15crypt-vectors.txt", "RSAES_PKCS1_V1_5", 20),
        ("pkcs-1v2-1d2-vec/oaep-vect.txt", "RSAES_OAEP_SHA_1", 6),
        ("oaep-custom/oaep-sha256-sha256.txt", "RSAES_OAEP_SHA_256", 60),
    ],
)
def test_material_under_a_published_wrapping_key_unwraps(name: str, algorithm: str, ciphertexts: int) -> None:
    done = 0
    for numbers, pairs in oaep_groups(f"asymmetric/RSA/{name}"):
        key = rsa_private(numbers)
        if key.key_size != MODULUS * 8:
            continue
        for message, ciphertext in pairs:
            assert wrapping.unwrap(algorithm, SecretBytes(pkcs8(key)), ciphertext).reveal() == message
            done += 1
    assert done == ciphertexts


@pytest.mark.parametrize("algorithm", [*OAEP_PADDINGS, "RSAES_PKCS1_V1_5"])
def test_what_we_wrap_for_a_published_key_opens_under_its_scheme(algorithm: str) -> None:
    *_, (numbers, _) = oaep_groups("asymmetric/RSA/pkcs1v15crypt-vectors.txt")
    key = rsa_private(numbers)
    wrapped = wrapping.wrap(algorithm, spki(key.public_key()), SecretBytes(bytes(range(32))))
    assert key.decrypt(wrapped, OAEP_PADDINGS.get(algorithm, padding.PKCS1v15())) == bytes(range(32))
