"""Objects that keys stand for: used, recognised, and never changed, whatever others do in the token."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.hsm.error import HsmError, KeyUnusableError, MaterialMissingError
from kmsplan.engine.hsm.message import Op
from kmsplan.engine.hsm.supervisor import REST
from kmsplan.engine.protection.protocol import Encrypter, NotOfferedError, Signer, UnfitObjectError
from kmsplan.kms.spec import KeySpec, KeyUsage
from tests.foreign import in_token

if TYPE_CHECKING:
    from kmsplan.engine.protection.pkcs11 import Pkcs11Protection
    from tests.softhsm import SoftHsm

pytestmark = pytest.mark.hsm
KNOWN = "5a" * 32
"""Material that whoever plants it knows."""


def _attach(protection: Pkcs11Protection, identity: str, spec: KeySpec = KeySpec.AES_256) -> bytes:
    usage = KeyUsage.SIGN if spec is KeySpec.EC_P256 else KeyUsage.ENCRYPT
    return protection.attach(spec, usage, identity)[0]


def _aes(protection: Pkcs11Protection, reference: bytes) -> Encrypter:
    handle = protection.open(KeySpec.AES_256, reference, None)
    assert isinstance(handle, Encrypter)
    return handle


@pytest.mark.usefixtures("softhsm")
def test_an_object_is_used_and_stays_as_it_is(protection: Pkcs11Protection) -> None:
    in_token(os.environ, "aes('01', 'orders'); ec('02', 'pair')")
    before = in_token(os.environ, "told('01'); told('02')")
    reference = _attach(protection, "01")
    assert _attach(protection, "01") == reference
    key = _aes(protection, reference)
    sealed = key.encrypt(b"text", b"aad")
    for _ in range(40):  # more than it takes for a key of ours to be copied into the session
        assert key.decrypt(sealed, b"aad") == b"text"
    pair = protection.open(KeySpec.EC_P256, _attach(protection, "02", KeySpec.EC_P256), None)
    assert isinstance(pair, Signer)
    assert pair.sign("ECDSA_SHA_256", bytes(32))
    assert protection.missing([reference]) == frozenset()

    protection.destroy(reference)
    assert key.decrypt(sealed, b"aad") == b"text"
    assert in_token(os.environ, "told('01'); told('02')") == before


@pytest.mark.usefixtures("softhsm")
def test_the_worker_itself_destroys_and_makes_nothing_under_such_a_reference(protection: Pkcs11Protection) -> None:
    in_token(os.environ, "aes('01', 'orders')")
    reference = _attach(protection, "01")
    for op, fields in (
        (Op.DESTROY, (reference,)),
        (Op.GENERATE, (KeySpec.AES_256.encode(), KeyUsage.ENCRYPT.encode(), reference)),
        (Op.WRAPPING_KEY, (reference,)),
    ):
        with pytest.raises(HsmError, match="ValueError"):
            protection._supervisor.call(op, *fields)
    assert in_token(os.environ, "told('01')")


@pytest.mark.usefixtures("softhsm")
def test_what_was_made_a_moment_ago_is_found_at_once(protection: Pkcs11Protection) -> None:
    with pytest.raises(UnfitObjectError, match="no key of this CKA_ID"):
        _attach(protection, "01")
    in_token(os.environ, "aes('01')")
    first = _attach(protection, "01")
    in_token(os.environ, "gone('01'); aes('01')")
    assert _attach(protection, "01") != first


@pytest.mark.usefixtures("softhsm")
def test_a_bare_16_byte_id_of_somebody_elses_is_attached_like_any_other(protection: Pkcs11Protection) -> None:
    name = "0b" * 16
    in_token(os.environ, f"aes('{name}', 'orders')")
    reference = _attach(protection, name)
    protection.destroy(reference)
    assert protection.missing([reference]) == frozenset()


@pytest.mark.usefixtures("softhsm")
@pytest.mark.parametrize(
    ("script", "spec", "usage", "why"),
    [
        ("", KeySpec.AES_256, KeyUsage.ENCRYPT, "the token holds no key of this CKA_ID"),
        ("aes('01'); aes('01')", KeySpec.AES_256, KeyUsage.ENCRYPT, "2 keys have this CKA_ID"),
        ("aes('01', bits=128)", KeySpec.AES_256, KeyUsage.ENCRYPT, "of spec Aliyun_AES_128, not of Aliyun_AES_256"),
        ("ec('01')", KeySpec.EC_P256K, KeyUsage.SIGN, "of spec EC_P256, not of EC_P256K"),
        ("aes('01', EXTRACTABLE=True)", KeySpec.AES_256, KeyUsage.ENCRYPT, "taken out of the token"),
        ("aes('01', 'kmsplan-' + '01' * 16)", KeySpec.AES_256, KeyUsage.ENCRYPT, "an engine of kmsplan made it"),
        (
            "rsa('01', capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY)",
            KeySpec.RSA_2048,
            KeyUsage.ENCRYPT,
            "may be used for SIGN/VERIFY alone, not for ENCRYPT/DECRYPT",
        ),
    ],
    ids=["absent", "two", "size", "curve", "extractable", "an-engines", "usage"],
)
def test_what_no_key_can_stand_for_is_refused_and_said(
    protection: Pkcs11Protection, script: str, spec: KeySpec, usage: KeyUsage, why: str
) -> None:
    in_token(os.environ, script)
    with pytest.raises((UnfitObjectError, NotOfferedError), match=re.escape(why)):
        protection.attach(spec, usage, "01")


@pytest.mark.usefixtures("softhsm")
def test_another_key_in_its_place_is_not_used_and_counts_as_missing(protection: Pkcs11Protection) -> None:
    in_token(os.environ, "aes('01', 'orders'); ec('02', 'pair')")
    references = [_attach(protection, "01"), _attach(protection, "02", KeySpec.EC_P256)]
    key = _aes(protection, references[0])
    sealed = key.encrypt(b"text", b"")
    in_token(os.environ, f"gone('01'); written('01', '{KNOWN}', 'orders'); gone('02'); ec('02', 'pair')")
    with pytest.raises(KeyUnusableError, match="another key is in its place by now"):
        key.encrypt(b"secret", b"")
    with pytest.raises(KeyUnusableError, match="object 01"):
        key.decrypt(sealed, b"")
    assert protection.missing(references) == frozenset(references)


@pytest.mark.usefixtures("softhsm")
def test_a_second_key_of_the_same_id_is_never_taken_for_the_first(softhsm: SoftHsm) -> None:
    in_token(os.environ, "aes('01', 'orders')")
    first = softhsm.protection()
    reference = _attach(first, "01")
    key = _aes(first, reference)
    in_token(os.environ, f"written('01', '{KNOWN}')")
    assert key.decrypt(key.encrypt(b"text", b""), b"") == b"text"  # by its handle: it is the one that was attached
    first.close()
    second = softhsm.protection()
    with pytest.raises(KeyUnusableError, match="2 keys have this CKA_ID"):
        _aes(second, reference)
    assert second.missing([reference]) == {reference}
    in_token(os.environ, "found('01')[1].destroy()")
    second.close()


@pytest.mark.usefixtures("softhsm")
def test_an_object_that_is_gone_is_missing_and_a_token_that_is_gone_is_no_verdict(
    softhsm: SoftHsm,
) -> None:
    now = [100.0]
    protection = softhsm.protection(clock=lambda: now[0])
    own = os.urandom(16)
    protection.generate(KeySpec.AES_256, KeyUsage.ENCRYPT, own)
    in_token(os.environ, "aes('01', 'orders')")
    reference = _attach(protection, "01")
    softhsm.take_away()
    with pytest.raises(HsmError):
        protection.missing([own, reference])
    softhsm.put_back()
    now[0] += 2 * REST
    assert protection.missing([own, reference]) == frozenset()
    in_token(os.environ, "gone('01')")
    assert protection.missing([own, reference]) == {reference}
    with pytest.raises(MaterialMissingError, match="object 01"):
        _aes(protection, reference).encrypt(b"text", b"")
    protection.close()
