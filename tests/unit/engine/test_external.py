"""External instances and their keys, in an engine, over a key manager that is written from the specification."""

from __future__ import annotations

import base64
import os
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.engine.access.role import Role
from kmsplan.engine.caller import Caller
from kmsplan.engine.protection.external import ExternalProtection
from kmsplan.engine.protection.protocol import InvalidCiphertextError
from kmsplan.engine.xks.address import proxy_address, read_kept
from kmsplan.engine.xks.client import ProxyClient
from kmsplan.engine.xks.signature import Credential
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import (
    CancelKeyDeletion,
    CreateInstance,
    DisableKey,
    EnableKey,
    ModifyInstance,
    ReleaseKmsInstance,
    ScheduleKeyDeletion,
    UpdateRotationPolicy,
)
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import KeySpec
from tests.engines import DAY, Lab, described, new_instance, new_key
from tests.furnished import key_file, restore_to
from tests.xks import KeyManager, ScriptedProxy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kmsplan.engine.keystore.instance import InstanceRow
    from kmsplan.engine.service import Engine


def settings(proxy: ScriptedProxy) -> dict[str, str]:
    return {"url": f"http://127.0.0.1:{proxy.address.port}", "path": "/kms/xks/v1"}


def over_the_api(lab: Lab) -> Callable[[InstanceRow], ExternalProtection]:
    """Return what reaches the key manager of an instance."""

    def external(instance: InstanceRow) -> ExternalProtection:
        credential = Credential(access_key_id="AKIDEXAMPLE234567ABC", secret=SecretBytes(b"s3cr3t-of-the-proxy"))
        address = proxy_address(read_kept(instance.proxy or ""))
        return ExternalProtection(ProxyClient(address, lambda: credential, clock=lab.clock, budget=30.0), os.urandom)

    return external


@pytest.fixture
def engine(lab: Lab) -> Engine:
    return lab.open(external=over_the_api(lab))


@pytest.fixture
def instance(engine: Engine, proxy: ScriptedProxy) -> str:
    return new_instance(engine, "external", proxy=settings(proxy))


@pytest.fixture
def key(engine: Engine, instance: str) -> str:
    return new_key(engine, instance, external_key_id="theirs")


def test_an_external_instance_says_where_its_proxy_is(engine: Engine, instance: str, proxy: ScriptedProxy) -> None:
    (row,) = engine.describe([instance]).instances
    assert (row["type"], row["proxy"]) == ("external", settings(proxy))


def test_an_external_instance_is_made_only_where_a_key_manager_serves(
    engine: Engine, manager: KeyManager, proxy: ScriptedProxy
) -> None:
    manager.health = "UNAVAILABLE"
    with pytest.raises(KmsError, match=r"no key manager behind it.*Rejected\.Unavailable"):
        new_instance(engine, "external", proxy=settings(proxy))
    proxy.close()
    with pytest.raises(KmsError, match=r"cannot be reached.*Rejected\.Unavailable"):
        new_instance(engine, "external", proxy=settings(proxy))
    assert engine.describe().instances == []


@pytest.mark.parametrize(
    ("kind", "proxy", "words"),
    [
        ("external", None, "needs the URL of a proxy"),
        ("software", {"url": "https://x", "path": "/kms/xks/v1"}, "no other instance has one"),
        ("external", {"url": "https://x"}, "it has url and path"),
        ("external", {"url": "https://x", "path": "/kms/xks/v1", "secret": "s"}, "nothing else"),
        ("external", {"url": "http://x.example", "path": "/kms/xks/v1"}, "use https"),
        ("external", {"url": "https://x", "path": "/"}, "ends in /kms/xks/v1"),
        ("external", {"url": "https://x", "path": "/kms/xks/v1", "fingerprint": "ab"}, "SHA-256"),
        ("external", {"url": 1, "path": "/kms/xks/v1"}, "non-empty text"),
    ],
)
def test_a_proxy_that_cannot_be_is_refused(engine: Engine, kind: str, proxy: Any, words: str) -> None:
    with pytest.raises(KmsError, match=words) as caught:
        engine.execute(CreateInstance(type=kind, spec=1000, key_quota=1000, proxy=proxy))
    assert caught.value.code == "InvalidParameter"


