from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kmsplan.engine import wrapping
from kmsplan.engine.caller import Caller
from kmsplan.engine.protection.protocol import InvalidMaterialError
from kmsplan.engine.sm import sm2
from kmsplan.kms.operation import (
    CancelKeyDeletion,
    CreateKey,
    DeleteKeyMaterial,
    DisableKey,
    ImportKeyMaterial,
    ScheduleKeyDeletion,
)
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import SPECS, Family, KeySpec
from kmsplan.kms.wrapping import wrappings_for
from tests.byok import OAEP, PAIR_WRAPPING, RSA, bring, in_seconds, material_for, pkcs8, refused, tokens_in, waiting
from tests.engines import DAY, Lab, described, new_instance, new_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kmsplan.engine.service import Engine

DIGEST = bytes(32)
MINUTE = timedelta(minutes=1)


def test_imported_material_is_what_the_key_encrypts_with(engine: Engine, instance: str) -> None:
    material, first, second = SecretBytes(bytes(range(32))), waiting(engine, instance), waiting(engine, instance)
    assert described(engine, first)["state"] == "PendingImport"
    bring(engine, first, material)
    bring(engine, second, material)
    row = described(engine, first)
    assert (row["state"], row["material_expires"]) == ("Enabled", None)
    assert row["last_rotation_date"] == "2026-01-01T00:00:00Z"
    blob = engine.encrypt(first, b"page").blob
    assert engine.decrypt(blob).plaintext == b"page"
    assert described(engine, second)["primary_version"] != row["primary_version"]


SPECS_OF_EACH_KIND = (
    KeySpec.AES_256,
    KeySpec.SM4,
    KeySpec.HMAC_SHA_256,
    KeySpec.EC_P256,
    KeySpec.EC_P256K,
    KeySpec.RSA_2048,
    KeySpec.EC_SM2,
)
SOFTWARE_WRAPPINGS = [(spec, one.name, one.spec.value) for spec in SPECS_OF_EACH_KIND for one in wrappings_for(spec)]


@pytest.mark.parametrize(("spec", "algorithm", "wrapping_spec"), SOFTWARE_WRAPPINGS)
def test_every_wrapping_algorithm_brings_material(
    engine: Engine, instance: str, spec: KeySpec, algorithm: str, wrapping_spec: str
) -> None:
    if wrapping_spec == "EC_SM2" and not sm2.supported():
        pytest.skip("no SM2 on this host")
    key = waiting(engine, instance, spec)
    parameters = engine.parameters_for_import(key, algorithm, wrapping_spec)
    bring(engine, key, material_for(spec), parameters=parameters, algorithm=algorithm)
    assert described(engine, key)["state"] == "Enabled"
    match SPECS[spec].family:
        case Family.AES | Family.SM4:
            assert engine.decrypt(engine.encrypt(key, b"x").blob).plaintext == b"x"
        case Family.HMAC:
            assert engine.verify_mac(key, None, b"x", engine.generate_mac(key, None, b"x"))
        case _:
            assert engine.verify(key, None, None, DIGEST, engine.sign(key, None, None, DIGEST))


def test_an_imported_pair_signs_for_whoever_has_its_public_key(engine: Engine, instance: str) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    key = waiting(engine, instance, KeySpec.EC_P256)
    bring(engine, key, pkcs8(private), algorithm=PAIR_WRAPPING)
    pem = private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert engine.public_key(key) == pem.decode()


def test_parameters_differ_at_each_call_and_leave_the_key_as_it_is(engine: Engine, instance: str) -> None:
    key = waiting(engine, instance)
    before = described(engine, key)
    first, second = (engine.parameters_for_import(key, OAEP, RSA) for _ in range(2))
    assert (first.token, first.public_key) != (second.token, second.public_key)
    assert first.token != second.token
    assert first.public_key != second.public_key
    assert (first.key_id, first.expires) == (key, "2026-01-02T00:00:00Z")
    assert described(engine, key) == before


@pytest.mark.parametrize(
    ("algorithm", "spec", "at"),
    [
        ("RSAES_OAEP_SHA_256_AES_256_ECB_PKCS7_PAD", RSA, "WrappingAlgorithm"),
        ("ROT13", RSA, "WrappingAlgorithm"),
        (OAEP, "EC_SM2", "WrappingKeySpec"),
        (OAEP, "RSA_4096", "WrappingKeySpec"),
    ],
)
def test_a_wrapping_that_does_not_fit_is_refused(
    engine: Engine, instance: str, algorithm: str, spec: str, at: str
) -> None:
    key = waiting(engine, instance)
    error = refused(lambda: engine.parameters_for_import(key, algorithm, spec))
    assert error.code == "InvalidParameter"
    assert at in error.message


