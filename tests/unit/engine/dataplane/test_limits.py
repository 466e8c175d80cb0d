"""Every limit of the data plane, met and passed by one (API reference; RFC 8017, 7.1.1 for what OAEP takes)."""

from __future__ import annotations

import base64
from functools import partial
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from kmsplan.engine.dataplane.datakey import Recipient
from kmsplan.engine.dataplane.password import PasswordRules
from kmsplan.engine.sm import sm2
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import KeySpec, KeyUsage
from tests.byok import PAIR_WRAPPING, bring, refused, waiting
from tests.engines import new_key
from tests.vectors import cases, pkcs8, rsa_of_primes, spki

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.service import Engine

RSA_SPECS = {"2048": KeySpec.RSA_2048, "3072": KeySpec.RSA_3072, "4096": KeySpec.RSA_4096}
OAEP = {
    "RSAES_OAEP_SHA_256": {KeySpec.RSA_2048: 190, KeySpec.RSA_3072: 318, KeySpec.RSA_4096: 446},
    "RSAES_OAEP_SHA_1": {KeySpec.RSA_2048: 214, KeySpec.RSA_3072: 342, KeySpec.RSA_4096: 470},
}


@pytest.fixture(scope="module")
def pairs() -> dict[KeySpec, rsa.RSAPrivateKey]:
    """A key of each size, from CAVP: making them would take seconds."""
    found, numbers = {}, dict[str, str]()
    for case in cases("asymmetric/RSA/FIPS_186-2/SigGen15_186-2.txt"):
        numbers |= {part: case[part] for part in ("n", "e", "d") if part in case}
        spec = RSA_SPECS.get(case["mod"])
        if spec is not None and "S" in case and spec not in found:
            public = rsa.RSAPublicNumbers(int(numbers["e"], 16), int(numbers["n"], 16))
            p, q = rsa.rsa_recover_prime_factors(public.n, public.e, int(numbers["d"], 16))
            found[spec] = rsa_of_primes(p, q, public)
    return found


def _limited(call: Callable[[int], object], longest: int, name: str = "Plaintext") -> None:
    """Check that a call takes so much, and not one more."""
    assert call(longest)
    error = refused(lambda: call(longest + 1))
    assert error.code == "InvalidParameter"
    assert name in error.message


@pytest.mark.parametrize("spec", [KeySpec.AES_256, KeySpec.SM4])
def test_encrypt_takes_6144_bytes(engine: Engine, instance: str, spec: KeySpec) -> None:
    key = new_key(engine, instance, spec)
    _limited(lambda size: engine.encrypt(key, bytes(size)), 6144)
    assert engine.decrypt(engine.encrypt(key, bytes(6144)).blob).plaintext == bytes(6144)


def test_re_encryption_takes_no_more_than_encryption(engine: Engine, instance: str) -> None:
    source = new_key(engine, instance)
    blob = engine.encrypt(source, bytes(6144)).blob
    moved = engine.begin.re_encrypt(blob, new_key(engine, instance, KeySpec.SM4)).wait()
    assert engine.decrypt(moved.blob).plaintext == bytes(6144)


@pytest.mark.parametrize("algorithm", OAEP)
@pytest.mark.parametrize("spec", RSA_SPECS.values())
def test_oaep_takes_what_the_modulus_leaves(
    engine: Engine, instance: str, pairs: dict[KeySpec, rsa.RSAPrivateKey], spec: KeySpec, algorithm: str
) -> None:
    key, longest = waiting(engine, instance, spec, usage=KeyUsage.ENCRYPT), OAEP[algorithm][spec]
    bring(engine, key, SecretBytes(pkcs8(pairs[spec])), algorithm=PAIR_WRAPPING)
    _limited(lambda size: engine.asymmetric_encrypt(key, None, algorithm, bytes(size)), longest)
    for plaintext in (b"", bytes(longest)):
        blob = engine.asymmetric_encrypt(key, None, algorithm, plaintext)
        assert engine.asymmetric_decrypt(key, None, algorithm, blob) == plaintext


