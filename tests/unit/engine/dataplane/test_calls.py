"""Calls of the data plane beyond encrypting and signing: data keys, MACs, passwords, dry runs, and what they audit."""

from __future__ import annotations

import base64
import hashlib
import hmac
import string
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from kmsplan.engine.dataplane.datakey import Recipient
from kmsplan.engine.dataplane.password import PasswordRules
from kmsplan.engine.dataplane.symmetric import Source
from kmsplan.engine.protection.protocol import InvalidCiphertextError
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import CreateKeyVersion, DisableKey
from kmsplan.kms.spec import KeySpec, KeyUsage
from tests.engines import new_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.service import Engine

CONTEXT = {"tenant": "acme", "purpose": "page"}
INFINITY = bytes.fromhex("3019301306072a8648ce3d020106082a811ccf5501822d03020000")
"""What OpenSSL reads as an SM2 public key, and nothing can be encrypted for."""


def code(call: Callable[[], object]) -> str:
    with pytest.raises(KmsError) as caught:
        call()
    return caught.value.code


@pytest.fixture(scope="module")
def recipient_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def recipient_of(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, algorithm: str = "RSAES_OAEP_SHA_256"
) -> Recipient:
    der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Recipient(der, "RSA_2048", algorithm)


def unwrapped(key: rsa.RSAPrivateKey, exported: bytes) -> bytes:
    return key.decrypt(exported, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))


@pytest.mark.parametrize("length", [1, 16, 32, 1024])
def test_a_data_key_decrypts_to_its_base64_text(engine: Engine, instance: str, length: int) -> None:
    key = new_key(engine, instance)
    made = engine.generate_data_key(key, length, CONTEXT)
    assert len(made.plaintext) == length
    assert engine.decrypt(made.blob, CONTEXT).plaintext == base64.b64encode(made.plaintext)


@pytest.mark.parametrize("length", [0, 1025, -1])
def test_a_data_key_of_another_length_is_refused(engine: Engine, instance: str, length: int) -> None:
    key = new_key(engine, instance)
    assert code(lambda: engine.generate_data_key(key, length)) == "InvalidParameter"


def test_every_data_key_call_binds_the_context(engine: Engine, instance: str, recipient_key: rsa.RSAPrivateKey) -> None:
    key, recipient = new_key(engine, instance), recipient_of(recipient_key)
    exported = engine.begin.generate_and_export_data_key(key, 32, recipient, CONTEXT).wait()
    blobs = [
        engine.generate_data_key(key, 32, CONTEXT).blob,
        engine.generate_data_key(key, 32, CONTEXT, export=False).blob,
        exported.blob,
    ]
    for blob in blobs:
        engine.decrypt(blob, dict(reversed(CONTEXT.items())))
        engine.begin.export_data_key(blob, recipient, CONTEXT).wait()
        for wrong in (None, {}, {**CONTEXT, "tenant": "globex"}, {"tenant": "acme"}):
            with pytest.raises(InvalidCiphertextError):
                engine.decrypt(blob, wrong)
            with pytest.raises(InvalidCiphertextError):
                engine.begin.export_data_key(blob, recipient, wrong).wait()


@pytest.mark.parametrize("algorithm", ["RSAES_OAEP_SHA_256", "RSAES_OAEP_SHA_1"])
def test_an_exported_data_key_is_the_one_that_was_encrypted(
    engine: Engine, instance: str, recipient_key: rsa.RSAPrivateKey, algorithm: str
) -> None:
    key = new_key(engine, instance)
    made = engine.begin.generate_and_export_data_key(key, 24, recipient_of(recipient_key, algorithm)).wait()
    data_key = base64.b64decode(engine.decrypt(made.blob).plaintext)
    again = engine.begin.export_data_key(made.blob, recipient_of(recipient_key)).wait()
    assert unwrapped(recipient_key, again.exported) == data_key
    assert len(data_key) == 24
    assert again.blob == made.blob


def test_what_is_no_recipient_is_refused(engine: Engine, instance: str, recipient_key: rsa.RSAPrivateKey) -> None:
    key, good = new_key(engine, instance), recipient_of(recipient_key)
    for recipient, name in (
        (good._replace(public_key=b"no key"), "PublicKeyBlob"),
        (good._replace(public_key=recipient_of(ec.generate_private_key(ec.SECP256R1())).public_key), "PublicKeyBlob"),
        (Recipient(INFINITY, "EC_SM2", "SM2PKE"), "PublicKeyBlob"),
        (good._replace(algorithm="SM2PKE"), "WrappingAlgorithm"),
        (good._replace(spec="RSA_1024"), "WrappingKeySpec"),
    ):
        with pytest.raises(KmsError, match=name) as caught:
            engine.begin.generate_and_export_data_key(key, 32, recipient).wait()
        assert caught.value.code == "InvalidParameter"


def test_a_ciphertext_that_holds_no_data_key_is_not_exported(
    engine: Engine, instance: str, recipient_key: rsa.RSAPrivateKey
) -> None:
    blob = engine.encrypt(new_key(engine, instance), b"no Base64 text!").blob
    with pytest.raises(InvalidCiphertextError):
        engine.begin.export_data_key(blob, recipient_of(recipient_key)).wait()


def test_re_encryption_changes_key_and_context_and_keeps_the_plaintext(engine: Engine, instance: str) -> None:
    first, second = new_key(engine, instance), new_key(engine, instance)
    blob = engine.encrypt(first, b"page", CONTEXT).blob
    moved = engine.begin.re_encrypt(blob, second, source_context=CONTEXT, context={"a": "b"}).wait()
    assert (moved.key_id, engine.decrypt(moved.blob, {"a": "b"}).plaintext) == (second, b"page")
    with pytest.raises(InvalidCiphertextError):
        engine.begin.re_encrypt(blob, second, context={"a": "b"}).wait()