def test_only_keys_of_external_origin_take_or_lose_material(engine: Engine, instance: str) -> None:
    own, parameters = new_key(engine, instance), engine.parameters_for_import(waiting(engine, instance), OAEP, RSA)
    calls = (
        lambda: engine.parameters_for_import(own, OAEP, RSA),
        lambda: bring(engine, own, SecretBytes(bytes(32)), parameters=parameters),
        lambda: engine.execute(DeleteKeyMaterial(key=own)),
    )
    assert {refused(call).code for call in calls} == {"Unsupported.Origin"}
    assert described(engine, own)["state"] == "Enabled"


def test_the_default_cmk_takes_symmetric_material_if_it_was_enabled_for_that(engine: Engine) -> None:
    options: dict[str, Any] = {"usage": "ENCRYPT/DECRYPT", "origin": "EXTERNAL"}
    assert refused(lambda: engine.execute(CreateKey(spec="RSA_2048", **options))).code == "UnsupportedOperation"
    key = engine.execute(CreateKey(spec="Aliyun_AES_256", **options))
    assert key is not None
    bring(engine, key, SecretBytes(bytes(32)))
    assert described(engine, key)["state"] == "Enabled"


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_material_of_another_length_is_refused(engine: Engine, instance: str, size: int) -> None:
    key = waiting(engine, instance)
    error = refused(lambda: bring(engine, key, SecretBytes(bytes(size))))
    assert error.code == "InvalidKeyMaterial"
    assert described(engine, key)["state"] == "PendingImport"


def _p256() -> bytes:
    return pkcs8(ec.generate_private_key(ec.SECP256R1())).reveal()


def _p256k() -> bytes:
    return pkcs8(ec.generate_private_key(ec.SECP256K1())).reveal()


def _broken_rsa() -> bytes:
    """Return a key whose numbers do not fit together: its modulus is changed."""
    der = material_for(KeySpec.RSA_2048).reveal()
    return der[:60] + bytes([der[60] ^ 1]) + der[61:]


@pytest.mark.parametrize(
    ("spec", "made"),
    [
        (KeySpec.EC_P256, _p256k),
        (KeySpec.EC_P256K, _p256),
        (KeySpec.EC_P256, lambda: _p256()[:-1]),
        (KeySpec.EC_P256, lambda: b"no key at all"),
        (KeySpec.EC_P256, bytes),
        (KeySpec.RSA_2048, _p256),
        (KeySpec.RSA_3072, lambda: material_for(KeySpec.RSA_2048).reveal()),
        (KeySpec.RSA_2048, _broken_rsa),
    ],
)
def test_a_private_key_of_another_kind_or_none_is_refused(
    engine: Engine, instance: str, spec: KeySpec, made: Callable[[], bytes]
) -> None:
    key = waiting(engine, instance, spec)
    assert (
        refused(lambda: bring(engine, key, SecretBytes(made()), algorithm=PAIR_WRAPPING)).code == "InvalidKeyMaterial"
    )
    assert described(engine, key)["state"] == "PendingImport"


def test_a_token_is_good_for_its_own_key_alone(engine: Engine, instance: str) -> None:
    key, other = waiting(engine, instance), waiting(engine, instance)
    parameters = engine.parameters_for_import(key, OAEP, RSA)
    error = refused(lambda: bring(engine, other, SecretBytes(bytes(32)), parameters=parameters))
    assert error.code == "InvalidImportToken"


def test_a_token_and_a_public_key_of_two_calls_do_not_go_together(engine: Engine, instance: str) -> None:
    key = waiting(engine, instance)
    first, second = (engine.parameters_for_import(key, OAEP, RSA) for _ in range(2))
    wrapped = wrapping.wrap(OAEP, first.public_key, SecretBytes(bytes(32)))
    assert refused(lambda: engine.import_material(key, wrapped, second.token)).code == "InvalidKeyMaterial"


@pytest.mark.parametrize("token", [b"", b"x", bytes(183), bytes(1_000_000)])
def test_what_is_no_token_is_refused(engine: Engine, instance: str, token: bytes) -> None:
    key = waiting(engine, instance)
    assert refused(lambda: engine.import_material(key, b"x", token)).code == "InvalidImportToken"


