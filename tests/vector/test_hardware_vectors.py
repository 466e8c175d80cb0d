"""Published keys imported into a token, and the published results that the token makes of them.

A sample: an import takes tens of milliseconds, and the arithmetic is the token's.
"""

from __future__ import annotations

import hashlib
from itertools import islice
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kmsplan.engine import wrapping
from kmsplan.engine.protection import publickey
from kmsplan.engine.protection.protocol import AsymmetricDecrypter, Encrypter, InvalidCiphertextError, Signer
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import KeySpec, KeyUsage
from tests.softhsm import SoftHsm, random_reference
from tests.vectors import cases, oaep_groups, pkcs8, rsa_of_primes, rsa_private

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.engine.protection.pkcs11 import Pkcs11Protection
    from kmsplan.engine.protection.protocol import Handle

pytestmark = pytest.mark.hsm
SAMPLE = 25
AES = {128: KeySpec.AES_128, 192: KeySpec.AES_192, 256: KeySpec.AES_256}


class Token:
    """A token that keys are imported into."""

    def __init__(self, protection: Pkcs11Protection) -> None:
        self._protection = protection
        self._wrapping = random_reference()
        self._public = protection.wrapping_key(self._wrapping)

    def bring(self, spec: KeySpec, usage: KeyUsage, material: bytes) -> tuple[Handle, bytes | None]:
        """Import a key; return its handle and its public key."""
        (algorithm, *_) = self._protection.wrappings(spec)
        wrapped = wrapping.wrap(algorithm, self._public, SecretBytes(material))
        place = random_reference()
        made = self._protection.unwrap(spec, usage, place, algorithm, wrapped, self._wrapping)
        return self._protection.open(spec, place, None), made.public_key


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Token]:
    with pytest.MonkeyPatch.context() as patch:
        protection = SoftHsm.create(tmp_path_factory.mktemp("token"), patch).protection()
        yield Token(protection)
        protection.close()


@pytest.mark.parametrize("bits", AES)
def test_aes_gcm_opens_and_refuses_as_published(token: Token, bits: int) -> None:
    ours = (case for case in cases(f"ciphers/AES/GCM/gcmDecrypt{bits}.rsp") if case["IVlen"] == "96")
    results = []
    # The files sort their cases by length; each fifteenth is a sample of all of them.
    for case in islice((case for case in ours if case["Taglen"] == "128"), 0, None, 375 // SAMPLE):
        handle, _ = token.bring(AES[bits], KeyUsage.ENCRYPT, bytes.fromhex(case["Key"]))
        assert isinstance(handle, Encrypter)
        sealed = bytes.fromhex(case["IV"] + case["CT"] + case["Tag"])
        if "FAIL" in case:
            with pytest.raises(InvalidCiphertextError):
                handle.decrypt(sealed, bytes.fromhex(case["AAD"]))
        else:
            assert handle.decrypt(sealed, bytes.fromhex(case["AAD"])).hex() == case["PT"]
        results.append("FAIL" in case)
    assert len(results) == SAMPLE
    assert set(results) == {True, False}


def test_pkcs1_signatures_are_the_published_ones(token: Token) -> None:
    numbers: dict[str, str] = {}
    done = 0
    for case in cases("asymmetric/RSA/FIPS_186-2/SigGen15_186-2.txt"):
        numbers |= {part: case[part] for part in ("n", "e", "d") if part in case}
        if case["mod"] != "2048" or case.get("SHAAlg") != "SHA256":
            continue
        public = rsa.RSAPublicNumbers(int(numbers["e"], 16), int(numbers["n"], 16))
        p, q = rsa.rsa_recover_prime_factors(public.n, public.e, int(numbers["d"], 16))
        handle, _ = token.bring(KeySpec.RSA_2048, KeyUsage.SIGN, pkcs8(rsa_of_primes(p, q, public)))
        assert isinstance(handle, Signer)
        digest = hashlib.sha256(bytes.fromhex(case["Msg"])).digest()
        assert handle.sign("RSA_PKCS1_SHA_256", digest).hex() == case["S"]
        done += 1
    assert done == 10


def test_oaep_ciphertexts_open_as_published(token: Token) -> None:
    *_, (numbers, pairs) = oaep_groups("asymmetric/RSA/pkcs-1v2-1d2-vec/oaep-vect.txt")
    handle, _ = token.bring(KeySpec.RSA_2048, KeyUsage.ENCRYPT, pkcs8(rsa_private(numbers)))
    assert isinstance(handle, AsymmetricDecrypter)
    assert [handle.asymmetric_decrypt("RSAES_OAEP_SHA_1", ciphertext) for _, ciphertext in pairs] == [
        message for message, _ in pairs
    ]


@pytest.mark.parametrize(
    ("spec", "curve", "file", "section"),
    [
        (KeySpec.EC_P256, ec.SECP256R1(), "FIPS_186-3/SigGen.txt", "P-256,SHA-256"),
        (KeySpec.EC_P256K, ec.SECP256K1(), "SECP256K1/SigGen.txt", "K-256,SHA-256"),
    ],
)
def test_an_imported_pair_has_its_published_public_key_and_signs_for_it(
    token: Token, spec: KeySpec, curve: ec.EllipticCurve, file: str, section: str
) -> None:
    ours = (case for case in cases(f"asymmetric/ECDSA/{file}") if section in case and "Msg" in case)
    for case in islice(ours, 5):
        material = pkcs8(ec.derive_private_key(int(case["d"], 16), curve))
        handle, public = token.bring(spec, KeyUsage.SIGN, material)
        assert isinstance(handle, Signer)
        assert public is not None
        assert public.endswith(bytes.fromhex(case["Qx"].zfill(64) + case["Qy"].zfill(64)))
        digest = hashlib.sha256(bytes.fromhex(case["Msg"])).digest()
        assert publickey.verify(public, "ECDSA_SHA_256", digest, handle.sign("ECDSA_SHA_256", digest))
