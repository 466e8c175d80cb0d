from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kmsplan.engine.hsm.error import (
    HsmError,
    KeyUnusableError,
    MaterialMissingError,
    SentinelMissingError,
    TokenMissingError,
)
from kmsplan.engine.hsm.handle import AesKey, EcKey, RsaKey
from kmsplan.engine.hsm.message import SENTINEL
from kmsplan.engine.hsm.supervisor import REST
from kmsplan.engine.protection.protocol import InvalidCiphertextError, NotOfferedError
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import KeySpec, KeyUsage
from tests.softhsm import SoftHsm, random_reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.engine.protection.pkcs11 import Pkcs11Protection

pytestmark = pytest.mark.hsm
_DIGEST = hashlib.sha256(b"message").digest()


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def protection(softhsm: SoftHsm, clock: _Clock) -> Iterator[Pkcs11Protection]:
    backend = softhsm.protection(clock=clock)
    yield backend
    backend.close()


def _aes(protection: Pkcs11Protection) -> tuple[bytes, AesKey]:
    reference = random_reference()
    protection.generate(KeySpec.AES_256, KeyUsage.ENCRYPT, reference)
    handle = protection.open(KeySpec.AES_256, reference, None)
    assert isinstance(handle, AesKey)
    return reference, handle


def test_keys_are_token_objects_that_never_leave(protection: Pkcs11Protection, softhsm: SoftHsm) -> None:
    aes, ec = random_reference(), random_reference()
    protection.generate(KeySpec.AES_256, KeyUsage.ENCRYPT, aes)
    protection.generate(KeySpec.EC_P256, KeyUsage.SIGN, ec)
    printed = softhsm.behind_our_back(
        "A = Attribute\n"
        "def get(key, attribute):\n"
        "    try: return key[attribute]\n"
        "    except pkcs11.PKCS11Error: return False\n"
        "for key in sorted(session.get_objects(), key=lambda key: (key[A.LABEL], key.object_class)):\n"
        "    secret = key.object_class in (ObjectClass.SECRET_KEY, ObjectClass.PRIVATE_KEY)\n"
        "    kept = (A.SENSITIVE, A.EXTRACTABLE, A.NEVER_EXTRACTABLE, A.LOCAL) if secret else ()\n"
        "    uses = (A.ENCRYPT, A.DECRYPT, A.SIGN, A.VERIFY, A.WRAP, A.UNWRAP, A.DERIVE)\n"
        "    allowed = [use.name for use in uses if get(key, use)]\n"
        "    kept = [key[a] for a in (A.PRIVATE, *kept)]\n"
        "    print(key[A.LABEL], key[A.ID].hex(), key.object_class.name, *kept, *allowed)\n"
    )
    kept = "True True False True True"
    assert set(printed.splitlines()) == {
        f"kmsplan-{aes.hex()} {aes.hex()} SECRET_KEY {kept} ENCRYPT DECRYPT",
        f"kmsplan-{ec.hex()} {ec.hex()} PRIVATE_KEY {kept} SIGN",
        f"kmsplan-{ec.hex()} {ec.hex()} PUBLIC_KEY False VERIFY",
        f"kmsplan-sentinel {SENTINEL.hex()} SECRET_KEY {kept} ENCRYPT DECRYPT",
    }


def test_generating_again_returns_the_key_that_is_there(protection: Pkcs11Protection) -> None:
    reference = random_reference()
    first = protection.generate(KeySpec.EC_P256, KeyUsage.SIGN, reference)
    assert protection.generate(KeySpec.EC_P256, KeyUsage.SIGN, reference) == first
    assert protection.probe().keys == 1


@pytest.mark.parametrize("lost", ["PUBLIC_KEY", "PRIVATE_KEY"])
def test_half_a_pair_is_made_again(protection: Pkcs11Protection, softhsm: SoftHsm, lost: str) -> None:
    reference = random_reference()
    first = protection.generate(KeySpec.EC_P256, KeyUsage.SIGN, reference)
    protection.close()
    softhsm.destroy(reference, lost)
    second = protection.generate(KeySpec.EC_P256, KeyUsage.SIGN, reference)
    assert second.public_key != first.public_key
    assert (protection.probe().keys, protection.probe().strays) == (1, ())


