"""ECDSA with SHA-256: NIST CAVP and RFC 6979, as OpenSSL's tests write it, for P-256; pyca's vectors for secp256k1.

Of CAVP: SigVer and SigGen of FIPS 186-3 (those of 186-2 are over SHA-1), KeyPair and PKV of both.
"""

from __future__ import annotations

import hashlib
import re
from itertools import chain

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from kmsplan.engine.protection import accepting, publickey
from kmsplan.engine.protection.protocol import InvalidMaterialError
from kmsplan.engine.protection.softkey import EcHandle
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import KeySpec
from tests.vectors import ROOT, cases, pkcs8, spki

FOLDER = "asymmetric/ECDSA"
P256, K256 = ec.SECP256R1(), ec.SECP256K1()
FILES = {
    "P-256 verify": ("FIPS_186-3/SigVer.rsp", "P-256,SHA-256", P256),
    "P-256 sign, public": ("FIPS_186-3/SigGen.rsp", "P-256,SHA-256", P256),
    "P-256 sign": ("FIPS_186-3/SigGen.txt", "P-256,SHA-256", P256),
    "secp256k1 sign": ("SECP256K1/SigGen.txt", "K-256,SHA-256", K256),
}
EDITIONS = ("FIPS_186-2", "FIPS_186-3")
# SubjectPublicKeyInfo of an uncompressed point on P-256, up to its two coordinates (RFC 5480, 2.1.1).
SPKI_HEAD = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")


def _cases(name: str) -> list[dict[str, str]]:
    file, section, _ = FILES[name]
    return [case for case in cases(f"{FOLDER}/{file}") if section in case and "Msg" in case]


def _point_cases(edition: str, file: str) -> list[dict[str, str]]:
    """Return the cases of P-256, which stand between its heading and that of the next curve."""
    text = (ROOT / FOLDER / edition / file).read_text()
    part = re.split(r"^\[P-384\]", text.partition("\n[P-256]")[2], maxsplit=1, flags=re.MULTILINE)[0]
    found = [dict(re.findall(r"^(\w+) = (\w+)", case, re.MULTILINE)) for case in part.split("\n\n")]
    return [case for case in found if "Qx" in case]


def _public(case: dict[str, str], curve: ec.EllipticCurve) -> bytes | None:
    numbers = ec.EllipticCurvePublicNumbers(int(case["Qx"], 16), int(case["Qy"], 16), curve)
    try:
        return spki(numbers.public_key())
    except ValueError:  # a case with a changed Q, which is no point of the curve
        return None


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


def test_rfc_6979_signatures_verify_as_published() -> None:
    text = (ROOT / FOLDER / "RFC6979/evppkey_ecdsa_rfc6979.txt").read_text()
    pem = re.search(r"PublicKey=P-256_PUB\n(.*?)\n\n", text, re.DOTALL)
    assert pem is not None
    public = serialization.load_pem_public_key(pem[1].encode())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    verification = (
        r'DigestVerify = SHA256\nKey = P-256_PUB\nInput = "(\w+)"\nOutput = (\w+)\n(?:Result = (VERIFY_ERROR))?'
    )
    results = []
    for message, signature, bad in re.findall(verification, text):
        digest = hashlib.sha256(message.encode()).digest()
        holds = publickey.verify(spki(public), "ECDSA_SHA_256", digest, bytes.fromhex(signature))
        assert holds is (not bad)
        results.append(holds)
    assert sorted(results) == [False, False, True, True]


@pytest.mark.parametrize("edition", EDITIONS)
def test_an_imported_private_number_has_the_published_public_key(edition: str) -> None:
    done = 0
    for case in _point_cases(edition, "KeyPair.rsp"):
        key = ec.derive_private_key(int(case["d"], 16), P256)
        accepted = accepting.accept(KeySpec.EC_P256, SecretBytes(pkcs8(key)))
        assert accepted.public_key == SPKI_HEAD + bytes.fromhex(case["Qx"] + case["Qy"])
        done += 1
    assert done >= 10


@pytest.mark.parametrize("edition", EDITIONS)
def test_points_are_taken_as_published(edition: str) -> None:
    taken = refused = 0
    signature = encode_dss_signature(1, 1)
    for case in _point_cases(edition, "PKV.rsp"):
        # A coordinate that is out of range may be too long for its place, which shifts what follows.
        point = b"".join(bytes.fromhex(case[part].zfill(64 if len(case[part]) <= 64 else 66)) for part in ("Qx", "Qy"))
        if case["Result"] == "P":
            assert not publickey.verify(SPKI_HEAD + point, "ECDSA_SHA_256", bytes(32), signature)
            taken += 1
        else:
            with pytest.raises(ValueError, match="key"):
                publickey.verify(SPKI_HEAD + point, "ECDSA_SHA_256", bytes(32), signature)
            refused += 1
    assert min(taken, refused) >= 3


def test_private_numbers_off_the_curves_range_are_not_imported() -> None:
    template = pkcs8(ec.derive_private_key(1, P256))
    one = (1).to_bytes(32, "big")
    order = int("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551", 16)
    for number in chain([0], range(order, order + 3), [2**256 - 1]):
        with pytest.raises(InvalidMaterialError):
            accepting.accept(KeySpec.EC_P256, SecretBytes(template.replace(one, number.to_bytes(32, "big"))))
