from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from kmsplan.engine import ciphertext
from kmsplan.engine.error import MaterialCorruptError
from kmsplan.engine.handles import LIFETIME
from kmsplan.engine.protection.protocol import InvalidCiphertextError
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import CreateAlias, DisableKey, ScheduleKeyDeletion
from kmsplan.kms.spec import KeySpec
from tests.engines import Lab, described, new_instance, new_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from kmsplan.engine.service import Engine

_DIGEST = hashlib.sha256(b"message").digest()


def _code(call: object) -> str:
    with pytest.raises(KmsError) as caught:
        call()  # type: ignore[operator]
    return caught.value.code


def test_what_is_encrypted_decrypts_by_itself(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance)
    engine.execute(CreateAlias(alias="alias/orders", key=key))
    for plaintext in (b"", b"x", bytes(6144)):
        for name in (key, "alias/orders", f"acs:kms:local:{engine.account}:alias/orders"):
            blob, _, version = engine.encrypt(name, plaintext, {"b": "2", "a": "1"})
            assert engine.decrypt(blob, {"a": "1", "b": "2"}) == (plaintext, key, version)
            assert version == described(engine, key)["primary_version"]


def test_the_ciphertext_is_laid_out_as_the_cloud_does(engine: Engine, instance: str) -> None:
    blob, _, version = engine.encrypt(new_key(engine, instance), b"x" * 44)
    assert blob[:36].decode() == version
    assert len(blob) == 36 + 12 + 44 + 16


def test_every_encryption_has_another_iv(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance)
    assert len({engine.encrypt(key, b"x")[0][36:48] for _ in range(50)}) == 50


@pytest.mark.parametrize(
    "other",
    [None, {}, {"a": "b"}, {"a": "b&c=e"}, {"a": "b", "c": "e"}, {"a": "b&c=d "}, {"A": "b&c=d"}, {"b&c=d": "a"}],
)
def test_a_ciphertext_opens_under_its_own_context_only(
    engine: Engine, instance: str, other: dict[str, str] | None
) -> None:
    blob, *_ = engine.encrypt(new_key(engine, instance), b"x", {"a": "b&c=d"})
    with pytest.raises(InvalidCiphertextError):
        engine.decrypt(blob, other)


def test_no_context_and_an_empty_one_are_the_same(engine: Engine, instance: str) -> None:
    blob, *_ = engine.encrypt(new_key(engine, instance), b"x", {})
    assert engine.decrypt(blob)[0] == b"x"


@pytest.mark.parametrize("context", [{"a": 1}, {1: "a"}, ["a"], {"a": {"b": "c"}}, {"a": "x" * 8192}, {"\udcff": "a"}])
def test_a_context_that_is_none_is_refused(engine: Engine, instance: str, context: dict[str, str]) -> None:
    key = new_key(engine, instance)
    blob, *_ = engine.encrypt(key, b"x")
    assert _code(lambda: engine.encrypt(key, b"x", context)) == "InvalidParameter"
    assert _code(lambda: engine.decrypt(blob, context)) == "InvalidParameter"


def test_a_changed_byte_is_refused_wherever_it_is(engine: Engine, instance: str) -> None:
    blob, *_ = engine.encrypt(new_key(engine, instance), b"plaintext")
    for place in range(len(blob)):
        changed = bytearray(blob)
        changed[place] ^= 1
        # Within the ids, which are no secret, the changed one may be well-formed: then no such key is there.
        with pytest.raises((InvalidCiphertextError, KmsError)) as caught:
            engine.decrypt(bytes(changed))
        if place >= 36:
            assert isinstance(caught.value, InvalidCiphertextError)
        assert b"plaintext" not in str(caught.value).encode()


def test_a_cut_or_foreign_ciphertext_is_refused_with_one_message(engine: Engine, instance: str) -> None:
    blob, *_ = engine.encrypt(new_key(engine, instance), b"x")
    messages = set()
    for wrong in (b"", blob[:35], blob[:63], blob[:-1], blob + b"\0", b"{" + blob[1:], bytes(100)):
        with pytest.raises(InvalidCiphertextError) as caught:
            engine.decrypt(wrong)
        messages.add(str(caught.value))
    assert len(messages) == 1


def test_a_ciphertext_of_another_version_does_not_open(lab: Lab, engine: Engine, instance: str) -> None:
    first, second = new_key(engine, instance), new_key(engine, instance)
    blob, *_ = engine.encrypt(first, b"x")
    other = described(engine, second)["primary_version"]
    with pytest.raises(InvalidCiphertextError):
        engine.decrypt(other.encode() + blob[36:])
    unknown = f"{first}-{'0' * 10}"
    with pytest.raises(InvalidCiphertextError):
        engine.decrypt(unknown.encode() + blob[36:])
    lost = "key-" + "0" * 21 + "-" + "0" * 10
    assert _code(lambda: engine.decrypt(lost.encode() + blob[36:])) == "Forbidden.KeyNotFound"
    assert lab.opened


