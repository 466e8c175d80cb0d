from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.engine.access.lookup import require_active
from kmsplan.engine.access.role import Role
from kmsplan.engine.caller import Caller
from kmsplan.engine.error import MaterialCorruptError
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import DisableKey
from tests.engines import new_instance, new_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.access.known import AccessKey
    from kmsplan.engine.service import Engine
    from tests.engines import Lab


def made(engine: Engine, role: Role = Role.USER, **options: Any) -> AccessKey:
    return engine.access.create(role=role, **options)


def status(engine: Engine, key: AccessKey) -> tuple[bool | None, str]:
    """What a request finds, and what the list shows."""
    found = engine.access_key(key.access_key_id)
    (shown,) = [view.status for view in engine.access_keys() if view.access_key_id == key.access_key_id]
    return None if found is None else found.active, shown


def secret(key: AccessKey | None) -> bytes:
    assert key is not None
    return key.secret.reveal()


def test_a_new_key_looks_like_the_clouds_and_is_found_with_its_secret(engine: Engine) -> None:
    key = made(engine, user="user/app")
    assert re.fullmatch(r"LTAI[A-Za-z0-9]{20}", key.access_key_id)
    assert re.fullmatch(rb"[A-Za-z0-9]{30}", secret(key))
    found = engine.access_key(key.access_key_id)
    assert found is not None
    assert (found.account, found.user, found.role, found.active) == (engine.account, "user/app", Role.USER, True)
    assert secret(found) == secret(key)
    assert engine.access_key("LTAIunknown") is None


def test_two_keys_share_nothing(engine: Engine) -> None:
    one, two = made(engine), made(engine)
    assert one.access_key_id != two.access_key_id
    assert secret(one) != secret(two)


def test_it_says_who_calls(engine: Engine) -> None:
    key = made(engine, Role.AUDITOR, user="role/ci", account="42")
    found = engine.access_key(key.access_key_id)
    assert found is not None
    assert found.caller("127.0.0.1:4711", "r-1") == Caller(
        actor=key.access_key_id,
        account="42",
        user="role/ci",
        role=Role.AUDITOR,
        source="127.0.0.1:4711",
        request_id="r-1",
        generation=found.generation,
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"user": "app"}, "it is root, user/NAME or role/NAME"),
        ({"user": "user/"}, "it is root, user/NAME or role/NAME"),
        ({"user": "user/*"}, "it is root, user/NAME or role/NAME"),
        ({"user": "user/" + "a" * 65}, "it is root, user/NAME or role/NAME"),
        ({"account": "acme"}, "it is an account number"),
        ({"account": "1" * 21}, "it is an account number"),
        ({"role": Role.SERVICE}, "a service calls in a role of its own"),
    ],
)
def test_a_key_for_nobody_is_refused(engine: Engine, options: dict[str, Any], said: str) -> None:
    with pytest.raises(KmsError, match=said) as caught:
        made(engine, **options)
    assert caught.value.code == "InvalidParameter"
    assert engine.access_keys() == []


def test_a_disabled_key_is_inactive_until_it_is_enabled(lab: Lab, engine: Engine) -> None:
    key, other = made(engine), lab.open()
    assert status(other, key) == (True, "Active")
    engine.access.set_status(key.access_key_id, active=False)
    assert status(other, key) == status(engine, key) == (False, "Inactive")
    engine.access.set_status(key.access_key_id, active=False)
    engine.access.set_status(key.access_key_id, active=True)
    assert status(other, key) == status(engine, key) == (True, "Active")
    assert secret(other.access_key(key.access_key_id)) == secret(key)


def test_a_deleted_key_is_gone_in_every_process(lab: Lab, engine: Engine) -> None:
    key, other = made(engine), lab.open()
    assert other.access_key(key.access_key_id) is not None
    engine.access.delete(key.access_key_id)
    assert other.access_key(key.access_key_id) is None
    assert engine.access_keys() == []


