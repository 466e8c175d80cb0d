"""RSA: NIST CAVP (FIPS 186-2/186-3 SigGen and SigVer), RSA Laboratories' OAEP vectors and pyca's SHA-2 variants of
them, BoringSSL's OAEP vector with a label, and certificates that OpenSSL signed with PSS.

The certificates' salts have 32 bytes, as the engine's; those of CAVP's PSS vectors have not, and must not hold.
"""

from __future__ import annotations

import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from kmsplan.engine.protection import publickey
from kmsplan.engine.protection.protocol import InvalidCiphertextError
from kmsplan.engine.protection.softkey import RsaHandle
from tests.vectors import ROOT, cases, oaep_groups, rsa_of_primes, rsa_private, spki

FOLDER = "asymmetric/RSA"
SIZES = ("2048", "3072", "4096")
MIXED = sorted(path.name for path in (ROOT / FOLDER / "oaep-custom").iterdir() if path.name != "oaep-sha256-sha256.txt")


def _digest(case: dict[str, str]) -> bytes:
    return hashlib.sha256(bytes.fromhex(case["Msg"])).digest()


def _signature_cases(name: str) -> list[dict[str, str]]:
    """Return the cases with SHA-256 under keys of our sizes; n, e and d stand once for several cases."""
    found: list[dict[str, str]] = []
    numbers: dict[str, str] = {}
    for case in cases(f"{FOLDER}/{name}"):
        numbers |= {part: case[part] for part in ("n", "e", "d") if part in case}
        if case.get("mod") in SIZES and case.get("SHAAlg") == "SHA256":
            found.append({**case, **numbers})
    return found


def _numbers(case: dict[str, str]) -> rsa.RSAPublicNumbers:
    return rsa.RSAPublicNumbers(int(case["e"], 16), int(case["n"], 16))


def _public(case: dict[str, str]) -> bytes:
    return spki(_numbers(case).public_key())


@pytest.mark.parametrize(
    ("name", "least_good", "least_bad"),
    [("FIPS_186-2/SigVer15_186-3.rsp", 3, 15), ("SigVer15EMTest.txt", 0, 6)],
)
def test_pkcs1_signatures_verify_as_published(name: str, least_good: int, least_bad: int) -> None:
    good = bad = 0
    for case in _signature_cases(name):
        holds = publickey.verify(_public(case), "RSA_PKCS1_SHA_256", _digest(case), bytes.fromhex(case["S"]))
        assert holds is case["Result"].startswith("P"), case
        good, bad = good + holds, bad + (not holds)
    assert good >= least_good
    assert bad >= least_bad


@pytest.mark.parametrize("name", ["SigGen15_186-3.rsp", "SigGen15_186-2.rsp", "SigGen15_186-2.txt"])
def test_published_pkcs1_signatures_hold(name: str) -> None:
    done = 0
    for case in _signature_cases(f"FIPS_186-2/{name}"):
        assert publickey.verify(_public(case), "RSA_PKCS1_SHA_256", _digest(case), bytes.fromhex(case["S"]))
        done += 1
    assert done >= 20


def test_what_we_sign_with_published_keys_is_the_published_signature() -> None:
    handles: dict[str, RsaHandle] = {}
    done = 0
    for case in _signature_cases("FIPS_186-2/SigGen15_186-2.txt"):
        if case["n"] not in handles:
            public = _numbers(case)
            p, q = rsa.rsa_recover_prime_factors(public.n, public.e, int(case["d"], 16))
            handles[case["n"]] = RsaHandle(rsa_of_primes(p, q, public))
        assert handles[case["n"]].sign("RSA_PKCS1_SHA_256", _digest(case)).hex() == case["S"].lower()
        done += 1
    assert (len(handles), done) == (3, 30)