def test_the_material_of_a_software_key_is_not_readable_in_the_keystore(
    lab: Lab, engine: Engine, instance: str
) -> None:
    key = new_key(engine, instance)
    blob, _, version = engine.encrypt(key, b"x", {"a": "b"})
    handle = engine._core.handles.get(key, version, lambda: pytest.fail("it is kept"))
    cipher: AESGCM = handle._cipher  # type: ignore[union-attr]
    assert cipher.decrypt(blob[36:48], blob[48:], ciphertext.associated_data(version, {"a": "b"})) == b"x"
    engine.close()
    everything = b"".join(path.read_bytes() for path in lab.folder.iterdir())
    assert b"CreateKey" in everything
    with closing(sqlite3.connect(lab.database)) as db:
        ((wrapped,),) = db.execute("SELECT wrapped FROM material")
    assert len(wrapped) == 12 + 32 + 16


@pytest.mark.parametrize(("spec", "longest"), [(KeySpec.AES_256, 6144), (KeySpec.RSA_2048, 190)])
def test_a_plaintext_that_is_too_long_is_refused(engine: Engine, instance: str, spec: KeySpec, longest: int) -> None:
    key = new_key(engine, instance, spec, usage="ENCRYPT/DECRYPT")

    def encrypt(size: int) -> object:
        if spec is KeySpec.AES_256:
            return engine.encrypt(key, bytes(size))
        return engine.asymmetric_encrypt(key, None, None, bytes(size))

    assert encrypt(longest)
    assert _code(lambda: encrypt(longest + 1)) == "InvalidParameter"


@pytest.mark.parametrize(
    ("spec", "algorithms"),
    [
        (KeySpec.RSA_2048, ["RSA_PSS_SHA_256", "RSA_PKCS1_SHA_256"]),
        (KeySpec.EC_P256, ["ECDSA_SHA_256"]),
        (KeySpec.EC_P256K, ["ECDSA_SHA_256"]),
    ],
)
def test_signatures_hold_here_and_elsewhere(
    engine: Engine, instance: str, spec: KeySpec, algorithms: list[str]
) -> None:
    key = new_key(engine, instance, spec)
    public = serialization.load_pem_public_key(engine.public_key(key).encode())
    version = described(engine, key)["primary_version"]
    for algorithm in algorithms:
        signature = engine.sign(key, version, algorithm, _DIGEST)
        assert engine.verify(key, version, algorithm, _DIGEST, signature)
        assert not engine.verify(key, version, algorithm, hashlib.sha256(b"other").digest(), signature)
        assert not engine.verify(key, version, algorithm, _DIGEST, signature[:-1] + bytes([signature[-1] ^ 1]))
        if isinstance(public, ec.EllipticCurvePublicKey):
            public.verify(signature, b"message", ec.ECDSA(hashes.SHA256()))
        else:
            assert isinstance(public, rsa.RSAPublicKey)
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
            scheme = pss if "PSS" in algorithm else padding.PKCS1v15()
            public.verify(signature, b"message", scheme, hashes.SHA256())
    assert engine.verify(key, None, None, _DIGEST, engine.sign(key, None, None, _DIGEST))


@pytest.mark.parametrize("algorithm", [None, "RSAES_OAEP_SHA_256", "RSAES_OAEP_SHA_1"])
def test_oaep_opens_with_the_private_half(engine: Engine, instance: str, algorithm: str | None) -> None:
    key = new_key(engine, instance, KeySpec.RSA_2048, usage="ENCRYPT/DECRYPT")
    blob = engine.asymmetric_encrypt(key, None, algorithm, b"secret")
    assert engine.asymmetric_decrypt(key, None, algorithm, blob) == b"secret"
    for wrong in (b"", blob[:-1], bytes(len(blob)), blob[:-1] + bytes([blob[-1] ^ 1])):
        with pytest.raises(InvalidCiphertextError):
            engine.asymmetric_decrypt(key, None, algorithm, wrong)


def test_a_key_does_only_what_it_is_for(engine: Engine, instance: str) -> None:
    symmetric, signing = new_key(engine, instance), new_key(engine, instance, KeySpec.RSA_2048)
    decrypting = new_key(engine, instance, KeySpec.RSA_2048, usage="ENCRYPT/DECRYPT")
    for call in (
        lambda: engine.sign(symmetric, None, None, _DIGEST),
        lambda: engine.verify(decrypting, None, None, _DIGEST, b""),
        lambda: engine.asymmetric_encrypt(symmetric, None, None, b"x"),
        lambda: engine.asymmetric_encrypt(signing, None, None, b"x"),
        lambda: engine.asymmetric_decrypt(signing, None, None, b"x"),
    ):
        assert _code(call) == "Rejected.UnsupportedOperation"
    for other in (
        lambda: engine.encrypt(signing, b"x"),
        lambda: engine.encrypt(decrypting, b"x"),
        lambda: engine.public_key(symmetric),
    ):
        assert _code(other) == "UnsupportedOperation"


