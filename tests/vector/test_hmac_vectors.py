"""HMAC with SHA-2: RFC 4231, as pyca wrote it. HMAC with SM3: GM/T 0042, appendix D.3, as OpenSSL's tests write it.

pyca's file leaves out RFC 4231's fifth case, a truncated code: the engine truncates none.
"""

from __future__ import annotations

import pytest

from kmsplan.engine.protection.softkey import HmacHandle
from kmsplan.kms.secret import SecretBytes
from tests.vectors import cases

SIZES = ("224", "256", "384", "512")
LETTERS = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq" * 2
# Key, message, code. The key of the last case is OpenSSL's: the appendix has a shorter one.
SM3 = (
    (bytes(range(1, 33)), LETTERS, "ca05e144ed05d1857840d1f318a4a8669e559fc8391f414485bfdf7bb408963a"),
    (bytes(range(1, 38)), b"\xcd" * 50, "220bf579ded555393f0159f66c99877822a3ecf610d1552154b41d44b94db3ae"),
    (b"\x0b" * 32, b"Hi There", "c0ba18c68b90c88bc07de794bfc7d2c8d19ec31ed8773bc2b390c9604e0be11e"),
    (
        b"Jefe",
        b"what do ya want for nothing?",
        "2e87f1d16862e6d964b50a5200bf2b10b764faa9680a296a2405f24bec39f882",
    ),
    (
        b"Jefe Jeferson Jr",
        b"what do ya want for nothing?",
        "ce791a34c59adef472997a249600f3f244d59e875be04055ba2ae12fc845e78c",
    ),
)


@pytest.mark.parametrize("size", SIZES)
def test_codes_with_sha_2_are_the_published_ones(size: str) -> None:
    done = 0
    for case in cases(f"HMAC/rfc-4231-sha{size}.txt"):
        handle = HmacHandle(SecretBytes(bytes.fromhex(case["Key"])))
        assert handle.mac(f"HMAC_SHA_{size}", bytes.fromhex(case["Msg"])).hex() == case["MD"]
        done += 1
    assert done == 6


@pytest.mark.parametrize(("key", "message", "code"), SM3)
def test_codes_with_sm3_are_the_published_ones(key: bytes, message: bytes, code: str) -> None:
    assert HmacHandle(SecretBytes(key)).mac("HMAC_SM3", message).hex() == code
