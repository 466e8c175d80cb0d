"""AES-GCM: NIST CAVP (gcmtestvectors, 2012), with the IV and tag lengths that the engine uses."""

from __future__ import annotations

import pytest

from kmsplan.engine.protection.protocol import InvalidCiphertextError
from kmsplan.engine.protection.softkey import AesHandle
from kmsplan.kms.secret import SecretBytes
from tests.vectors import cases

SIZES = (128, 192, 256)


def _ours(case: dict[str, str]) -> bool:
    return case["IVlen"] == "96" and case["Taglen"] == "128"


def _no_entropy(_: int) -> bytes:
    raise AssertionError


@pytest.mark.parametrize("bits", SIZES)
def test_decryption(bits: int) -> None:
    opened = refused = 0
    for case in filter(_ours, cases(f"ciphers/AES/GCM/gcmDecrypt{bits}.rsp")):
        handle = AesHandle(SecretBytes(bytes.fromhex(case["Key"])), _no_entropy)
        sealed = bytes.fromhex(case["IV"] + case["CT"] + case["Tag"])
        if "FAIL" in case:
            with pytest.raises(InvalidCiphertextError):
                handle.decrypt(sealed, bytes.fromhex(case["AAD"]))
            refused += 1
        else:
            assert handle.decrypt(sealed, bytes.fromhex(case["AAD"])).hex() == case["PT"]
            opened += 1
    assert opened + refused == 375
    assert min(opened, refused) > 100


@pytest.mark.parametrize("bits", SIZES)
def test_encryption(bits: int) -> None:
    done = 0
    for case in filter(_ours, cases(f"ciphers/AES/GCM/gcmEncryptExtIV{bits}.rsp")):
        iv = bytes.fromhex(case["IV"])
        handle = AesHandle(SecretBytes(bytes.fromhex(case["Key"])), lambda _, iv=iv: iv)  # type: ignore[misc]
        sealed = handle.encrypt(bytes.fromhex(case["PT"]), bytes.fromhex(case["AAD"]))
        assert sealed.hex() == case["IV"] + case["CT"] + case["Tag"]
        done += 1
    assert done == 375