def test_algorithms_and_digests_that_do_not_fit_are_refused(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance, KeySpec.EC_P256)
    assert _code(lambda: engine.sign(key, None, "RSA_PSS_SHA_256", _DIGEST)) == "InvalidParameter"
    assert _code(lambda: engine.sign(key, None, None, _DIGEST[:-1])) == "InvalidParameter"
    assert _code(lambda: engine.verify(key, None, None, _DIGEST + b"x", b"")) == "InvalidParameter"
    assert _code(lambda: engine.sign(key, "none", None, _DIGEST)) == "Forbidden.KeyVersionNotFound"


def _uses(lab: Lab, key: str, to: int | None = None) -> int:
    with closing(sqlite3.connect(lab.database)) as db:
        if to is not None:
            db.execute("UPDATE key_version SET uses = ? WHERE key_id = ?", (to, key))
            db.commit()
        ((uses,),) = db.execute("SELECT uses FROM key_version WHERE key_id = ?", (key,))
    return int(uses)


def test_encryptions_are_counted_exactly_and_across_restarts(lab: Lab, engine: Engine, instance: str) -> None:
    key = new_key(engine, instance)
    blob, *_ = engine.encrypt(key, b"x")
    engine.decrypt(blob)
    with pytest.raises(KmsError):
        engine.encrypt(key, bytes(7000))
    engine.close()
    lab.open().encrypt(key, b"x")
    assert _uses(lab, key) == 2


def test_no_version_encrypts_more_often_than_is_safe(lab: Lab, engine: Engine, instance: str) -> None:
    key = new_key(engine, instance, rotation=7 * 86_400)
    blob, *_ = engine.encrypt(key, b"x")
    _uses(lab, key, to=2**32 - 1)
    engine.encrypt(key, b"last")
    with pytest.raises(KmsError, match="Rotate the key") as caught:
        engine.encrypt(key, b"one more")
    assert caught.value.code == "Rejected.LimitExceeded"
    assert _uses(lab, key) == 2**32
    assert engine.decrypt(blob)[0] == b"x"
    lab.clock.move(timedelta(days=8))
    engine.tick()
    engine.encrypt(key, b"again")


def test_the_last_use_is_noted_once_a_minute(lab: Lab, engine: Engine, instance: str) -> None:
    key = new_key(engine, instance)
    seen = []
    for seconds in (0, 30, 40):
        lab.clock.move(timedelta(seconds=seconds))
        engine.encrypt(key, b"x")
        seen.append(described(engine, key)["last_used"])
    assert seen == ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-01T00:01:10Z"]


def test_a_refused_use_is_no_use(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance)
    blob, *_ = engine.encrypt(new_key(engine, instance), b"x")
    with pytest.raises(InvalidCiphertextError):
        engine.decrypt(described(engine, key)["primary_version"].encode() + blob[36:])
    assert described(engine, key)["last_used"] is None


def _damage(lab: Lab, statement: str) -> None:
    with closing(sqlite3.connect(lab.database)) as db:
        assert db.execute(statement).rowcount > 0
        db.commit()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE material SET wrapped = zeroblob(length(wrapped))",
        "UPDATE material SET wrapped = x'00'",
        "UPDATE material SET wrapped = (SELECT m.wrapped FROM material AS m WHERE m.version <> material.version)",
        "UPDATE material SET term = 7",
        "DELETE FROM material",
        "UPDATE key_version SET generation = 2",
        "UPDATE key SET spec = 'Aliyun_AES_128'",
    ],
)
def test_a_damaged_swapped_or_rolled_back_row_is_named_and_never_used(
    lab: Lab, engine: Engine, instance: str, damage: str
) -> None:
    key, _ = new_key(engine, instance), new_key(engine, instance)
    blob, _, version = engine.encrypt(key, b"x")
    engine.close()
    with closing(sqlite3.connect(lab.database)) as db:
        db.execute("PRAGMA foreign_keys = OFF")
        db.execute(damage)
        db.commit()
    again = lab.open()
    for use in (lambda: again.encrypt(key, b"x"), lambda: again.decrypt(blob)):
        with pytest.raises(MaterialCorruptError, match=rf"{version} does not open.*newest backup"):
            use()
    *_, entry = again.audit_entries()
    assert (entry["action"], entry["result"]) == ("Decrypt", "MaterialCorrupt")