@pytest.mark.skipif(not sm2.supported(), reason="no SM2 on this host")
def test_sm2_takes_one_byte_to_6047(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance, KeySpec.EC_SM2, usage=KeyUsage.ENCRYPT)
    _limited(lambda size: engine.asymmetric_encrypt(key, None, None, bytes(size)), 6047)
    assert refused(lambda: engine.asymmetric_encrypt(key, None, None, b"")).code == "InvalidParameter"
    for plaintext in (b"x", bytes(6047)):
        blob = engine.asymmetric_encrypt(key, None, None, plaintext)
        assert len(blob) <= 6144 + 64
        assert engine.asymmetric_decrypt(key, None, None, blob) == plaintext


@pytest.mark.parametrize("text", ["x", "ü"])
def test_a_context_has_8192_characters(engine: Engine, instance: str, text: str) -> None:
    key = new_key(engine, instance)
    blob = engine.encrypt(key, b"page", {"a": text * 8191}).blob
    assert engine.decrypt(blob, {"a": text * 8191}).plaintext == b"page"
    many = {str(number): text * 10 for number in range(1000)}
    for context in ({"a": text * 8192}, {"ab": text * 8191}, many):
        calls: tuple[Callable[[], object], ...] = (
            partial(engine.encrypt, key, b"page", context),
            partial(engine.decrypt, blob, context),
            partial(engine.generate_data_key, key, 32, context),
            engine.begin.re_encrypt(blob, key, source_context=context).wait,
        )
        for call in calls:
            error = refused(call)
            assert (error.code, "EncryptionContext" in error.message) == ("InvalidParameter", True)
            assert text * 10 not in error.message


@pytest.mark.parametrize("export", [True, False])
def test_a_data_key_has_1024_bytes(engine: Engine, instance: str, *, export: bool) -> None:
    key = new_key(engine, instance)
    _limited(lambda size: engine.generate_data_key(key, size, export=export), 1024, "NumberOfBytes")
    made = engine.generate_data_key(key, 1024, export=export)
    assert base64.b64decode(engine.decrypt(made.blob).plaintext) == made.plaintext


@pytest.mark.parametrize(("algorithm", "longest"), [("RSAES_OAEP_SHA_256", 190), ("RSAES_OAEP_SHA_1", 214)])
def test_a_data_key_is_exported_up_to_what_the_recipients_key_takes(
    engine: Engine, instance: str, pairs: dict[KeySpec, rsa.RSAPrivateKey], algorithm: str, longest: int
) -> None:
    key = new_key(engine, instance)
    recipient = Recipient(spki(pairs[KeySpec.RSA_2048].public_key()), "RSA_2048", algorithm)
    _limited(
        lambda size: engine.begin.generate_and_export_data_key(key, size, recipient).wait(), longest, "PublicKeyBlob"
    )
    blobs = {size: engine.generate_data_key(key, size).blob for size in (longest, longest + 1)}
    _limited(lambda size: engine.begin.export_data_key(blobs[size], recipient).wait(), longest, "PublicKeyBlob")


@pytest.mark.parametrize("bits", [1024, 2047, 3072])
def test_a_recipients_key_has_the_size_that_its_spec_says(engine: Engine, instance: str, bits: int) -> None:
    key, own = new_key(engine, instance), rsa.generate_private_key(65537, bits)
    recipient = Recipient(spki(own.public_key()), "RSA_2048", "RSAES_OAEP_SHA_256")
    error = refused(lambda: engine.begin.generate_and_export_data_key(key, 32, recipient).wait())
    assert (error.code, "PublicKeyBlob" in error.message) == ("InvalidParameter", True)


def test_a_password_has_8_to_128_characters(engine: Engine) -> None:
    def password(length: int) -> str:
        return engine.begin.random_password(PasswordRules(length=length)).wait()

    assert (len(password(8)), len(password(128))) == (8, 128)
    assert {refused(partial(password, length)).code for length in (7, 129, 0, -8)} == {"InvalidParameter"}