def test_a_complete_looking_key_that_does_not_work_is_made_again(
    protection: Pkcs11Protection, softhsm: SoftHsm
) -> None:
    protection.prepare()
    reference = random_reference()
    softhsm.behind_our_back(
        "session.generate_key(KeyType.AES, 256, id=bytes.fromhex(sys.argv[1]), store=True, capabilities=0)",
        reference.hex(),
    )
    protection.close()
    with pytest.raises(KeyUnusableError, match="works, but not with this key: KeyFunctionNotPermitted"):
        protection.open(KeySpec.AES_256, reference, None).encrypt(b"", b"")  # type: ignore[union-attr]
    protection.generate(KeySpec.AES_256, KeyUsage.ENCRYPT, reference)
    handle = protection.open(KeySpec.AES_256, reference, None)
    assert isinstance(handle, AesKey)
    assert handle.decrypt(handle.encrypt(b"page", b""), b"") == b"page"


def test_a_sentinel_that_does_not_work_is_made_again_by_who_writes(
    protection: Pkcs11Protection, softhsm: SoftHsm
) -> None:
    softhsm.behind_our_back(
        "session.generate_key(KeyType.AES, 256, id=b'kmsplan-sentinel', store=True, capabilities=0)"
    )
    assert protection.probe().sentinel is False
    protection.prepare()
    assert protection.probe().sentinel is True
    assert softhsm.behind_our_back("print(len(list(session.get_objects())))") == "1\n"


