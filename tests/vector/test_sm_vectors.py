"""SM2, SM3 and SM4: the examples of the standards themselves, and those of OpenSSL's tests.

SM3: GM/T 0004, appendix A, and Linux's tests, as pyca wrote them. SM4-GCM: RFC 8998, A.2. SM2: GM/T 0003.5 (GB/T
32918.5), appendix A (a signature by the default identity) and C (a ciphertext); OpenSSL's `evppkey_sm2.txt`, whose
signatures are over digests.
"""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from kmsplan.engine.protection import publickey
from kmsplan.engine.protection.protocol import InvalidCiphertextError
from kmsplan.engine.protection.softkey import Sm2Handle, Sm4Handle
from kmsplan.engine.sm import sm2
from kmsplan.kms.secret import SecretBytes
from tests.vectors import cases

needs_sm2 = pytest.mark.skipif(not sm2.supported(), reason="no SM2 on this host")

STANDARD_KEY = bytes.fromhex("3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8")
STANDARD_POINT = bytes.fromhex(
    "09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
    "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
)
STANDARD_DIGEST = bytes.fromhex("F0B43E94BA45ACCAACE692ED534382EB17E6AB5A19CE7B31F4486FDFC0D28640")
STANDARD_SIGNATURE = encode_dss_signature(
    int("F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3", 16),
    int("B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA", 16),
)
# C1, C3 and C2 in the ASN.1 of GM/T 0009.
STANDARD_CIPHERTEXT = bytes.fromhex(
    "307C022004EBFC718E8D1798620432268E77FEB6415E2EDE0E073C0F4F640ECD2E149A73"
    "022100E858F9D81E5430A57B36DAAB8F950A3C64E6EE6A63094D99283AFF767E124DF0"
    "042059983C18F809E262923C53AEC295D30383B54E39D609D160AFCB1908D0BD8766"
    "041321886CA989CA9C7D58087307CA93092D651EFA"
)
OPENSSL_KEY = base64.b64decode(
    "MIGHAgEAMBMGByqGSM49AgEGCCqBHM9VAYItBG0wawIBAQQg0JFWczAXva2An9m72MaT9gIwWTFptvlKrxyO4TjMmbWhRANCAAQ5OirZ4n5DrKqr"
    "haGdO4VZHhRAYVcXWt3Te/d/8Mr57Tf886i09VwDhSMmH8pmNq/mp6+ioUgqYG9cs6GLLioe"
)
OPENSSL_SIGNATURES = (
    (
        "D7AD397F6FFA5D4F7F11E7217F241607DC30618C236D2C09C1B9EA8FDADEE2E8",
        (
            "3046022100AB1DB64DE7C40EDBDE6651C9B8EBDB804673DB836E5D5C7FE15DCF9ED2725037022100EBA714451FF69B0BB930B379E192E7CD"
            "5FA6E3C41C7FBD8303B799AB54A54621"
        ),
    ),
    (
        "B1139602C6ECC9E15E2F3F9C635A1AFE737058BC15387479C1EA0D0B3D90E9E5",
        (
            "3045022100E6E0414EBD3A656C35602AF14AB20287DBF30D57AF75C49A188ED4B42391F22402202F54F277C606F4605E1CE9514947FFDDF9"
            "4C67A539804A4ED17F852288BDBE2E"
        ),
    ),
)
OPENSSL_CIPHERTEXT = bytes.fromhex(
    "30818A0220466BE2EF5C11782EC77864A0055417F407A5AFC11D653C6BCE69E417BB1D05B6022062B572E21FF0DDF5C726BD3F9FF2EAE56E62"
    "94713A607E9B9525628965F62CC804203C1B5713B5DB2728EB7BF775E44F4689FC32668BDC564F52EA45B09E8DF2A5F40422084A9D0CC29970"
    "92B7D3C404FCE95956EB604D732B2307A8E5B8900ED6608CA5B197"
)


def _no_entropy(_: int) -> bytes:
    raise AssertionError