@pytest.mark.parametrize("name", ["rsa_pss_cert.pem", "rsa_pss_sha256_no_null.pem"])
def test_pss_signatures_of_certificates_hold(name: str) -> None:
    certificate = x509.load_pem_x509_certificate((ROOT / "x509/custom" / name).read_bytes())
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    digest = hashlib.sha256(certificate.tbs_certificate_bytes).digest()
    assert publickey.verify(spki(key), "RSA_PSS_SHA_256", digest, certificate.signature)
    assert not publickey.verify(spki(key), "RSA_PSS_SHA_256", hashlib.sha256(b"").digest(), certificate.signature)


@pytest.mark.parametrize(
    "name",
    ["SigVerPSS_186-3.rsp", "SigGenPSS_186-2.rsp", "SigGenPSS_186-2.txt", "SigGenPSS_186-3.rsp"],
)
def test_pss_signatures_with_another_salt_length_do_not_hold(name: str) -> None:
    refused = 0
    for case in _signature_cases(f"FIPS_186-2/{name}"):
        assert not publickey.verify(_public(case), "RSA_PSS_SHA_256", _digest(case), bytes.fromhex(case["S"]))
        refused += 1
    assert refused >= 15


@pytest.mark.parametrize(
    ("name", "algorithm", "keys", "pairs_each"),
    [
        ("pkcs-1v2-1d2-vec/oaep-vect.txt", "RSAES_OAEP_SHA_1", 10, 6),
        ("pkcs-1v2-1d2-vec/oaep-int.txt", "RSAES_OAEP_SHA_1", 1, 1),
        ("oaep-custom/oaep-sha256-sha256.txt", "RSAES_OAEP_SHA_256", 1, 6),
    ],
)
def test_oaep_ciphertexts_open_as_published(name: str, algorithm: str, keys: int, pairs_each: int) -> None:
    groups = list(oaep_groups(f"{FOLDER}/{name}"))
    assert len(groups) >= keys
    for numbers, pairs in groups:
        handle = RsaHandle(rsa_private(numbers))
        assert len(pairs) >= pairs_each
        for message, ciphertext in pairs:
            assert handle.asymmetric_decrypt(algorithm, ciphertext) == message
            with pytest.raises(InvalidCiphertextError):
                handle.asymmetric_decrypt(algorithm, ciphertext[:-1] + bytes([ciphertext[-1] ^ 1]))


@pytest.mark.parametrize("name", MIXED)
def test_oaep_with_other_hashes_than_one_for_both_does_not_open(name: str) -> None:
    refused = 0
    for numbers, pairs in oaep_groups(f"{FOLDER}/oaep-custom/{name}"):
        handle = RsaHandle(rsa_private(numbers))
        for _, ciphertext in pairs:
            for algorithm in publickey.OAEP_PADDINGS:
                with pytest.raises(InvalidCiphertextError):
                    handle.asymmetric_decrypt(algorithm, ciphertext)
                refused += 1
    assert refused >= 12


def test_oaep_with_a_label_does_not_open() -> None:
    (case,) = cases(f"{FOLDER}/oaep-label.txt")
    key = serialization.load_der_private_key(bytes.fromhex(case["KEY"]), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    for algorithm in publickey.OAEP_PADDINGS:
        with pytest.raises(InvalidCiphertextError):
            RsaHandle(key).asymmetric_decrypt(algorithm, bytes.fromhex(case["Input"]))


def test_what_we_sign_and_encrypt_agrees_with_the_same_key() -> None:
    (numbers, _), *_ = oaep_groups(f"{FOLDER}/oaep-custom/oaep-sha256-sha256.txt")
    key = rsa_private(numbers)
    handle, public, digest = RsaHandle(key), spki(key.public_key()), hashlib.sha256(b"message").digest()
    for algorithm in publickey.SIGNATURE_PADDINGS:
        assert publickey.verify(public, algorithm, digest, handle.sign(algorithm, digest))
    for algorithm in publickey.OAEP_PADDINGS:
        sealed = publickey.encrypt(public, algorithm, b"message")
        assert handle.asymmetric_decrypt(algorithm, sealed) == b"message"