def test_a_key_stands_for_one_of_the_key_manager(engine: Engine, key: str, manager: KeyManager) -> None:
    row = described(engine, key)
    assert (row["external_key_id"], row["state"], row["spec"]) == ("theirs", "Enabled", "Aliyun_AES_256")
    paths = [path for path, _ in manager.calls]
    assert paths == ["/health", "/keys/theirs/metadata", "/keys/theirs/encrypt", "/keys/theirs/decrypt"]
    assert {sent["requestMetadata"]["kmsOperation"] for _, sent in manager.calls[1:]} == {"CreateKey"}


def test_what_was_encrypted_is_decrypted_under_the_same_context_alone(engine: Engine, key: str) -> None:
    made = engine.encrypt(key, b"hello", {"a": "b"})
    assert engine.decrypt(made.blob, {"a": "b"}).plaintext == b"hello"
    with pytest.raises(InvalidCiphertextError):
        engine.decrypt(made.blob, {"a": "c"})


def test_each_byte_of_a_ciphertext_counts(engine: Engine, key: str) -> None:
    blob = engine.encrypt(key, b"hello").blob
    for at in range(36, len(blob)):
        with pytest.raises(InvalidCiphertextError):
            engine.decrypt(blob[:at] + bytes((blob[at] ^ 1,)) + blob[at + 1 :])


def test_data_keys_are_made_with_it(engine: Engine, key: str) -> None:
    made = engine.generate_data_key(key, 32, {"a": "b"})
    assert engine.decrypt(made.blob, {"a": "b"}).plaintext


def test_a_cloud_service_encrypts_data_keys_with_it(engine: Engine, key: str) -> None:
    access_key = engine.access_key(engine.access.create(role=Role.SERVICE, user="role/oss").access_key_id)
    assert access_key is not None
    service = engine.acting(access_key.caller("127.0.0.1:4711"))
    made = service.generate_data_key(key, 32)
    assert base64.b64decode(service.decrypt(made.blob).plaintext) == made.plaintext


def test_it_neither_signs_nor_makes_codes(engine: Engine, key: str) -> None:
    for use in (
        lambda: engine.sign(key, None, None, bytes(32)),
        lambda: engine.public_key(key),
        lambda: engine.generate_mac(key, None, b"x"),
    ):
        with pytest.raises(KmsError, match="does not go with") as caught:
            use()
        assert caught.value.code.endswith("UnsupportedOperation")


def test_it_is_backed_up_without_its_material(
    engine: Engine, lab: Lab, key: str, proxy: ScriptedProxy, tmp_path: Path
) -> None:
    blob, lock = engine.encrypt(key, b"hello").blob, key_file(tmp_path)
    engine.keeping.backup(tmp_path / "b", lock)
    there = Lab(tmp_path / "there", clock=lab.clock)
    restore_to(there, tmp_path / "b", lock)
    again = there.open(external=over_the_api(lab))
    assert again.decrypt(blob).plaintext == b"hello"
    proxy.close()
    with pytest.raises(KmsError, match="cannot be reached"):
        again.decrypt(blob)
    there.close()


def test_the_key_manager_learns_for_whom_and_for_which_request(engine: Engine, key: str, manager: KeyManager) -> None:
    engine.acting(Caller(actor="alice", user="user/alice", request_id="r-1")).encrypt(key, b"hello")
    assert manager.calls[-1][1]["requestMetadata"] == {
        "awsPrincipalArn": f"acs:ram::{engine.account}:user/alice",
        "kmsKeyArn": f"acs:kms:{engine.region}:{engine.account}:key/{key}",
        "kmsOperation": "Encrypt",
        "kmsRequestId": "r-1",
    }
    assert list(engine.audit_entries())[-1]["request_id"] == "r-1"


def test_the_key_manager_learns_of_each_key_that_a_request_uses(
    engine: Engine, instance: str, key: str, manager: KeyManager
) -> None:
    manager.keys["next"] = manager.keys["theirs"]
    successor = new_key(engine, instance, external_key_id="next")
    blob = engine.encrypt(key, b"hello").blob
    begun = len(manager.calls)
    engine.begin.re_encrypt(blob, successor).wait()
    told = [(path, fields["requestMetadata"]["kmsKeyArn"].rpartition("/")[2]) for path, fields in manager.calls[begun:]]
    assert told == [
        ("/keys/theirs/decrypt", key),
        ("/keys/next/encrypt", successor),
    ]


