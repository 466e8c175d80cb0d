"""What every protection backend does alike: one suite, run against each of them."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kmsplan.engine.proof import prove
from kmsplan.engine.protection import publickey
from kmsplan.engine.protection.protocol import (
    AsymmetricDecrypter,
    Encrypter,
    InvalidCiphertextError,
    Mac,
    Protection,
    Signer,
)
from kmsplan.kms.spec import SPECS, Family, KeySpec, KeyUsage
from tests.softhsm import random_reference

_MESSAGE = b"the message"
_DIGEST = hashlib.sha256(_MESSAGE).digest()
_SHA256 = Prehashed(hashes.SHA256())
_CIPHERS = {spec for spec in KeySpec if SPECS[spec].family in (Family.AES, Family.SM4)}
_MACS = {spec for spec in KeySpec if SPECS[spec].family is Family.HMAC}
_SIGNING = [
    (KeySpec.RSA_2048, "RSA_PSS_SHA_256"),
    (KeySpec.RSA_2048, "RSA_PKCS1_SHA_256"),
    (KeySpec.EC_P256, "ECDSA_SHA_256"),
    (KeySpec.EC_P256K, "ECDSA_SHA_256"),
]
_PADDINGS: dict[str, padding.AsymmetricPadding] = {
    "RSA_PSS_SHA_256": padding.PSS(padding.MGF1(hashes.SHA256()), 32),
    "RSA_PKCS1_SHA_256": padding.PKCS1v15(),
}
_OAEP: dict[str, type[hashes.HashAlgorithm]] = {"RSAES_OAEP_SHA_256": hashes.SHA256, "RSAES_OAEP_SHA_1": hashes.SHA1}


class _Key:
    """A key just made, and everything needed to open it again."""

    def __init__(self, protection: Protection, spec: KeySpec, usage: KeyUsage) -> None:
        self.reference = random_reference()
        self.made = protection.generate(spec, usage, self.reference)
        self.handle = protection.open(spec, self.reference, self.made.secret)

    @property
    def public(self) -> Any:
        """The public key, parsed."""
        assert self.made.public_key is not None
        return load_der_public_key(self.made.public_key)


def _cipher(protection: Protection, spec: KeySpec = KeySpec.AES_256) -> Encrypter:
    handle = _Key(protection, spec, KeyUsage.ENCRYPT).handle
    assert isinstance(handle, Encrypter)
    return handle


def test_it_offers_specs_of_the_table_with_aes_hmac_rsa_and_ec_among_them(protection: Protection) -> None:
    assert protection.specs() <= set(KeySpec)
    assert {SPECS[spec].family for spec in protection.specs()} >= {Family.AES, Family.HMAC, Family.RSA, Family.EC}


def test_whatever_it_offers_it_makes_and_uses_for_each_usage(protection: Protection) -> None:
    slow = {KeySpec.RSA_3072, KeySpec.RSA_4096}
    for spec in sorted(protection.specs() - slow):
        for usage in SPECS[spec].usages:
            key = _Key(protection, spec, usage)
            prove(key.handle, spec, usage, key.made.public_key)
            assert (key.made.public_key is None) is SPECS[spec].symmetric


def test_what_is_encrypted_is_decrypted(protection: Protection) -> None:
    for spec in sorted(protection.specs() & _CIPHERS):
        cipher = _cipher(protection, spec)
        for plaintext in (b"", b"x", bytes(6144)):
            sealed = cipher.encrypt(plaintext, b"context")
            assert len(sealed) == 12 + len(plaintext) + 16
            assert cipher.decrypt(sealed, b"context") == plaintext


def test_no_iv_is_used_twice(protection: Protection) -> None:
    cipher = _cipher(protection)
    assert len({cipher.encrypt(b"page", b"")[:12] for _ in range(100)}) == 100


@pytest.mark.parametrize("spec", [KeySpec.AES_256, KeySpec.SM4])
def test_no_flipped_bit_no_cut_and_no_other_context_opens(protection: Protection, spec: KeySpec) -> None:
    if spec not in protection.specs():
        pytest.skip(f"no {spec} here")
    cipher = _cipher(protection, spec)
    sealed = cipher.encrypt(b"page", b"context")
    flipped = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in (0, 11, 12, 15, 16, 31)]
    cut = [sealed[:length] for length in (0, 1, 12, 27, 28, 31)]
    for bad in (*flipped, *cut, sealed + b"\0"):
        with pytest.raises(InvalidCiphertextError):
            cipher.decrypt(bad, b"context")
    for context in (b"", b"contex", b"context "):
        with pytest.raises(InvalidCiphertextError):
            cipher.decrypt(sealed, context)
    assert cipher.decrypt(sealed, b"context") == b"page"


def test_another_key_does_not_open(protection: Protection) -> None:
    sealed = _cipher(protection).encrypt(b"page", b"")
    with pytest.raises(InvalidCiphertextError):
        _cipher(protection).decrypt(sealed, b"")


@pytest.mark.parametrize(("spec", "algorithm"), _SIGNING)
def test_a_signature_verifies_with_the_public_key(protection: Protection, spec: KeySpec, algorithm: str) -> None:
    key = _Key(protection, spec, KeyUsage.SIGN)
    assert isinstance(key.handle, Signer)
    signature = key.handle.sign(algorithm, _DIGEST)
    if isinstance(key.public, rsa.RSAPublicKey):
        key.public.verify(signature, _DIGEST, _PADDINGS[algorithm], _SHA256)
        key.public.verify(signature, _MESSAGE, _PADDINGS[algorithm], hashes.SHA256())
    else:
        assert isinstance(key.public, ec.EllipticCurvePublicKey)
        assert key.public.curve.name == SPECS[spec].curve
        key.public.verify(signature, _DIGEST, ec.ECDSA(_SHA256))
        key.public.verify(signature, _MESSAGE, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize("algorithm", _OAEP)
def test_what_anybody_encrypts_to_the_public_key_is_decrypted(protection: Protection, algorithm: str) -> None:
    key = _Key(protection, KeySpec.RSA_2048, KeyUsage.ENCRYPT)
    assert isinstance(key.handle, AsymmetricDecrypter)
    if algorithm not in getattr(protection, "algorithms", lambda spec: SPECS[spec].algorithms)(KeySpec.RSA_2048):
        pytest.skip(f"no {algorithm} here")
    digest = _OAEP[algorithm]
    longest = bytes(SPECS[KeySpec.RSA_2048].plaintext_limit(algorithm))
    for plaintext in (b"page", longest):
        sealed = key.public.encrypt(plaintext, padding.OAEP(padding.MGF1(digest()), digest(), None))
        assert key.handle.asymmetric_decrypt(algorithm, sealed) == plaintext


def test_a_damaged_oaep_ciphertext_does_not_open(protection: Protection) -> None:
    key = _Key(protection, KeySpec.RSA_2048, KeyUsage.ENCRYPT)
    assert isinstance(key.handle, AsymmetricDecrypter)
    sealed = key.public.encrypt(b"page", padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None))  # noqa: S303 - what the algorithm says
    for bad in (b"", sealed[:-1], sealed + b"\0", bytes(256), b"\xff" * 256, sealed[:-1] + bytes([sealed[-1] ^ 1])):
        with pytest.raises(InvalidCiphertextError):
            key.handle.asymmetric_decrypt("RSAES_OAEP_SHA_1", bad)


def test_a_code_is_that_of_one_key_and_one_message(protection: Protection) -> None:
    for spec in sorted(protection.specs() & _MACS):
        (algorithm,) = SPECS[spec].algorithms
        one, other = (_Key(protection, spec, KeyUsage.MAC).handle for _ in range(2))
        assert isinstance(one, Mac)
        assert isinstance(other, Mac)
        code = one.mac(algorithm, _MESSAGE)
        assert len(code) == SPECS[spec].material_bytes
        assert one.mac(algorithm, _MESSAGE) == code
        assert one.mac(algorithm, _MESSAGE + b" ") != code
        assert other.mac(algorithm, _MESSAGE) != code
        assert len(one.mac(algorithm, b"")) == len(one.mac(algorithm, bytes(20_000))) == len(code)


def test_an_sm2_signature_and_ciphertext_go_with_their_public_key_only(protection: Protection) -> None:
    if KeySpec.EC_SM2 not in protection.specs():
        pytest.skip("no SM2 here")
    one, other = (_Key(protection, KeySpec.EC_SM2, KeyUsage.SIGN) for _ in range(2))
    assert isinstance(one.handle, Signer)
    assert isinstance(one.handle, AsymmetricDecrypter)
    signature = one.handle.sign("SM2DSA", _DIGEST)
    for key, holds in ((one, True), (other, False)):
        assert publickey.verify(key.made.public_key or b"", "SM2DSA", _DIGEST, signature) is holds
    sealed = publickey.encrypt(one.made.public_key or b"", "SM2PKE", bytes(6047))
    assert one.handle.asymmetric_decrypt("SM2PKE", sealed) == bytes(6047)
    for bad in (b"", sealed[:-1], sealed + b"\0", sealed[:-1] + bytes([sealed[-1] ^ 1])):
        with pytest.raises(InvalidCiphertextError):
            one.handle.asymmetric_decrypt("SM2PKE", bad)


def test_a_symmetric_key_has_no_public_key_and_two_keys_differ(protection: Protection) -> None:
    assert _Key(protection, KeySpec.AES_256, KeyUsage.ENCRYPT).made.public_key is None
    one, other = (_Key(protection, KeySpec.EC_P256, KeyUsage.SIGN) for _ in range(2))
    assert one.made.public_key != other.made.public_key


def test_a_handle_opened_later_is_on_the_same_key(protection: Protection) -> None:
    key = _Key(protection, KeySpec.AES_256, KeyUsage.ENCRYPT)
    assert isinstance(key.handle, Encrypter)
    again = protection.open(KeySpec.AES_256, key.reference, key.made.secret)
    assert isinstance(again, Encrypter)
    assert again.decrypt(key.handle.encrypt(b"page", b""), b"") == b"page"


def test_a_key_just_made_is_not_missing(protection: Protection) -> None:
    key = _Key(protection, KeySpec.AES_256, KeyUsage.ENCRYPT)
    assert protection.missing([key.reference]) == frozenset()
    assert protection.missing([]) == frozenset()


def test_destroying_is_repeatable(protection: Protection) -> None:
    key = _Key(protection, KeySpec.AES_256, KeyUsage.ENCRYPT)
    protection.destroy(key.reference)
    protection.destroy(key.reference)
    other = _cipher(protection)
    assert other.decrypt(other.encrypt(b"page", b""), b"") == b"page"


def test_closing_is_repeatable(protection: Protection) -> None:
    assert _Key(protection, KeySpec.AES_256, KeyUsage.ENCRYPT).handle
    protection.close()
    protection.close()
