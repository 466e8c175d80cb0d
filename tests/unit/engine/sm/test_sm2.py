"""Keys outside the curve's range are refused: OpenSSL reads them, and with one of them signs for ever."""

from __future__ import annotations

import pytest

from kmsplan.engine.protection import accepting
from kmsplan.engine.protection.protocol import InvalidMaterialError
from kmsplan.engine.sm import sm2
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import KeySpec

pytestmark = pytest.mark.skipif(not sm2.supported(), reason="no SM2 on this host")

ORDER = int("FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123", 16)
PKCS8_HEAD = bytes.fromhex("3041020100301306072a8648ce3d020106082a811ccf5501822d042730250201010420")
INFINITY = bytes.fromhex("3019301306072a8648ce3d020106082a811ccf5501822d03020000")
NUMBERS = {"zero": 0, "order-less-1": ORDER - 1, "order": ORDER, "more": ORDER + 5, "all-ones": 2**256 - 1}


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
def test_a_private_number_beyond_the_range_is_no_key_in_pkcs8_either(number: int) -> None:
    scalar = number.to_bytes(32, "big")
    for content in (scalar, PKCS8_HEAD + scalar):
        with pytest.raises(InvalidMaterialError):
            accepting.accept(KeySpec.EC_SM2, SecretBytes(content))


@pytest.mark.parametrize("number", [1, ORDER - 2], ids=["first", "last"])
def test_both_ends_of_the_range_are_keys(number: int) -> None:
    scalar = number.to_bytes(32, "big")
    alone, within = (accepting.accept(KeySpec.EC_SM2, SecretBytes(each)) for each in (scalar, PKCS8_HEAD + scalar))
    assert alone.public_key == within.public_key
    assert alone.fingerprint == within.fingerprint


def test_the_point_at_infinity_is_no_public_key() -> None:
    with pytest.raises(ValueError, match="public key"):
        sm2.PublicKey(INFINITY)