@pytest.mark.usefixtures("instance")
def test_a_health_check_is_about_no_key(manager: KeyManager) -> None:
    path, fields = manager.calls[-1]
    assert path == "/health"
    assert fields["requestMetadata"].keys() == {"kmsOperation", "kmsRequestId"}


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"external_key_id": None}, "InvalidParameter", "needs it"),
        ({"external_key_id": "a/b"}, "InvalidParameter", "128 letters"),
        ({"external_key_id": ".."}, "InvalidParameter", "128 letters"),
        ({"external_key_id": "nobodys"}, "Rejected.Unavailable", "does not know the key"),
        ({"origin": "EXTERNAL"}, "Unsupported.Origin", "imported"),
        ({"rotation": 30 * 86400}, "UnsupportedOperation", "never rotate"),
        ({"spec": KeySpec.SM4}, "UnsupportedOperation", "only Aliyun_AES_256"),
        ({"spec": KeySpec.RSA_2048}, "UnsupportedOperation", "only Aliyun_AES_256"),
        ({"storage_mechanism": "HsmInternal"}, "InvalidParameter", "hardware"),
    ],
)
def test_keys_that_cannot_be_are_refused(
    engine: Engine, instance: str, change: dict[str, Any], code: str, words: str
) -> None:
    with pytest.raises(KmsError, match=words) as caught:
        new_key(engine, instance, **{"external_key_id": "theirs", **change})
    assert caught.value.code == code
    assert engine.describe().keys == []


def test_a_key_elsewhere_stands_for_no_other(engine: Engine) -> None:
    with pytest.raises(KmsError, match="no other key has it"):
        new_key(engine, new_instance(engine), external_key_id="theirs")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"spec": "AES_128"}, "UnsupportedOperation"),
        ({"usages": ["DECRYPT"]}, "UnsupportedOperation"),
        ({"status": "DISABLED"}, "UnsupportedOperation"),
        ({"error": "AccessDeniedException"}, "Forbidden.NoPermission"),
        ({"error": "ThrottlingException"}, "Rejected.Throttling"),
        ({"error": "InternalException"}, "Rejected.Unavailable"),
    ],
)
def test_a_key_that_the_key_manager_does_not_lend_is_not_made(
    engine: Engine, instance: str, manager: KeyManager, change: dict[str, Any], code: str
) -> None:
    for name, value in change.items():
        setattr(manager, name, value)
    with pytest.raises(KmsError) as caught:
        new_key(engine, instance, external_key_id="theirs")
    assert caught.value.code == code
    assert engine.describe().keys == []


def test_two_keys_never_stand_for_one(engine: Engine, instance: str, key: str) -> None:
    with pytest.raises(KmsError, match=f"{key} stands for 'theirs' already"):
        new_key(engine, instance, external_key_id="theirs")
    engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    with pytest.raises(KmsError, match="already"):
        new_key(engine, instance, external_key_id="theirs")
    assert new_key(engine, instance, external_key_id="other")


def test_two_instances_may_stand_for_one_key_manager(engine: Engine, key: str, proxy: ScriptedProxy) -> None:
    second = new_key(engine, new_instance(engine, "external", proxy=settings(proxy)), external_key_id="theirs")
    blob = engine.encrypt(key, b"hello").blob
    stolen = engine.encrypt(second, b"").blob[:36] + blob[36:]
    with pytest.raises(InvalidCiphertextError):
        engine.decrypt(stolen)


def test_a_deleted_key_is_gone_here_and_stays_there(engine: Engine, lab: Lab, instance: str, key: str) -> None:
    engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    engine.execute(CancelKeyDeletion(key=key))
    engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    lab.clock.move(8 * DAY)
    assert engine.tick().deleted == (key,)
    assert new_key(engine, instance, external_key_id="theirs")


def test_a_disabled_key_is_refused_here_and_the_key_manager_is_not_asked(
    engine: Engine, key: str, manager: KeyManager
) -> None:
    engine.execute(DisableKey(key=key))
    asked = len(manager.calls)
    with pytest.raises(KmsError, match=r"Rejected\.Disabled"):
        engine.encrypt(key, b"")
    assert len(manager.calls) == asked
    engine.execute(EnableKey(key=key))
    engine.encrypt(key, b"")


def test_an_external_key_cannot_be_made_to_rotate(engine: Engine, key: str) -> None:
    with pytest.raises(KmsError, match="never rotate"):
        engine.execute(UpdateRotationPolicy(key=key, rotation=30 * 86400))