def test_sm3_digests_are_the_published_ones() -> None:
    done = 0
    for case in cases("hashes/SM3/oscca.txt"):
        message = bytes.fromhex(case["Msg"])[: int(case["Len"]) // 8]
        assert sm2._sm3(message).hex() == case["MD"]
        done += 1
    assert done == 6


def test_sm4_gcm_is_as_published() -> None:
    (case,) = cases("ciphers/SM4/rfc8998.txt")
    iv, aad = bytes.fromhex(case["IV"]), bytes.fromhex(case["AAD"])
    handle = Sm4Handle(SecretBytes(bytes.fromhex(case["KEY"])), lambda _: iv)
    sealed = handle.encrypt(bytes.fromhex(case["PLAINTEXT"]), aad)
    assert sealed.hex() == case["IV"] + case["CIPHERTEXT"] + case["TAG"]
    opening = Sm4Handle(SecretBytes(bytes.fromhex(case["KEY"])), _no_entropy)
    assert opening.decrypt(sealed, aad).hex() == case["PLAINTEXT"]
    with pytest.raises(InvalidCiphertextError):
        opening.decrypt(sealed, aad + b"\0")


@needs_sm2
def test_an_sm2_private_number_has_the_published_public_key() -> None:
    assert sm2.from_scalar(STANDARD_KEY).public_der().endswith(b"\x04" + STANDARD_POINT)


@needs_sm2
def test_the_digest_that_sm2_signs_is_the_published_one() -> None:
    public = sm2.from_scalar(STANDARD_KEY).public_der()
    assert sm2.digest(public, b"message digest") == STANDARD_DIGEST
    assert sm2.digest(public, b"message digest", b"somebody else") != STANDARD_DIGEST


@needs_sm2
def test_published_sm2_signatures_hold_and_no_other() -> None:
    standard, openssl = sm2.from_scalar(STANDARD_KEY).public_der(), sm2.PrivateKey(OPENSSL_KEY).public_der()
    published = [(openssl, bytes.fromhex(digest), bytes.fromhex(signature)) for digest, signature in OPENSSL_SIGNATURES]
    published.append((standard, STANDARD_DIGEST, STANDARD_SIGNATURE))
    for public, digest, signature in published:
        for key, what, holds in (
            (public, digest, True),
            (public, bytes(32), False),
            ({standard: openssl, openssl: standard}[public], digest, False),
        ):
            assert publickey.verify(key, "SM2DSA", what, signature) is holds
        assert not publickey.verify(public, "SM2DSA", digest, signature[:-1] + bytes([signature[-1] ^ 1]))
        assert not publickey.verify(public, "SM2DSA", digest, signature + b"\0")


@needs_sm2
def test_what_we_sign_with_published_keys_holds_and_never_repeats() -> None:
    key = sm2.from_scalar(STANDARD_KEY)
    handle, public = Sm2Handle(key), key.public_der()
    signatures = {handle.sign("SM2DSA", STANDARD_DIGEST) for _ in range(20)}
    assert len(signatures) == 20
    assert STANDARD_SIGNATURE not in signatures
    assert all(publickey.verify(public, "SM2DSA", STANDARD_DIGEST, signature) for signature in signatures)


@needs_sm2
@pytest.mark.parametrize(
    ("key", "sealed", "message"),
    [
        (sm2._PKCS8_HEAD + STANDARD_KEY, STANDARD_CIPHERTEXT, b"encryption standard"),
        (OPENSSL_KEY, OPENSSL_CIPHERTEXT, b"The floofy bunnies hop at midnight"),
    ],
    ids=["standard", "openssl"],
)
def test_published_sm2_ciphertexts_open_and_no_byte_may_differ(key: bytes, sealed: bytes, message: bytes) -> None:
    handle = Sm2Handle(sm2.PrivateKey(key))
    assert handle.asymmetric_decrypt("SM2PKE", sealed) == message
    flipped = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))]
    for bad in (*flipped, *(sealed[:length] for length in range(len(sealed))), sealed + b"\0"):
        with pytest.raises(InvalidCiphertextError):
            handle.asymmetric_decrypt("SM2PKE", bad)
