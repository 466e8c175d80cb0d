"""ECDSA with SHA-256: NIST CAVP (FIPS 186-3 SigVer and SigGen) for P-256, pyca's vectors for secp256k1."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from kmsplan.engine.protection import publickey
from kmsplan.engine.protection.softkey import EcHandle
from tests.vectors import cases

FILES = {
    "P-256 verify": ("FIPS_186-3/SigVer.rsp", "P-256,SHA-256", ec.SECP256R1()),
    "P-256 sign": ("FIPS_186-3/SigGen.txt", "P-256,SHA-256", ec.SECP256R1()),
    "secp256k1 sign": ("SECP256K1/SigGen.txt", "K-256,SHA-256", ec.SECP256K1()),
}


def _cases(name: str) -> list[dict[str, str]]:
    file, section, _ = FILES[name]
    return [case for case in cases(f"asymmetric/ECDSA/{file}") if section in case and "Msg" in case]


def _public(case: dict[str, str], curve: ec.EllipticCurve) -> bytes | None:
    numbers = ec.EllipticCurvePublicNumbers(int(case["Qx"], 16), int(case["Qy"], 16), curve)
    try:
        key = numbers.public_key()
    except ValueError:  # a case with a changed Q, which is no point of the curve
        return None
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("name", FILES)
def test_signatures_verify_as_published(name: str) -> None:
    results = []
    for case in _cases(name):
        public = _public(case, FILES[name][2])
        signature = encode_dss_signature(int(case["R"], 16), int(case["S"], 16))
        digest = hashlib.sha256(bytes.fromhex(case["Msg"])).digest()
        holds = public is not None and publickey.verify(public, "ECDSA_SHA_256", digest, signature)
        assert holds is case.get("Result", "P").startswith("P"), case
        results.append(holds)
    assert len(results) >= 15
    assert results.count(True) >= 3


@pytest.mark.parametrize("name", ["P-256 sign", "secp256k1 sign"])
def test_what_we_sign_with_published_keys_holds(name: str) -> None:
    curve = FILES[name][2]
    for case in _cases(name)[:20]:
        public = _public(case, curve)
        assert public is not None
        digest = hashlib.sha256(bytes.fromhex(case["Msg"])).digest()
        handle = EcHandle(ec.derive_private_key(int(case["d"], 16), curve))
        assert publickey.verify(public, "ECDSA_SHA_256", digest, handle.sign("ECDSA_SHA_256", digest))
