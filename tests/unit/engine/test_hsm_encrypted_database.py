"""Hardware keys that the keystore keeps, wrapped inside a real token: made, used, rotated, imported, lost."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from kmsplan.cli.failure import UserError
from kmsplan.engine.hsm import message
from kmsplan.kms.error import KmsError
from kmsplan.kms.lifecycle import LIFECYCLE, KeyState
from kmsplan.kms.operation import (
    CancelKeyDeletion,
    CreateInstance,
    CreateKeyVersion,
    DeleteKeyMaterial,
    DisableKey,
    EnableKey,
    ReleaseKmsInstance,
    ScheduleKeyDeletion,
    UpdateRotationPolicy,
)
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import KeySpec
from tests.byok import RSA, bring, refused, waiting
from tests.engines import DAY, Lab, described, new_instance, new_key
from tests.softhsm import LABEL, MODULE, SoftHsm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kmsplan.engine.protection.pkcs11 import Pkcs11Protection
    from kmsplan.engine.service import Engine

pytestmark = pytest.mark.hsm
WRAPPED: dict[str, Any] = {"storage_mechanism": "HsmEncryptedDatabase"}
QUARTER = 90 * 86_400
_DIGEST = bytes(32)
_OAEP = "RSAES_OAEP_SHA_1"
_KEK = message.KEK
_SECOND_KEK = f"""
from kmsplan.engine.hsm import mechanism
mechanism.generate_wrapping_secret(session, {_KEK!r})
"""
_KEKS = f"""
found = list(session.get_objects({{Attribute.LABEL: {_KEK.decode()!r}}}))
told = (Attribute.EXTRACTABLE, Attribute.SENSITIVE, Attribute.ENCRYPT)
print(len(found), *(key[kind] for key in found for kind in told))
"""


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsm]:
    with pytest.MonkeyPatch.context() as patch:
        yield SoftHsm.create(tmp_path_factory.mktemp("token"), patch)


@pytest.fixture(scope="module")
def protection(token: SoftHsm) -> Pkcs11Protection:
    """The way to the token; an engine that is closed ends its worker, and the next one starts another."""
    return token.protection()


@pytest.fixture
def engine(lab: Lab, protection: Pkcs11Protection) -> Engine:
    return lab.open(hardware=lambda *_: protection)


@pytest.fixture
def vault(engine: Engine) -> str:
    return _vault(engine)


def _vault(engine: Engine) -> str:
    hsm = {"module": MODULE, "token": LABEL}
    made = engine.execute(CreateInstance(type="hardware", spec=1000, key_quota=1000, hsm=hsm))
    assert made is not None
    return made


def _in_token(protection: Pkcs11Protection) -> int:
    """Return how many keys the token holds, what serves it not counted."""
    report = protection.probe()
    assert report.strays == ()
    return report.keys


def _rows(engine: Engine, sql: str) -> list[Any]:
    with engine._core.store.read() as db:
        return list(db.execute(sql).fetchall())


def _pass(lab: Lab, engine: Engine, time: timedelta) -> Any:
    lab.clock.move(time)
    return engine.tick()


def _uses(engine: Engine, vault: str) -> dict[str, tuple[str, Callable[[], object]]]:
    """Return calls that use keys of every family, by action: the key, and the call."""
    symmetric, signing = new_key(engine, vault, **WRAPPED), new_key(engine, vault, KeySpec.EC_P256, **WRAPPED)
    mac = new_key(engine, vault, KeySpec.HMAC_SHA_256, **WRAPPED)
    blob, signature = engine.encrypt(symmetric, b"page").blob, engine.sign(signing, None, None, _DIGEST)
    code = engine.generate_mac(mac, None, b"page")
    return {
        "Encrypt": (symmetric, lambda: engine.encrypt(symmetric, b"page")),
        "Decrypt": (symmetric, lambda: engine.decrypt(blob).plaintext == b"page"),
        "GenerateDataKey": (symmetric, lambda: engine.generate_data_key(symmetric, 32)),
        "AsymmetricSign": (signing, lambda: engine.sign(signing, None, None, _DIGEST)),
        "AsymmetricVerify": (signing, lambda: engine.verify(signing, None, None, _DIGEST, signature)),
        "GetPublicKey": (signing, lambda: engine.public_key(signing)),
        "GenerateMac": (mac, lambda: engine.generate_mac(mac, None, b"page")),
        "VerifyMac": (mac, lambda: engine.verify_mac(mac, None, b"page", code)),
    }


def test_every_family_works_and_the_token_holds_no_object_of_any_key(
    engine: Engine, vault: str, protection: Pkcs11Protection
) -> None:
    before = _in_token(protection)
    assert {action for action, (_, use) in _uses(engine, vault).items() if not use()} == set()
    rsa = new_key(engine, vault, KeySpec.RSA_2048, usage="ENCRYPT/DECRYPT", **WRAPPED)
    sealed = engine.asymmetric_encrypt(rsa, None, _OAEP, b"secret")
    assert engine.asymmetric_decrypt(rsa, None, _OAEP, sealed) == b"secret"
    assert _in_token(protection) == before
    rows = _rows(
        engine, "SELECT v.status, length(v.reference), v.node FROM material JOIN key_version AS v ON v.id = version"
    )
    assert rows == [("ready", 0, None)] * 4
    row = described(engine, rsa, check_material=True)
    assert (row["storage_mechanism"], row["protection_level"], row["state"]) == (
        "HsmEncryptedDatabase",
        "HSM",
        "Enabled",
    )
    view = engine.describe_key(rsa)
    assert (view.storage_mechanism, view.protection_level) == ("HsmEncryptedDatabase", "HSM")


def test_nothing_is_begun_before_the_key_is_there(engine: Engine, vault: str) -> None:
    key = new_key(engine, vault, **WRAPPED)
    assert [entry["result"] for entry in engine.audit_entries() if entry["resource"] == key] == ["OK"]


def test_both_mechanisms_live_in_one_instance(engine: Engine, vault: str, protection: Pkcs11Protection) -> None:
    before = _in_token(protection)
    inside, kept = new_key(engine, vault), new_key(engine, vault, **WRAPPED)
    assert described(engine, inside)["storage_mechanism"] == "HsmInternal"
    for key in (inside, kept):
        assert engine.decrypt(engine.encrypt(key, b"page").blob).plaintext == b"page"
    assert _in_token(protection) == before + 1
    engine.execute(ReleaseKmsInstance(instance=vault, force=True))
    assert _in_token(protection) == before
    assert engine.describe().keys == []


def test_what_wraps_is_made_once_for_the_token_and_never_leaves(lab: Lab, engine: Engine, token: SoftHsm) -> None:
    for vault in (_vault(engine), _vault(engine)):
        new_key(engine, vault, **WRAPPED)
    engine.close()
    again = lab.open(hardware=lambda *_: token.protection())
    new_key(again, _vault(again), **WRAPPED)
    assert token.behind_our_back(_KEKS).split() == ["1", "False", "True", "False"]


@pytest.mark.parametrize("state", [KeyState.ENABLED, KeyState.DISABLED, KeyState.PENDING_DELETION])
def test_the_state_table_holds(engine: Engine, vault: str, state: KeyState) -> None:
    uses = _uses(engine, vault)
    for key in sorted({key for key, _ in uses.values()}):
        if state is KeyState.DISABLED:
            engine.execute(DisableKey(key=key))
        if state is KeyState.PENDING_DELETION:
            engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    for action, (_, use) in uses.items():
        code = LIFECYCLE[action, state]
        if code is None:
            assert use(), action
        else:
            assert (action, refused(use).code) == (action, code)


def test_a_disabled_key_is_not_used_from_memory_and_works_when_it_is_enabled_again(engine: Engine, vault: str) -> None:
    key = new_key(engine, vault, **WRAPPED)
    blob = engine.encrypt(key, b"page").blob
    engine.execute(DisableKey(key=key))
    assert refused(lambda: engine.decrypt(blob)).code == "Rejected.Disabled"
    engine.execute(EnableKey(key=key))
    assert engine.decrypt(blob).plaintext == b"page"


def test_encryptions_are_counted_against_the_limit_of_gcm(engine: Engine, vault: str) -> None:
    key = new_key(engine, vault, **WRAPPED)
    engine.encrypt(key, b"page")
    assert _rows(engine, "SELECT uses FROM key_version") == [(1,)]


def test_it_rotates_by_itself_and_old_ciphertexts_still_open(
    lab: Lab, engine: Engine, vault: str, protection: Pkcs11Protection
) -> None:
    before = _in_token(protection)
    key = new_key(engine, vault, rotation=QUARTER, **WRAPPED)
    old = engine.encrypt(key, b"page")
    assert _pass(lab, engine, 90 * DAY).rotated == (key,)
    new = engine.encrypt(key, b"page")
    assert new.version_id != old.version_id
    assert [engine.decrypt(blob).plaintext for blob in (old.blob, new.blob)] == [b"page"] * 2
    assert engine.list_versions(key).total == 2
    assert _in_token(protection) == before


def test_only_what_the_table_allows_rotates(engine: Engine, vault: str) -> None:
    inside, pair = new_key(engine, vault), new_key(engine, vault, KeySpec.EC_P256, **WRAPPED)
    kept = new_key(engine, vault, **WRAPPED)
    for key in (inside, pair):
        error = refused(lambda key=key: engine.execute(UpdateRotationPolicy(key=key, rotation=QUARTER)))
        assert error.code == "UnsupportedOperation"
    engine.execute(UpdateRotationPolicy(key=kept, rotation=QUARTER))
    assert described(engine, kept)["rotation"] == QUARTER


def test_a_key_pair_takes_a_version_more(lab: Lab, engine: Engine, vault: str) -> None:
    key = new_key(engine, vault, KeySpec.EC_P256, **WRAPPED)
    first = described(engine, key)["primary_version"]
    lab.clock.move(7 * DAY)
    second = engine.execute(CreateKeyVersion(key=key))
    for version in (first, second):
        signature = engine.sign(key, version, None, _DIGEST)
        assert engine.verify(key, version, None, _DIGEST, signature)


def test_it_opens_after_every_key_above_it_was_renewed(lab: Lab, engine: Engine, vault: str) -> None:
    key = new_key(engine, vault, **WRAPPED)
    blob = engine.encrypt(key, b"page").blob
    assert lab.seal is not None
    engine.keeping.rotate_root()
    engine.keeping.rotate_keyring()
    engine.seal()
    assert refused(lambda: engine.decrypt(blob)).code == "Rejected.Sealed"
    engine.unseal(lab.seal)
    assert engine.decrypt(blob).plaintext == b"page"
    assert _rows(engine, "SELECT term FROM material") == [(2,)]


def test_its_end_needs_no_hsm(lab: Lab, engine: Engine, vault: str, token: SoftHsm) -> None:
    key, kept = new_key(engine, vault, **WRAPPED), new_key(engine, vault, **WRAPPED)
    engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    engine.close()
    token.take_away()
    try:
        again = lab.open(hardware=lambda *_: token.protection())
        ticked = _pass(lab, again, 7 * DAY)
        assert (ticked.deleted, ticked.postponed) == ((key,), {})
        assert _rows(again, "SELECT key_id FROM key_version") == [(kept,)]
        assert _rows(again, "SELECT count(*) FROM material") == [(1,)]
        again.execute(ReleaseKmsInstance(instance=vault, force=True))
        assert again.describe().instances == []
    finally:
        token.put_back()


def test_a_token_whose_pin_nobody_configured_keeps_no_other_key_from_rotating(
    lab: Lab, engine: Engine, vault: str
) -> None:
    key = new_key(engine, vault, rotation=QUARTER, **WRAPPED)
    lab.clock.move(timedelta(seconds=1))
    other = new_key(engine, new_instance(engine), rotation=QUARTER)
    engine.close()

    def no_pin(*_: str) -> NoReturn:
        raise UserError("no PIN is configured", "Declare it.")

    ticked = _pass(lab, lab.open(hardware=no_pin), 91 * DAY)
    assert ticked.rotated == (other,)
    assert ticked.postponed.keys() == {key}
    assert "no PIN is configured" in ticked.postponed[key]


def test_a_token_that_is_away_makes_keys_unreadable_never_absent(
    lab: Lab, engine: Engine, vault: str, token: SoftHsm
) -> None:
    key, rotating = new_key(engine, vault, **WRAPPED), new_key(engine, vault, rotation=QUARTER, **WRAPPED)
    engine.close()
    token.take_away()
    try:
        again = lab.open(hardware=lambda *_: token.protection())
        assert set(again.describe(check_material=True).unreadable) == {key, rotating}
        assert refused(lambda: again.encrypt(key, b"x")).code == "Rejected.Unavailable"
        assert refused(lambda: new_key(again, vault, **WRAPPED)).code == "Rejected.Unavailable"
        assert set(_pass(lab, again, 90 * DAY).postponed) == {rotating}
        assert {row["state"] for row in again.describe().keys} == {"Enabled"}
        again.close()
    finally:
        token.put_back()
    last = lab.open(hardware=lambda *_: token.protection())
    assert last.tick().rotated == (rotating,)
    assert last.describe(check_material=True).unreadable == {}


def test_keys_whose_wrapping_key_is_gone_are_unavailable_and_none_is_made_in_its_place(
    lab: Lab, engine: Engine, vault: str, token: SoftHsm
) -> None:
    key, pending = new_key(engine, vault, **WRAPPED), new_key(engine, vault, **WRAPPED)
    empty, inside = waiting(engine, vault, **WRAPPED), new_key(engine, vault)
    engine.execute(ScheduleKeyDeletion(key=pending, window_days=7))
    engine.close()
    token.destroy(_KEK)

    again = lab.open(hardware=lambda *_: token.protection())
    found = again.describe(check_material=True)
    assert found.unreadable == {}
    assert {row["key_id"]: row["state"] for row in found.keys} == {
        key: "Unavailable",
        pending: "PendingDeletion",
        empty: "PendingImport",
        inside: "Enabled",
    }
    assert "wraps its material" in described(again, key, check_material=True)["detail"]
    for use in (lambda: again.encrypt(key, b"x"), lambda: new_key(again, vault, **WRAPPED)):
        error = refused(use)
        assert (error.code, "'kmsplan-kek-0001'" in error.message) == ("Rejected.Unavailable", True)
    assert token.behind_our_back(_KEKS).split() == ["0"]

    again.execute(ScheduleKeyDeletion(key=key, window_days=7))
    assert set(_pass(lab, again, 7 * DAY).deleted) == {key, pending}
    fresh = new_key(again, vault, **WRAPPED)
    assert again.decrypt(again.encrypt(fresh, b"page").blob).plaintext == b"page"


def test_a_wrapping_key_destroyed_under_a_running_worker_is_told_from_a_token_that_cannot(
    engine: Engine, vault: str, token: SoftHsm
) -> None:
    new_key(engine, vault, **WRAPPED)
    token.destroy(_KEK)
    assert refused(lambda: new_key(engine, vault, **WRAPPED)).code == "Rejected.Unavailable"


def test_two_wrapping_keys_made_at_one_time_both_open_what_they_wrapped(
    lab: Lab, engine: Engine, vault: str, token: SoftHsm
) -> None:
    first = new_key(engine, vault, **WRAPPED)
    blob = engine.encrypt(first, b"page").blob
    token.behind_our_back(_SECOND_KEK)
    other = lab.open(hardware=lambda *_: token.protection())
    keys = [new_key(other, vault, **WRAPPED) for _ in range(3)]
    blobs = [blob, *(other.encrypt(key, b"page").blob for key in keys)]
    for process in (engine, other):
        assert [process.decrypt(one).plaintext for one in blobs] == [b"page"] * 4


def test_imported_material_is_unwrapped_inside_and_kept_here(
    lab: Lab, engine: Engine, vault: str, protection: Pkcs11Protection
) -> None:
    before = _in_token(protection)
    key, material = waiting(engine, vault, **WRAPPED), SecretBytes(os.urandom(32))
    bring(engine, key, material, algorithm=_OAEP)
    blob, version = engine.encrypt(key, b"page").blob, described(engine, key)["primary_version"]
    ((wrapped,),) = _rows(engine, "SELECT wrapped FROM material")
    assert material.reveal() not in wrapped
    bring(engine, key, material, algorithm=_OAEP)
    other = SecretBytes(os.urandom(32))
    assert refused(lambda: bring(engine, key, other, algorithm=_OAEP)).code == "InvalidKeyMaterial"

    engine.execute(DeleteKeyMaterial(key=key))
    assert described(engine, key, check_material=True)["state"] == "PendingImport"
    assert _rows(engine, "SELECT count(*) FROM material") == [(0,)]
    assert refused(lambda: engine.decrypt(blob)).code == "Rejected.PendingImport"
    bring(engine, key, material, algorithm=_OAEP)
    assert described(engine, key)["primary_version"] == version
    assert engine.decrypt(blob).plaintext == b"page"
    _pass(lab, engine, 2 * DAY)
    assert _in_token(protection) == before


def test_bad_material_leaves_the_key_waiting(engine: Engine, vault: str) -> None:
    key = waiting(engine, vault, **WRAPPED)
    for material in (bytes(31), bytes(16)):
        assert refused(lambda material=material: bring(engine, key, SecretBytes(material), algorithm=_OAEP)).code == (
            "InvalidKeyMaterial"
        )
    assert described(engine, key)["state"] == "PendingImport"
    assert _rows(engine, "SELECT count(*) FROM key_version") == [(0,)]


def test_material_that_arrives_when_what_wraps_is_gone_is_refused(engine: Engine, vault: str, token: SoftHsm) -> None:
    new_key(engine, vault, **WRAPPED)
    key = waiting(engine, vault, **WRAPPED)
    parameters = engine.parameters_for_import(key, _OAEP, RSA)
    token.destroy(_KEK)
    error = refused(lambda: bring(engine, key, SecretBytes(bytes(32)), parameters=parameters, algorithm=_OAEP))
    assert error.code == "Rejected.Unavailable"


def test_a_cancelled_deletion_brings_it_back(engine: Engine, vault: str) -> None:
    key = new_key(engine, vault, **WRAPPED)
    blob = engine.encrypt(key, b"page").blob
    engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    engine.execute(CancelKeyDeletion(key=key))
    assert engine.decrypt(blob).plaintext == b"page"


def test_the_quota_counts_it(engine: Engine) -> None:
    hsm = {"module": MODULE, "token": LABEL}
    vault = engine.execute(CreateInstance(type="hardware", spec=1000, key_quota=100, hsm=hsm))
    engine._core.store.write(lambda transaction: transaction.db.execute("UPDATE instance SET versions = 100"))
    with pytest.raises(KmsError) as caught:
        new_key(engine, str(vault), **WRAPPED)
    assert caught.value.code == "Rejected.LimitExceeded"