def test_a_public_keys_ciphertext_is_re_encrypted_too(engine: Engine, instance: str) -> None:
    source = new_key(engine, instance, KeySpec.RSA_2048, usage=KeyUsage.ENCRYPT)
    blob = engine.asymmetric_encrypt(source, None, None, b"page")
    key = new_key(engine, instance)
    moved = engine.begin.re_encrypt(blob, key, source=Source(source, None, "RSAES_OAEP_SHA_256")).wait()
    assert engine.decrypt(moved.blob).plaintext == b"page"
    refused = engine.begin.re_encrypt(blob, key, source=Source(source), source_context=CONTEXT)
    assert code(refused.wait) == "InvalidParameter"


def test_re_encryption_asks_the_state_of_both_keys(engine: Engine, instance: str) -> None:
    first, second = new_key(engine, instance), new_key(engine, instance)
    blob = engine.encrypt(first, b"page").blob
    engine.execute(DisableKey(key=first))
    assert code(engine.begin.re_encrypt(blob, second).wait) == "Rejected.Disabled"
    assert code(engine.begin.re_encrypt(engine.encrypt(second, b"x").blob, first).wait) == "Rejected.Disabled"


@pytest.mark.parametrize(
    ("spec", "hash_name"),
    [(KeySpec.HMAC_SHA_224, "sha224"), (KeySpec.HMAC_SHA_256, "sha256"), (KeySpec.HMAC_SHA_512, "sha512")],
)
def test_a_mac_holds_for_its_message_alone(engine: Engine, instance: str, spec: KeySpec, hash_name: str) -> None:
    key = new_key(engine, instance, spec, usage=KeyUsage.MAC)
    mac = engine.generate_mac(key, spec.value, b"message")
    assert len(mac) == hashlib.new(hash_name).digest_size
    assert engine.verify_mac(key, spec.value, b"message", mac)
    assert not engine.verify_mac(key, spec.value, b"other", mac)
    assert not engine.verify_mac(key, spec.value, b"message", mac[:-1])
    assert code(lambda: engine.generate_mac(key, "HMAC_MD5", b"message")) == "InvalidParameter"


def test_a_mac_key_and_a_cipher_key_are_not_exchanged(engine: Engine, instance: str) -> None:
    mac, cipher = new_key(engine, instance, KeySpec.HMAC_SHA_256, usage=KeyUsage.MAC), new_key(engine, instance)
    assert code(lambda: engine.encrypt(mac, b"x")) == "UnsupportedOperation"
    assert code(lambda: engine.generate_mac(cipher, None, b"x")) == "UnsupportedOperation"


def test_a_password_has_every_type_that_is_not_excluded(engine: Engine) -> None:
    for _ in range(50):
        password = engine.begin.random_password(PasswordRules(length=8)).wait()
        assert len(password) == 8
        for characters in (string.ascii_lowercase, string.ascii_uppercase, string.digits, string.punctuation):
            assert set(password) & set(characters)


def test_a_password_is_made_of_what_is_left(engine: Engine) -> None:
    only_digits = frozenset({"ExcludeLowercase", "ExcludeUppercase", "ExcludePunctuation"})
    rules = PasswordRules(length=128, excluded=only_digits, exclude_characters="012345678")
    assert engine.begin.random_password(rules).wait() == "9" * 128
    nothing = PasswordRules(excluded=only_digits, exclude_characters=string.digits)
    assert code(engine.begin.random_password(nothing).wait) == "InvalidParameter"


@pytest.mark.parametrize("length", [7, 129])
def test_a_password_of_another_length_is_refused(engine: Engine, length: int) -> None:
    assert code(engine.begin.random_password(PasswordRules(length=length)).wait) == "InvalidParameter"


def test_a_dry_run_checks_everything_and_does_nothing(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance)
    signer = new_key(engine, instance, KeySpec.EC_P256)
    blob = engine.encrypt(key, b"x").blob
    digest = bytes(32)
    for call in (
        lambda: engine.encrypt(key, b"x", dry_run=True),
        lambda: engine.decrypt(blob, dry_run=True),
        lambda: engine.generate_data_key(key, 32, dry_run=True),
        lambda: engine.sign(signer, None, None, digest, dry_run=True),
        lambda: engine.public_key(signer, dry_run=True),
    ):
        assert code(call) == "DryRunOperationError"
    engine.execute(DisableKey(key=key))
    assert code(lambda: engine.encrypt(key, b"x", dry_run=True)) == "Rejected.Disabled"
    *_, last = engine.audit_entries()
    assert (last["action"], last["result"]) == ("Encrypt", "Rejected.Disabled")


def test_every_call_is_audited_without_what_it_worked_on(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance, KeySpec.HMAC_SHA_256, usage=KeyUsage.MAC)
    mac = engine.generate_mac(key, None, b"the message")
    engine.generate_data_key(new_key(engine, instance), 32, {"context-name": "context-value"})
    entries = list(engine.audit_entries())
    assert [entry["action"] for entry in entries[-3:]] == ["GenerateMac", "CreateKey", "GenerateDataKey"]
    text = repr(entries)
    for secret in ("the message", mac.hex(), "context-name", "context-value"):
        assert secret not in text


def test_a_version_that_is_named_by_its_id_alone_is_used(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance, KeySpec.EC_P256)
    assert code(lambda: engine.sign(key, f"{key}-0000000000", None, bytes(32))) == "Forbidden.KeyVersionNotFound"
    assert code(lambda: engine.execute(CreateKeyVersion(key=key))) == "Rejected.UnsupportedOperation"
    assert hmac.compare_digest(engine.public_key(key), engine.public_key(key))