def test_a_signing_key_cannot_be_edited_into_a_decryption_key(lab: Lab, engine: Engine, instance: str) -> None:
    key = new_key(engine, instance, KeySpec.RSA_2048)
    engine.close()
    _damage(lab, "UPDATE key SET usage = 'ENCRYPT/DECRYPT'")
    again = lab.open()
    for use in (again.asymmetric_decrypt, again.asymmetric_encrypt):
        with pytest.raises(MaterialCorruptError):
            use(key, None, None, bytes(256 if use == again.asymmetric_decrypt else 1))


def test_an_opened_key_leaves_memory_when_it_is_disabled_and_with_time(lab: Lab, engine: Engine, instance: str) -> None:
    key = new_key(engine, instance)
    _, _, version = engine.encrypt(key, b"x")
    handles = engine._core.handles
    kept = handles.get(key, version, lambda: pytest.fail("it is kept"))
    lab.clock.move(LIFETIME)
    engine.encrypt(key, b"x")
    assert handles.get(key, version, lambda: pytest.fail("it is kept")) is not kept
    engine.execute(DisableKey(key=key))
    with pytest.raises(pytest.fail.Exception, match="opened anew"):
        handles.get(key, version, lambda: pytest.fail("opened anew"))


def test_hardware_keys_do_the_same(lab: Lab, engine: Engine) -> None:
    vault = new_instance(engine, "hardware")
    symmetric, signing = new_key(engine, vault), new_key(engine, vault, KeySpec.EC_P256K)
    blob, *_ = engine.encrypt(symmetric, b"page", {"a": "b"})
    assert engine.decrypt(blob, {"a": "b"})[0] == b"page"
    assert engine.verify(signing, None, None, _DIGEST, engine.sign(signing, None, None, _DIGEST))
    lab.hsm.material.clear()
    engine._core.handles.clear()
    with pytest.raises(KmsError, match="does not hold the key"):
        engine.decrypt(blob, {"a": "b"})
    assert engine.public_key(signing).startswith("-----BEGIN PUBLIC KEY-----")


def test_a_key_that_is_disabled_while_it_works_gives_no_answer(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance)
    version = described(engine, key)["primary_version"]

    class Slow:
        def encrypt(self, plaintext: bytes, aad: bytes) -> bytes:
            engine.execute(DisableKey(key=key))
            return plaintext + aad

        def decrypt(self, sealed: bytes, aad: bytes) -> bytes:
            return sealed + aad

    engine._core.handles.get(key, version, Slow)
    assert _code(lambda: engine.encrypt(key, b"x")) == "Rejected.Disabled"


def test_a_key_that_is_deleted_while_it_works_gives_no_answer(lab: Lab, engine: Engine, instance: str) -> None:
    key = new_key(engine, instance, KeySpec.EC_P256)

    class Slow:
        def sign(self, algorithm: str, digest: bytes) -> bytes:
            engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
            lab.clock.move(timedelta(days=7))
            engine.tick()
            return algorithm.encode() + digest

    engine._core.handles.get(key, described(engine, key)["primary_version"], Slow)
    assert _code(lambda: engine.sign(key, None, None, _DIGEST)) == "Forbidden.KeyNotFound"


def test_a_backend_whose_key_cannot_do_it_is_not_asked(
    lab: Lab, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key(engine, new_instance(engine, "hardware"), KeySpec.EC_P256)
    monkeypatch.setattr(lab.hsm, "open", lambda *_: object())
    assert _code(lambda: engine.sign(key, None, None, _DIGEST)) == "UnsupportedOperation"


def test_an_exchanged_public_key_neither_verifies_nor_encrypts(lab: Lab, engine: Engine, instance: str) -> None:
    ours, theirs = new_key(engine, instance, KeySpec.EC_P256), new_key(engine, instance, KeySpec.EC_P256)
    forged = engine.sign(theirs, None, None, _DIGEST)
    engine.close()
    with closing(sqlite3.connect(lab.database)) as db:
        statement = "UPDATE key_version SET public_key = (SELECT public_key FROM key_version WHERE key_id = ?)"
        db.execute(f"{statement} WHERE key_id = ?", (theirs, ours))
        db.commit()
    again = lab.open()
    for use in (lambda: again.verify(ours, None, None, _DIGEST, forged), lambda: again.public_key(ours)):
        with pytest.raises(MaterialCorruptError, match=f"the public key of {ours}"):
            use()
    assert again.verify(theirs, None, None, _DIGEST, forged)
    again.close()
    _damage(lab, "UPDATE key_version SET public_key = NULL")
    with pytest.raises(MaterialCorruptError, match="public key"):
        lab.open().public_key(theirs)