def test_nothing_of_a_half_written_store_breaks_the_search(protection: Pkcs11Protection, softhsm: SoftHsm) -> None:
    reference, handle = _aes(protection)
    protection.generate(KeySpec.EC_P256, KeyUsage.SIGN, random_reference())
    protection.close()
    (store,) = softhsm.tokens.iterdir()
    for number, whole in enumerate(sorted(store.glob("*.object"))):
        content = whole.read_bytes()
        for cut in (0, 60, len(content) // 2, len(content) - 20):
            (store / f"{number:08x}-{cut:04x}.object").write_bytes(content[:cut])
    assert handle.decrypt(handle.encrypt(b"page", b""), b"") == b"page"
    absent = random_reference()
    assert protection.missing([reference, absent]) == {absent}


def test_a_bad_ciphertext_is_told_from_a_sick_token_by_the_sentinel(protection: Pkcs11Protection) -> None:
    _, handle = _aes(protection)
    sealed = handle.encrypt(b"page", b"context")
    for bad, context in ((sealed, b"other"), (sealed[:-1], b"context"), (sealed[:5], b"context"), (b"", b"")):
        with pytest.raises(InvalidCiphertextError):
            handle.decrypt(bad, context)
    assert handle.decrypt(sealed, b"context") == b"page"


@pytest.mark.parametrize(("text", "aad"), [(0, 0), (40_000, 3), (3, 50_000), (100_000, 100_000)])
def test_text_and_associated_data_may_be_long_and_what_follows_is_not_affected(
    protection: Pkcs11Protection, text: int, aad: int
) -> None:
    _, handle = _aes(protection)
    plaintext, context = b"t" * text, b"a" * aad
    sealed = handle.encrypt(plaintext, context)
    assert handle.decrypt(sealed, context) == plaintext
    with pytest.raises(InvalidCiphertextError):
        handle.decrypt(sealed, context + b"a")
    assert handle.decrypt(handle.encrypt(b"short", b"aad"), b"aad") == b"short"


def test_an_algorithm_the_token_lacks_is_not_offered_rather_than_failed(protection: Pkcs11Protection) -> None:
    if "RSAES_OAEP_SHA_256" in protection.algorithms(KeySpec.RSA_2048):
        pytest.skip("this SoftHSM does OAEP with SHA-256")
    reference = random_reference()
    public_key = protection.generate(KeySpec.RSA_2048, KeyUsage.ENCRYPT, reference).public_key
    handle = protection.open(KeySpec.RSA_2048, reference, None)
    key = load_der_public_key(public_key or b"")
    assert isinstance(handle, RsaKey)
    assert isinstance(key, rsa.RSAPublicKey)
    sealed = key.encrypt(b"page", padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
    with pytest.raises(NotOfferedError, match=r"cannot do RSAES_OAEP_SHA_256.*it can do .*RSAES_OAEP_SHA_1"):
        handle.asymmetric_decrypt("RSAES_OAEP_SHA_256", sealed)


def test_a_key_made_for_decryption_does_not_sign(protection: Pkcs11Protection) -> None:
    reference = random_reference()
    protection.generate(KeySpec.RSA_2048, KeyUsage.ENCRYPT, reference)
    handle = protection.open(KeySpec.RSA_2048, reference, None)
    assert isinstance(handle, RsaKey)
    with pytest.raises(KeyUnusableError, match="KeyFunctionNotPermitted"):
        handle.sign("RSA_PSS_SHA_256", _DIGEST)


def test_a_spec_the_token_cannot_make_is_refused_with_those_it_can(protection: Pkcs11Protection) -> None:
    with pytest.raises(NotOfferedError, match=r"cannot make EC_SM2 keys for SIGN/VERIFY; it can make .*EC_P256"):
        protection.generate(KeySpec.EC_SM2, KeyUsage.SIGN, random_reference())
    with pytest.raises(NotOfferedError, match="EC_SM2 keys cannot be kept"):
        protection.open(KeySpec.EC_SM2, random_reference(), None)


@pytest.mark.parametrize("reference", [b"", b"short", bytes(17), SENTINEL])
def test_what_is_no_reference_reaches_no_token(protection: Pkcs11Protection, reference: bytes) -> None:
    calls = (
        lambda: protection.generate(KeySpec.AES_256, KeyUsage.ENCRYPT, reference),
        lambda: protection.open(KeySpec.AES_256, reference, None),
        lambda: protection.missing([reference]),
        lambda: protection.destroy(reference),
    )
    for call in calls:
        with pytest.raises(ValueError, match="a reference has 16 random bytes"):
            call()


def test_a_secret_belongs_to_another_backend(protection: Pkcs11Protection) -> None:
    with pytest.raises(ValueError, match="in the token"):
        protection.open(KeySpec.AES_256, random_reference(), SecretBytes(bytes(32)))


def test_algorithms_of_other_specs_and_wrong_digests_are_refused_before_the_token_is_asked(
    protection: Pkcs11Protection,
) -> None:
    reference = random_reference()
    protection.generate(KeySpec.EC_P256, KeyUsage.SIGN, reference)
    handle = protection.open(KeySpec.EC_P256, reference, None)
    assert isinstance(handle, EcKey)
    with pytest.raises(ValueError, match="RSA_PSS_SHA_256 is no SIGN/VERIFY algorithm of EC_P256"):
        handle.sign("RSA_PSS_SHA_256", _DIGEST)
    with pytest.raises(ValueError, match="digest of 32 bytes, not of 31"):
        handle.sign("ECDSA_SHA_256", _DIGEST[:31])


def test_a_key_that_was_never_there_cannot_be_opened(protection: Pkcs11Protection) -> None:
    protection.prepare()
    with pytest.raises(MaterialMissingError, match="does not hold the key kmsplan-"):
        protection.open(KeySpec.AES_256, random_reference(), None)


def test_a_key_destroyed_behind_our_back_is_missing_and_no_other_is(
    protection: Pkcs11Protection, softhsm: SoftHsm
) -> None:
    gone, gone_handle = _aes(protection)
    kept, kept_handle = _aes(protection)
    softhsm.destroy(gone)
    with pytest.raises(MaterialMissingError):
        gone_handle.encrypt(b"page", b"")
    assert protection.missing([gone, kept]) == {gone}
    assert len(kept_handle.encrypt(b"page", b"")) == 32


def test_a_destroyed_key_is_missing_and_destroying_it_again_is_no_error(protection: Pkcs11Protection) -> None:
    reference, handle = _aes(protection)
    protection.destroy(reference)
    protection.destroy(reference)
    assert protection.missing([reference]) == {reference}
    with pytest.raises(MaterialMissingError):
        handle.encrypt(b"page", b"")


def test_destroying_takes_both_halves(protection: Pkcs11Protection, softhsm: SoftHsm) -> None:
    reference = random_reference()
    protection.generate(KeySpec.EC_P256, KeyUsage.SIGN, reference)
    protection.destroy(reference)
    assert softhsm.behind_our_back("print(*(found.label for found in session.get_objects()))") == "kmsplan-sentinel\n"


def test_without_a_sentinel_nothing_is_missing_or_destroyed_and_none_is_made(
    protection: Pkcs11Protection, softhsm: SoftHsm
) -> None:
    with pytest.raises(SentinelMissingError, match=r"does not hold the object 'kmsplan-sentinel'.*right token"):
        protection.missing([random_reference()])
    with pytest.raises(SentinelMissingError):
        protection.destroy(random_reference())
    with pytest.raises(SentinelMissingError):
        protection.open(KeySpec.AES_256, random_reference(), None)
    assert softhsm.behind_our_back("print(len(list(session.get_objects())))") == "0\n"


def test_of_no_references_none_is_missing_and_no_token_is_asked(protection: Pkcs11Protection) -> None:
    assert protection.missing([]) == frozenset()
    assert protection._supervisor._worker is None


def test_a_store_that_goes_away_is_unavailable_and_never_missing(
    protection: Pkcs11Protection, softhsm: SoftHsm, clock: _Clock
) -> None:
    reference, handle = _aes(protection)
    softhsm.take_away()
    calls = (
        lambda: handle.encrypt(b"page", b""),
        lambda: handle.decrypt(bytes(40), b""),
        lambda: protection.missing([reference]),
        lambda: protection.destroy(reference),
        lambda: protection.open(KeySpec.AES_256, reference, None),
        lambda: protection.generate(KeySpec.AES_256, KeyUsage.ENCRYPT, random_reference()),
    )
    for call in calls:
        clock.now += 2 * REST
        with pytest.raises(TokenMissingError, match=r"has no token labelled 'test'.*put its folder back"):
            call()


def test_a_young_worker_whose_store_goes_away_says_so_too(protection: Pkcs11Protection, softhsm: SoftHsm) -> None:
    reference, handle = _aes(protection)
    softhsm.take_away()
    with pytest.raises(SentinelMissingError):
        handle.encrypt(b"page", b"")
    with pytest.raises(HsmError):
        protection.destroy(reference)
    with pytest.raises(TokenMissingError):
        protection.missing([reference])


def test_a_store_that_comes_back_works_again(protection: Pkcs11Protection, softhsm: SoftHsm, clock: _Clock) -> None:
    reference, handle = _aes(protection)
    sealed = handle.encrypt(b"page", b"")
    softhsm.take_away()
    with pytest.raises(SentinelMissingError):
        handle.decrypt(sealed, b"")
    softhsm.put_back()
    clock.now += 2 * REST
    assert handle.decrypt(sealed, b"") == b"page"
    assert protection.missing([reference]) == frozenset()


def test_a_token_initialised_again_is_not_taken_for_the_old_one(protection: Pkcs11Protection, softhsm: SoftHsm) -> None:
    reference, _ = _aes(protection)
    protection.close()
    (store,) = softhsm.tokens.iterdir()
    shutil.rmtree(store)
    softhsm.initialise("test")
    with pytest.raises(SentinelMissingError):
        protection.missing([reference])


def test_a_process_in_which_a_destruction_failed_is_not_asked_again(
    protection: Pkcs11Protection, softhsm: SoftHsm
) -> None:
    reference, handle = _aes(protection)
    before = protection._supervisor.worker().pid
    softhsm.take_away()
    with pytest.raises(HsmError):
        protection.destroy(reference)
    softhsm.put_back()
    assert len(handle.encrypt(b"page", b"")) == 32
    assert protection._supervisor.worker().pid != before


def test_the_report_says_what_the_token_is_and_holds(protection: Pkcs11Protection, softhsm: SoftHsm) -> None:
    pair, _ = random_reference(), _aes(protection)
    protection.generate(KeySpec.EC_P256, KeyUsage.SIGN, pair)
    softhsm.destroy(pair, "PRIVATE_KEY")
    report = protection.probe()
    assert (report.token, report.library[:7], report.model) == ("test", "SoftHSM", "SoftHSM v2")
    assert (report.sentinel, report.keys, report.strays) == (True, 1, (pair.hex(),))
    assert report.algorithms[KeySpec.AES_256] == ("AES_GCM",)