def test_a_token_of_another_engine_is_refused(engine: Engine, instance: str, tmp_path: Path) -> None:
    elsewhere = Lab(tmp_path / "other")
    elsewhere.create()
    stranger = elsewhere.open()
    foreign = stranger.parameters_for_import(waiting(stranger, new_instance(stranger)), OAEP, RSA)
    elsewhere.close()
    key = waiting(engine, instance)
    assert refused(lambda: engine.import_material(key, b"x", foreign.token)).code == "InvalidImportToken"


def test_a_token_may_be_used_again_within_its_day_and_not_after(lab: Lab, engine: Engine, instance: str) -> None:
    key, material = waiting(engine, instance), SecretBytes(os.urandom(32))
    parameters = engine.parameters_for_import(key, OAEP, RSA)
    bring(engine, key, material, parameters=parameters)
    lab.clock.move(DAY - MINUTE)
    bring(engine, key, material, parameters=parameters)
    lab.clock.move(MINUTE)
    error = refused(lambda: bring(engine, key, material, parameters=parameters))
    assert error.code == "ExpiredImportToken"
    engine.tick()
    assert refused(lambda: bring(engine, key, material, parameters=parameters)).code == "ExpiredImportToken"


def test_expired_tokens_are_cleaned(lab: Lab, engine: Engine, instance: str) -> None:
    key = waiting(engine, instance)
    engine.parameters_for_import(key, OAEP, RSA)
    lab.clock.move(DAY)
    engine.parameters_for_import(key, OAEP, RSA)
    assert tokens_in(engine) == 1
    lab.clock.move(DAY)
    engine.tick()
    assert tokens_in(engine) == 0