def test_rotation_ends_the_old_key_at_once(engine: Engine) -> None:
    old = made(engine, Role.AUDITOR, user="user/a", account="42")
    new = engine.access.rotate(old.access_key_id)
    assert (new.role, new.user, new.account) == (old.role, old.user, old.account)
    assert secret(new) != secret(old)
    assert status(engine, new) == (True, "Active")
    assert status(engine, old) == (False, "Inactive")


def test_rotation_with_an_overlap_ends_the_old_key_then(lab: Lab, engine: Engine) -> None:
    old = made(engine)
    new = engine.access.rotate(old.access_key_id, overlap=3600)
    assert status(engine, old) == status(engine, new) == (True, "Active")
    lab.clock.move(timedelta(seconds=3599))
    assert status(engine, old) == (True, "Active")
    lab.clock.move(timedelta(seconds=1))
    assert status(engine, old) == (False, "Inactive")
    assert status(engine, new) == (True, "Active")
    engine.access.set_status(old.access_key_id, active=True)
    assert status(engine, old) == (True, "Active")


def test_a_second_rotation_never_lets_the_old_key_live_longer(lab: Lab, engine: Engine) -> None:
    old = made(engine)
    engine.access.rotate(old.access_key_id, overlap=3600)
    engine.access.rotate(old.access_key_id, overlap=7200)
    lab.clock.move(timedelta(seconds=3600))
    assert status(engine, old) == (False, "Inactive")
    with pytest.raises(KmsError, match="is disabled: enable it first"):
        engine.access.rotate(old.access_key_id)


@pytest.mark.parametrize("overlap", [-1, 90 * 86_400 + 1])
def test_an_overlap_has_limits(engine: Engine, overlap: int) -> None:
    key = made(engine)
    with pytest.raises(KmsError, match="from 0 to 7776000"):
        engine.access.rotate(key.access_key_id, overlap=overlap)
    assert len(engine.access_keys()) == 1


@pytest.mark.parametrize("change", ["rotate", "disable", "delete"])
def test_what_is_not_there_cannot_be_changed(engine: Engine, change: str) -> None:
    changes: dict[str, Callable[[], object]] = {
        "rotate": lambda: engine.access.rotate("LTAIgone"),
        "disable": lambda: engine.access.set_status("LTAIgone", active=False),
        "delete": lambda: engine.access.delete("LTAIgone"),
    }
    with pytest.raises(KmsError, match="'LTAIgone' is not found") as caught:
        changes[change]()
    assert caught.value.code == "InvalidAccessKeyId.NotFound"


def test_every_change_is_audited_and_no_secret_with_it(lab: Lab, engine: Engine) -> None:
    key = made(engine, user="user/app")
    new = engine.access.rotate(key.access_key_id, overlap=60)
    engine.access.set_status(key.access_key_id, active=False)
    engine.access.set_status(key.access_key_id, active=True)
    engine.access.delete(key.access_key_id)
    with pytest.raises(KmsError):
        engine.access.delete(key.access_key_id)
    entries = list(engine.audit_entries())[1:]
    assert [(entry["action"], entry["result"]) for entry in entries] == [
        ("CreateAccessKey", "OK"),
        ("RotateAccessKey", "OK"),
        ("DisableAccessKey", "OK"),
        ("EnableAccessKey", "OK"),
        ("DeleteAccessKey", "OK"),
        ("DeleteAccessKey", "InvalidAccessKeyId.NotFound"),
    ]
    assert {entry["resource"] for entry in entries} == {key.access_key_id}
    assert entries[0]["parameters"] == {"Account": engine.account, "Role": "user", "User": "user/app"}
    assert entries[1]["parameters"] == {"Overlap": 60, "Successor": new.access_key_id}
    told = json.dumps(entries) + json.dumps(engine.status(), default=str) + repr(engine.access_keys()) + repr(new)
    engine.close()
    for hidden in (secret(key), secret(new)):
        assert hidden.decode() not in told
        for file in lab.folder.rglob("*"):
            assert not file.is_file() or hidden not in file.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        "role = 'administrator'",
        "account = '1'",
        "\"user\" = 'root'",
        "status = 'Active'",
        "expires = '2099-01-01T00:00:00Z'",
        "secret = (SELECT secret FROM access_key WHERE role = 'administrator')",
        "secret = x''",
    ],
)
def test_an_edited_row_does_not_open(lab: Lab, engine: Engine, change: str) -> None:
    made(engine, Role.ADMINISTRATOR)
    key = made(engine, user="user/app")
    engine.access.set_status(key.access_key_id, active=False)
    with closing(sqlite3.connect(lab.database)) as db:
        db.execute(f"UPDATE access_key SET {change} WHERE access_key_id = ?", (key.access_key_id,))  # noqa: S608 - ours
        db.commit()
    with pytest.raises(MaterialCorruptError, match=f"the access key of {key.access_key_id} does not open"):
        lab.open().access_key(key.access_key_id)


