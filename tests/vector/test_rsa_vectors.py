"""RSA: NIST CAVP (FIPS 186-2/186-3 SigGen and SigVer), RSA Laboratories' OAEP vectors and pyca's SHA-2 variant of them,
and certificates that OpenSSL signed with PSS (SHA-256, salt of 32 bytes; CAVP's PSS vectors have no such salt)."""

from __future__ import annotations

import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from kmsplan.engine.protection import publickey
from kmsplan.engine.protection.protocol import InvalidCiphertextError
from kmsplan.engine.protection.softkey import RsaHandle
from tests.vectors import ROOT, cases, oaep_groups

SIZES = ("2048", "3072", "4096")


def _der(key: rsa.RSAPublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _digest(case: dict[str, str]) -> bytes:
    return hashlib.sha256(bytes.fromhex(case["Msg"])).digest()


def _signature_cases(name: str) -> list[dict[str, str]]:
    """Return the cases with SHA-256 under keys of our sizes; n and e stand once for several cases."""
    found: list[dict[str, str]] = []
    numbers: dict[str, str] = {}
    for case in cases(f"asymmetric/RSA/FIPS_186-2/{name}"):
        numbers |= {part: case[part] for part in ("n", "e") if part in case}
        if case.get("mod") in SIZES and case.get("SHAAlg") == "SHA256":
            found.append({**case, **numbers})
    return found


def _public(case: dict[str, str]) -> bytes:
    return _der(rsa.RSAPublicNumbers(int(case["e"], 16), int(case["n"], 16)).public_key())


def test_pkcs1_signatures_verify_as_published() -> None:
    good = bad = 0
    for case in _signature_cases("SigVer15_186-3.rsp"):
        holds = publickey.verify(_public(case), "RSA_PKCS1_SHA_256", _digest(case), bytes.fromhex(case["S"]))
        assert holds is case["Result"].startswith("P"), case
        good, bad = good + holds, bad + (not holds)
    assert good >= 3
    assert bad >= 15


def test_published_pkcs1_signatures_hold() -> None:
    done = 0
    for case in _signature_cases("SigGen15_186-3.rsp"):
        assert publickey.verify(_public(case), "RSA_PKCS1_SHA_256", _digest(case), bytes.fromhex(case["S"]))
        done += 1
    assert done >= 20


@pytest.mark.parametrize("name", ["rsa_pss_cert.pem", "rsa_pss_sha256_no_null.pem"])
def test_pss_signatures_of_certificates_hold(name: str) -> None:
    certificate = x509.load_pem_x509_certificate((ROOT / "x509/custom" / name).read_bytes())
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    digest = hashlib.sha256(certificate.tbs_certificate_bytes).digest()
    assert publickey.verify(_der(key), "RSA_PSS_SHA_256", digest, certificate.signature)
    assert not publickey.verify(_der(key), "RSA_PSS_SHA_256", hashlib.sha256(b"").digest(), certificate.signature)


def test_pss_signatures_with_another_salt_length_do_not_hold() -> None:
    refused = 0
    for case in _signature_cases("SigVerPSS_186-3.rsp"):
        assert not publickey.verify(_public(case), "RSA_PSS_SHA_256", _digest(case), bytes.fromhex(case["S"]))
        refused += 1
    assert refused >= 15


@pytest.mark.parametrize(
    ("name", "algorithm", "keys"),
    [
        ("pkcs-1v2-1d2-vec/oaep-vect.txt", "RSAES_OAEP_SHA_1", 10),
        ("oaep-custom/oaep-sha256-sha256.txt", "RSAES_OAEP_SHA_256", 1),
    ],
)
def test_oaep_ciphertexts_open_as_published(name: str, algorithm: str, keys: int) -> None:
    groups = list(oaep_groups(f"asymmetric/RSA/{name}"))
    assert len(groups) >= keys
    for numbers, pairs in groups:
        handle = RsaHandle(_private(numbers))
        assert len(pairs) >= 6
        for message, ciphertext in pairs:
            assert handle.asymmetric_decrypt(algorithm, ciphertext) == message
            with pytest.raises(InvalidCiphertextError):
                handle.asymmetric_decrypt(algorithm, ciphertext[:-1] + bytes([ciphertext[-1] ^ 1]))


def _private(numbers: dict[str, int]) -> rsa.RSAPrivateKey:
    public = rsa.RSAPublicNumbers(numbers["Public exponent"], numbers["Modulus"])
    p, q = numbers["Prime 1"], numbers["Prime 2"]
    d = pow(public.e, -1, (p - 1) * (q - 1))
    private = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    return private.private_key(unsafe_skip_rsa_key_validation=True)


def test_what_we_sign_and_encrypt_agrees_with_the_same_key() -> None:
    (numbers, _), *_ = oaep_groups("asymmetric/RSA/oaep-custom/oaep-sha256-sha256.txt")
    key = _private(numbers)
    handle, public, digest = RsaHandle(key), _der(key.public_key()), hashlib.sha256(b"message").digest()
    for algorithm in publickey.SIGNATURE_PADDINGS:
        assert publickey.verify(public, algorithm, digest, handle.sign(algorithm, digest))
    for algorithm in publickey.OAEP_PADDINGS:
        sealed = publickey.encrypt(public, algorithm, b"message")
        assert handle.asymmetric_decrypt(algorithm, sealed) == b"message"