def test_a_key_has_so_many_tokens_and_no_more(engine: Engine, instance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kmsplan.engine.importing.token.LIMIT", 2)
    key, other = waiting(engine, instance), waiting(engine, instance)
    for _ in range(2):
        engine.parameters_for_import(key, OAEP, RSA)
    assert refused(lambda: engine.parameters_for_import(key, OAEP, RSA)).code == "Rejected.LimitExceeded"
    assert engine.parameters_for_import(other, OAEP, RSA).key_id == other


@pytest.mark.parametrize("lost", ["deleted", "expired"])
def test_a_key_takes_its_first_material_and_no_other_for_ever(
    lab: Lab, engine: Engine, instance: str, lost: str
) -> None:
    key, material = waiting(engine, instance), SecretBytes(os.urandom(32))
    bring(engine, key, material, expires=in_seconds(lab, DAY))
    blob = engine.encrypt(key, b"page").blob
    version = described(engine, key)["primary_version"]
    other = SecretBytes(os.urandom(32))
    assert refused(lambda: bring(engine, key, other)).code == "InvalidKeyMaterial"
    if lost == "deleted":
        engine.execute(DeleteKeyMaterial(key=key))
    else:
        lab.clock.move(DAY)
        assert engine.tick().expired == (key,)
    assert refused(lambda: bring(engine, key, other)).code == "InvalidKeyMaterial"
    assert described(engine, key)["state"] == "PendingImport"
    bring(engine, key, material)
    assert described(engine, key)["primary_version"] == version
    assert engine.decrypt(blob).plaintext == b"page"


def test_uses_are_counted_on_when_material_comes_again(engine: Engine, instance: str) -> None:
    key, material = waiting(engine, instance), SecretBytes(os.urandom(32))

    def uses() -> int:
        with engine._core.store.read() as db:
            number: int = db.execute("SELECT uses FROM key_version WHERE key_id = ?", (key,)).fetchone()[0]
            return number

    bring(engine, key, material)
    engine.encrypt(key, b"x")
    before = uses()
    engine.execute(DeleteKeyMaterial(key=key))
    assert described(engine, key)["encryptions"] == before
    bring(engine, key, material)
    assert uses() == described(engine, key)["encryptions"] == before > 0


def test_importing_again_while_enabled_sets_another_expiry_date(lab: Lab, engine: Engine, instance: str) -> None:
    key, material = waiting(engine, instance), SecretBytes(os.urandom(32))
    bring(engine, key, material, expires=in_seconds(lab, DAY))
    assert described(engine, key)["material_expires"] == "2026-01-02T00:00:00Z"
    bring(engine, key, material, expires=in_seconds(lab, 2 * DAY))
    lab.clock.move(DAY)
    assert engine.tick().expired == ()
    bring(engine, key, material)
    assert described(engine, key)["material_expires"] is None
    lab.clock.move(400 * DAY)
    assert engine.tick().expired == ()
    assert engine.decrypt(engine.encrypt(key, b"x").blob).plaintext == b"x"


@pytest.mark.parametrize("seconds", [-1, 1, 253_402_300_800, 10**30])
def test_an_expiry_date_that_has_passed_or_is_none_is_refused(engine: Engine, instance: str, seconds: int) -> None:
    key = waiting(engine, instance)
    error = refused(lambda: bring(engine, key, SecretBytes(bytes(32)), expires=seconds))
    assert (error.code, "KeyMaterialExpireUnix" in error.message) == ("InvalidParameter", True)


def test_the_present_second_has_passed(lab: Lab, engine: Engine, instance: str) -> None:
    key = waiting(engine, instance)
    now = in_seconds(lab, timedelta())
    assert refused(lambda: bring(engine, key, SecretBytes(bytes(32)), expires=now)).code == "InvalidParameter"
    bring(engine, key, SecretBytes(bytes(32)), expires=now + 1)


def test_expired_material_is_not_used_even_before_the_schedule_runs(lab: Lab, engine: Engine, instance: str) -> None:
    key = waiting(engine, instance)
    bring(engine, key, SecretBytes(bytes(32)), expires=in_seconds(lab, MINUTE))
    blob = engine.encrypt(key, b"x").blob
    lab.clock.move(MINUTE)
    assert refused(lambda: engine.encrypt(key, b"x")).code == "Rejected.PendingImport"
    assert refused(lambda: engine.decrypt(blob)).code == "Rejected.PendingImport"


def test_a_disabled_key_keeps_its_state_when_material_is_imported(engine: Engine, instance: str) -> None:
    key, material = waiting(engine, instance), SecretBytes(os.urandom(32))
    bring(engine, key, material)
    engine.execute(DisableKey(key=key))
    bring(engine, key, material)
    assert described(engine, key)["state"] == "Disabled"
    engine.execute(DeleteKeyMaterial(key=key))
    assert described(engine, key)["state"] == "PendingImport"


def test_a_key_that_waits_for_its_deletion_loses_material_and_takes_none(
    lab: Lab, engine: Engine, instance: str
) -> None:
    key, material = waiting(engine, instance), SecretBytes(os.urandom(32))
    bring(engine, key, material, expires=in_seconds(lab, DAY))
    parameters = engine.parameters_for_import(key, OAEP, RSA)
    engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    date = described(engine, key)["delete_date"]
    error = refused(lambda: bring(engine, key, material, parameters=parameters))
    assert error.code == "Rejected.StateModifiedFailed"
    lab.clock.move(DAY)
    assert engine.tick().expired == (key,)
    row = described(engine, key)
    assert (row["state"], row["delete_date"], row["primary_version"]) == ("PendingDeletion", date, None)
    engine.execute(DeleteKeyMaterial(key=key))
    engine.execute(CancelKeyDeletion(key=key))
    assert described(engine, key)["state"] == "PendingImport"
    bring(engine, key, material)
    assert described(engine, key)["state"] == "Enabled"


def test_deleting_material_that_is_not_there_does_nothing(engine: Engine, instance: str) -> None:
    key = waiting(engine, instance)
    for _ in range(2):
        engine.execute(DeleteKeyMaterial(key=key))
        assert described(engine, key)["state"] == "PendingImport"


def test_deleted_material_is_not_in_the_database_any_more(lab: Lab, engine: Engine, instance: str) -> None:
    key = waiting(engine, instance)
    bring(engine, key, SecretBytes(bytes(32)))
    engine.delete_material(key)
    with engine._core.store.read() as db:
        assert db.execute("SELECT count(*) FROM material").fetchone()[0] == 0
    assert refused(lambda: engine.encrypt(key, b"x")).code == "Rejected.PendingImport"
    assert lab.database.exists()


def test_an_imported_key_is_deleted_with_or_without_material(lab: Lab, engine: Engine, instance: str) -> None:
    full, empty = waiting(engine, instance), waiting(engine, instance)
    for key in (full, empty):
        bring(engine, key, SecretBytes(bytes(32)))
        engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    engine.execute(DeleteKeyMaterial(key=empty))
    lab.clock.move(7 * DAY)
    assert set(engine.tick().deleted) == {full, empty}
    assert engine.describe().instances[0]["versions"] == 0


def test_the_first_import_needs_room_and_a_later_one_none(engine: Engine) -> None:
    small = new_instance(engine, key_quota=100)
    key, late, material = waiting(engine, small), waiting(engine, small), SecretBytes(os.urandom(32))
    bring(engine, key, material)
    with engine._core.store.read() as db:
        assert db.execute("SELECT versions FROM instance WHERE instance_id = ?", (small,)).fetchone()[0] == 1
    for _ in range(99):
        new_key(engine, small)
    assert refused(lambda: bring(engine, late, SecretBytes(os.urandom(32)))).code == "Rejected.LimitExceeded"
    engine.execute(DeleteKeyMaterial(key=key))
    bring(engine, key, material)
    assert described(engine, key)["state"] == "Enabled"


def test_a_sealed_engine_imports_nothing(engine: Engine, instance: str) -> None:
    key = waiting(engine, instance)
    parameters = engine.parameters_for_import(key, OAEP, RSA)
    engine.seal()
    assert refused(lambda: engine.parameters_for_import(key, OAEP, RSA)).code == "Rejected.Sealed"
    error = refused(lambda: bring(engine, key, SecretBytes(bytes(32)), parameters=parameters))
    assert error.code == "Rejected.Sealed"


def test_an_alias_is_not_taken_and_an_unknown_key_not_found(engine: Engine) -> None:
    assert refused(lambda: engine.parameters_for_import("alias/x", OAEP, RSA)).code == "Unsupported.Alias"
    assert refused(lambda: engine.parameters_for_import("key-nobody", OAEP, RSA)).code == "Forbidden.KeyNotFound"


def test_the_engine_looks_for_no_material_itself(engine: Engine, instance: str) -> None:
    key = waiting(engine, instance)
    operation = ImportKeyMaterial(key=key, spec="Aliyun_AES_256", material={"file": "/etc/hostname"})
    assert refused(lambda: engine.execute(operation)).code == "UnsupportedOperation"


def test_another_account_imports_only_where_the_policy_lets_it(engine: Engine, instance: str) -> None:
    key = waiting(engine, instance)
    stranger = engine.acting(Caller(actor="stranger", account="1111111111111111", user="user/eve"))
    assert refused(lambda: stranger.parameters_for_import(key, OAEP, RSA)).code == "Forbidden.KeyNotFound"
    by_arn = f"acs:kms:{engine.region}:{engine.account}:key/{key}"
    assert refused(lambda: stranger.parameters_for_import(by_arn, OAEP, RSA)).code == "Forbidden.NoPermission"


def test_the_audit_trail_tells_of_every_step_and_holds_no_material(lab: Lab, engine: Engine, instance: str) -> None:
    key, material = waiting(engine, instance), SecretBytes(os.urandom(32))
    parameters = engine.parameters_for_import(key, OAEP, RSA)
    wrapped = wrapping.wrap(OAEP, parameters.public_key, material)
    engine.import_material(key, wrapped, parameters.token, in_seconds(lab, DAY))
    refused(lambda: engine.import_material(key, b"x" * 256, parameters.token))
    lab.clock.move(DAY)
    engine.tick()
    entries = [entry for entry in engine.audit_entries() if entry["resource"] == key]
    told = [(entry["action"], entry["result"]) for entry in entries]
    assert told[1:] == [
        ("GetParametersForImport", "OK"),
        ("ImportKeyMaterial", "OK"),
        ("ImportKeyMaterial", "InvalidKeyMaterial"),
        ("ExpireKeyMaterial", "OK"),
    ]
    text = repr(entries)
    for secret in (material.reveal(), wrapped, parameters.token):
        assert secret.hex() not in text
        assert repr(secret)[2:-1] not in text


def test_one_message_for_every_way_in_which_material_is_wrong(engine: Engine, instance: str) -> None:
    key = waiting(engine, instance)
    parameters = engine.parameters_for_import(key, OAEP, RSA)
    good = wrapping.wrap(OAEP, parameters.public_key, SecretBytes(bytes(32)))
    short = wrapping.wrap(OAEP, parameters.public_key, SecretBytes(bytes(31)))
    bad = (b"", b"x", good[:-1], good + b"x", bytes(256), short, bytes(100_000))

    def message(wrapped: bytes) -> str:
        return refused(lambda: engine.import_material(key, wrapped, parameters.token)).message

    assert {message(wrapped) for wrapped in bad} == {f"The key material is not valid: {InvalidMaterialError()}."}