def test_a_sealed_engine_knows_nobody(lab: Lab, engine: Engine) -> None:
    key, other = made(engine), lab.open()
    assert other.access_key(key.access_key_id) is not None
    engine.seal()
    for sealed in (engine, other):
        with pytest.raises(KmsError, match="sealed") as caught:
            sealed.access_key(key.access_key_id)
        assert caught.value.code == "Rejected.Sealed"
    with pytest.raises(KmsError, match="sealed"):
        made(engine)
    assert [view.access_key_id for view in engine.access_keys()] == [key.access_key_id]


def test_an_access_key_administers_no_access_keys(engine: Engine) -> None:
    key = made(engine, Role.ADMINISTRATOR)
    found = engine.access_key(key.access_key_id)
    assert found is not None
    guest = engine.acting(found.caller("127.0.0.1:1"))
    for attempt in (
        lambda: guest.access.create(role=Role.USER),
        lambda: guest.access.rotate(key.access_key_id),
        lambda: guest.access.set_status(key.access_key_id, active=False),
        lambda: guest.access.delete(key.access_key_id),
    ):
        with pytest.raises(KmsError) as caught:
            attempt()
        assert caught.value.code == "Forbidden.NoPermission"
    assert status(engine, key) == (True, "Active")


def test_a_use_is_noted_once_a_minute(lab: Lab, engine: Engine) -> None:
    key = made(engine)
    assert [view.last_used for view in engine.access_keys()] == [None]
    commits = engine._core.store.commits
    for _ in range(5):
        engine.note_use(key.access_key_id)
        lab.clock.move(timedelta(seconds=10))
    engine.access.set_status(key.access_key_id, active=True)  # waits for what was handed in before
    assert [view.last_used for view in engine.access_keys()] == ["2026-01-01T00:00:00Z"]
    assert engine._core.store.commits <= commits + 2
    lab.clock.move(timedelta(seconds=10))
    engine.note_use(key.access_key_id)
    engine.access.set_status(key.access_key_id, active=True)
    assert [view.last_used for view in engine.access_keys()] == ["2026-01-01T00:01:00Z"]


def test_looking_up_again_reads_nothing_until_something_changes(engine: Engine) -> None:
    key = made(engine)
    first = engine.access_key(key.access_key_id)
    assert engine.access_key(key.access_key_id) is first
    instance = new_instance(engine)
    second = engine.access_key(key.access_key_id)
    assert second is not first
    engine.execute(DisableKey(key=new_key(engine, instance)))
    assert engine.access_key(key.access_key_id) is not second


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda engine, key: engine.access.set_status(key, active=False), "InvalidAccessKeyId.Inactive"),
        (lambda engine, key: engine.access.delete(key), "InvalidAccessKeyId.NotFound"),
    ],
)
def test_a_call_on_its_way_is_refused_when_its_key_is_ended(engine: Engine, change: Any, code: str) -> None:
    key = made(engine)
    with engine._core.store.look() as db:
        require_active(db, key.access_key_id)
    change(engine, key.access_key_id)
    with engine._core.store.look() as db, pytest.raises(KmsError) as caught:
        require_active(db, key.access_key_id)
    assert caught.value.code == code
