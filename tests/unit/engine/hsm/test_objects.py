"""Keys in a token that no engine made: what a key of ours can stand for, and why it cannot for others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from pkcs11 import KeyType

from kmsplan.engine.hsm import cryptoki, fitness, objects
from kmsplan.engine.hsm.mechanism import CURVES
from kmsplan.kms.spec import KeySpec, KeyUsage
from tests.foreign import in_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.engine.protection.pkcs11 import Pkcs11Protection
    from tests.softhsm import SoftHsm

pytestmark = pytest.mark.hsm
NO, YES = b"\0", b"\x01"
_CKA = {
    "private": 0x2,
    "label": 0x3,
    "type": 0x100,
    "sensitive": 0x103,
    "encrypt": 0x104,
    "decrypt": 0x105,
    "sign": 0x108,
    "extractable": 0x162,
    "always": 0x202,
    "modulus": cryptoki.CKA_MODULUS,
    "length": cryptoki.CKA_VALUE_LEN,
    "curve": cryptoki.CKA_EC_PARAMS,
}
_KEPT: dict[str, bytes | int] = {"private": YES, "sensitive": YES, "extractable": NO}
_AES: dict[str, bytes | int] = {**_KEPT, "type": KeyType.AES, "length": 32, "encrypt": YES, "decrypt": YES}
_MAC: dict[str, bytes | int] = {**_KEPT, "type": KeyType.GENERIC_SECRET, "length": 32, "sign": YES}
_RSA: dict[str, bytes | int] = {
    **_KEPT,
    "type": KeyType.RSA,
    "modulus": b"\x80" + bytes(255),
    "sign": YES,
    "decrypt": YES,
}
_EC: dict[str, bytes | int] = {**_KEPT, "type": KeyType.EC, "curve": CURVES[KeySpec.EC_P256], "sign": YES}


def _object(kind: int, told: Mapping[str, bytes | int]) -> objects.TokenObject:
    attributes = {
        _CKA[name]: value.to_bytes(8, "little") if isinstance(value, int) else value for name, value in told.items()
    }
    return objects.TokenObject(1, {**attributes, cryptoki.CKA_CLASS: kind.to_bytes(8, "little")})


def _secret(told: Mapping[str, bytes | int]) -> objects.Group:
    return objects.Group([_object(cryptoki.CKO_SECRET_KEY, told)], [])


def _pair(told: Mapping[str, bytes | int], publics: int = 1) -> objects.Group:
    public = _object(cryptoki.CKO_PUBLIC_KEY, {})
    return objects.Group([_object(cryptoki.CKO_PRIVATE_KEY, told)], [public] * publics)


@pytest.mark.parametrize(
    ("found", "spec", "usages"),
    [
        (_secret(_AES), KeySpec.AES_256, [KeyUsage.ENCRYPT]),
        (_secret({**_AES, "length": 16}), KeySpec.AES_128, [KeyUsage.ENCRYPT]),
        (_secret(_MAC), KeySpec.HMAC_SHA_256, [KeyUsage.MAC]),
        (_secret({**_MAC, "length": 64}), KeySpec.HMAC_SHA_512, [KeyUsage.MAC]),
        (_secret({**_MAC, "type": KeyType.SHA256_HMAC}), KeySpec.HMAC_SHA_256, [KeyUsage.MAC]),
        (_pair(_RSA), KeySpec.RSA_2048, [KeyUsage.SIGN, KeyUsage.ENCRYPT]),
        (_pair({**_RSA, "sign": NO}), KeySpec.RSA_2048, [KeyUsage.ENCRYPT]),
        (_pair({**_RSA, "decrypt": NO}), KeySpec.RSA_2048, [KeyUsage.SIGN]),
        (_pair(_EC), KeySpec.EC_P256, [KeyUsage.SIGN]),
    ],
    ids=["aes", "aes-128", "generic", "generic-512", "hmac", "rsa", "rsa-decrypts", "rsa-signs", "ec"],
)
def test_type_and_size_say_the_spec_and_capabilities_the_usages(
    found: objects.Group, spec: KeySpec, usages: list[KeyUsage]
) -> None:
    assert fitness.fitting(b"\x01", found) is spec
    assert fitness.usages(spec, found) == usages


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (_secret({**_AES, "sensitive": NO}), "read out in the clear"),
        (_secret({name: value for name, value in _AES.items() if name != "sensitive"}), "read out in the clear"),
        (_secret({**_AES, "extractable": YES}), "taken out of the token"),
        (_secret({name: value for name, value in _AES.items() if name != "extractable"}), "taken out of the token"),
        (_secret({**_AES, "private": NO}), "used without the PIN"),
        (_pair({**_EC, "always": YES}), "wants the PIN anew at every use"),
        (_secret({**_AES, "length": 0}), "does not tell its length"),
        (_secret({**_AES, "length": 31}), "no key spec for a key of type AES of 248 bits"),
        (_secret({**_MAC, "type": KeyType.SHA512_HMAC}), "no key spec for a key of type SHA512_HMAC of 256 bits"),
        (_secret({**_AES, "encrypt": NO}), "may neither decrypt nor sign"),
        (_secret({**_AES, "decrypt": NO}), "may neither decrypt nor sign"),
        (_secret({**_AES, "type": KeyType.DES3}), "of the key type DES3"),
        (_secret({**_AES, "type": 0x7FFFFFFF}), "of the key type 0x7fffffff"),
        (_secret(_KEPT), "of the key type that is not told"),
        (_secret(_RSA), "of the key type RSA"),
        (_pair(_AES), "of the key type AES"),
        (_pair({**_RSA, "modulus": b"\x80" + bytes(127)}), "no key spec for a key of type RSA of 1024 bits"),
        (_pair({**_EC, "curve": b"\x06\x05"}), "no key spec for a key of type EC on that curve"),
        (_pair(_EC, publics=0), "no public key of the same CKA_ID"),
        (_pair(_EC, publics=2), "2 keys have this CKA_ID"),
        (objects.Group(_secret(_AES).keys * 3, []), "3 keys have this CKA_ID"),
        (objects.Group([], _pair(_EC).publics), "a public key alone"),
    ],
)
def test_what_no_key_can_stand_for_says_why(found: objects.Group, why: str) -> None:
    with pytest.raises(fitness.UnfitError, match=why):
        fitness.fitting(b"\x01", found)


@pytest.mark.parametrize(("identity", "why"), [(b"", "no CKA_ID"), (bytes(65), "has 65 bytes; up to 64")])
def test_an_object_is_named_by_a_cka_id_of_some_length(identity: bytes, why: str) -> None:
    with pytest.raises(fitness.UnfitError, match=why):
        fitness.fitting(identity, _secret(_AES))


def test_a_token_tells_what_is_in_it_that_no_engine_made(softhsm: SoftHsm, protection: Pkcs11Protection) -> None:
    protection.generate(KeySpec.AES_256, KeyUsage.ENCRYPT, os.urandom(16))
    protection.prepare_wrapping()
    in_token(
        os.environ,
        "aes('01', 'orders'); aes('02', EXTRACTABLE=True); aes('03', SENSITIVE=False); aes('04', PRIVATE=False)\n"
        "aes('05'); aes('05'); aes('', 'nameless'); mac('0b' * 16, 'mac'); ec('09'); ec('0a', curve='secp384r1')\n"
        "ec('0c'); gone('0c', 'PRIVATE_KEY'); ec('0d'); gone('0d', 'PUBLIC_KEY'); aes('0e' * 64, '\\x1b[2J')\n"
        "aes('0f' * 16, 'kmsplan-' + '0f' * 16)",  # another engine's
    )
    found = {one.identity: one for one in protection.objects()}
    assert {name: one.spec for name, one in found.items() if one.problem is None} == {
        "01": "Aliyun_AES_256",
        "0b" * 16: "HMAC_SHA_256",
        "09": "EC_P256",
        "0e" * 64: "Aliyun_AES_256",
    }
    assert found["01"].label == "orders"
    assert found["01"].never_left
    assert {
        name: (one.problem or "").partition(";")[0].partition(" (")[0] for name, one in found.items() if one.problem
    } == {
        "": "it has no CKA_ID, by which a key names its object",
        "02": "it can be taken out of the token, wrapped by another key",
        "03": "it can be read out in the clear",
        "04": "it can be used without the PIN",
        "05": "2 keys have this CKA_ID, and nothing tells which is meant",
        "0a": "there is no key spec for a key of type EC on that curve",
        "0c": "it is a public key alone",
        "0d": "it is a private key, and there is no public key of the same CKA_ID",
    }
    assert softhsm.tokens.exists()