def test_a_proxy_that_is_gone_makes_uses_unavailable_and_they_are_audited(
    engine: Engine, key: str, proxy: ScriptedProxy
) -> None:
    proxy.close()
    with pytest.raises(KmsError, match="cannot be reached") as caught:
        engine.encrypt(key, b"hello")
    assert caught.value.code == "Rejected.Unavailable"
    assert list(engine.audit_entries())[-1]["result"] == "ProtectionUnavailable"


def test_a_proxy_that_is_gone_leaves_keys_unreadable_and_never_absent(
    engine: Engine, instance: str, key: str, proxy: ScriptedProxy
) -> None:
    proxy.close()
    seen = engine.describe(check_material=True)
    assert [row["instance_id"] for row in seen.instances] == [instance]
    assert "cannot be reached" in seen.unreadable[key]


@pytest.mark.parametrize("change", ["forgotten", "disabled"])
def test_a_key_that_the_key_manager_lost_or_disabled_is_unavailable(
    engine: Engine, key: str, manager: KeyManager, change: str
) -> None:
    if change == "forgotten":
        manager.keys.pop("theirs")
    else:
        manager.status = "DISABLED"
    row = described(engine, key, check_material=True)
    assert row["state"] == "Unavailable"
    assert "Bring it back there" in row["detail"]
    engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    assert described(engine, key, check_material=True)["state"] == "PendingDeletion"


def test_a_proxy_can_move_and_keys_go_with_it(
    engine: Engine, instance: str, key: str, manager: KeyManager, proxy: ScriptedProxy
) -> None:
    blob = engine.encrypt(key, b"hello").blob
    elsewhere = ScriptedProxy(scripts=[manager])
    proxy.close()
    engine.execute(ModifyInstance(instance=instance, proxy=settings(elsewhere)))
    (row,) = engine.describe([instance]).instances
    assert row["proxy"] == settings(elsewhere)
    assert engine.decrypt(blob).plaintext == b"hello"
    elsewhere.close()


def test_a_proxy_moves_only_to_where_one_is(engine: Engine, instance: str, proxy: ScriptedProxy) -> None:
    gone = ScriptedProxy()
    gone.close()
    with pytest.raises(KmsError, match=r"Rejected\.Unavailable"):
        engine.execute(ModifyInstance(instance=instance, proxy={**settings(proxy), "url": "http://127.0.0.1:1"}))
    (row,) = engine.describe([instance]).instances
    assert row["proxy"] == settings(proxy)


def test_other_instances_have_no_proxy_to_move(engine: Engine, proxy: ScriptedProxy) -> None:
    with pytest.raises(KmsError, match="no other instance has one"):
        engine.execute(ModifyInstance(instance=new_instance(engine), proxy=settings(proxy)))


def test_resizing_leaves_the_proxy_alone_and_does_not_ask_it(
    engine: Engine, instance: str, manager: KeyManager, proxy: ScriptedProxy
) -> None:
    asked = len(manager.calls)
    engine.execute(ModifyInstance(instance=instance, key_quota=2000))
    (row,) = engine.describe([instance]).instances
    assert (row["key_quota"], row["proxy"], len(manager.calls)) == (2000, settings(proxy), asked)


def test_an_instance_is_released_once_it_is_empty(engine: Engine, lab: Lab, instance: str, key: str) -> None:
    with pytest.raises(KmsError, match=r"InstanceNotEmpty"):
        engine.execute(ReleaseKmsInstance(instance=instance))
    engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    lab.clock.move(8 * DAY)
    engine.tick()
    engine.execute(ReleaseKmsInstance(instance=instance))


def test_no_secret_is_in_the_keystore_or_the_trail(engine: Engine, lab: Lab, key: str) -> None:
    engine.encrypt(key, b"hello")
    assert b"s3cr3t" not in b"".join(path.read_bytes() for path in lab.folder.iterdir() if path.is_file())
    assert "AKIDEXAMPLE234567ABC" not in str(list(engine.audit_entries()))


def test_uses_are_not_counted_here_because_the_key_manager_counts_them(engine: Engine, lab: Lab, key: str) -> None:
    import sqlite3  # noqa: PLC0415 - the count is the keystore's own affair

    for _ in range(3):
        engine.encrypt(key, b"")
    engine.close()
    with closing(sqlite3.connect(lab.database)) as db, db:
        assert db.execute("SELECT uses FROM key_version WHERE key_id = ?", (key,)).fetchall() == [(0,)]
    db.close()
