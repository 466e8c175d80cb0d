from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from kmsplan.engine import checkpoint
from kmsplan.engine.audit import _chain, draft
from kmsplan.engine.error import AuditError
from kmsplan.engine.keystore import spools
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import DisableKey, SetKeyPolicy, UpdateKeyDescription
from kmsplan.kms.policy import default_policy
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import KeySpec
from tests.engines import Lab, new_instance, new_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.service import Engine

_GUARDS = ("audit_no_UPDATE", "audit_no_DELETE", "checkpoint_no_UPDATE", "checkpoint_no_DELETE")


@pytest.fixture
def told(lab: Lab) -> Lab:
    """An engine whose trail has 12 entries and three checkpoints: at 1, at 7 and at 12."""
    engine = lab.open()
    instance = new_instance(engine)
    keys = [new_key(engine, instance) for _ in range(5)]
    engine.close()
    engine = lab.open()
    for key in keys:
        engine.execute(DisableKey(key=key))
    engine.close()
    return lab


def tamper(lab: Lab, *statements: str) -> None:
    with closing(sqlite3.connect(lab.database)) as db:
        for guard in _GUARDS:
            db.execute(f"DROP TRIGGER {guard}")
        for statement in statements:
            db.execute(statement)
        db.commit()


def verified(lab: Lab) -> Any:
    return lab.open(read_only=True).audit_verify()


def spooled(lab: Lab, *batches: list[dict[str, Any]]) -> None:
    """Answer as served engines do that were killed then: each batch is a process's."""
    with closing(sqlite3.connect(lab.database)) as db:
        taken = [spools.take(lab.folder, db) for _ in batches]
    for spool, batch in zip(taken, batches, strict=True):
        spool.begin(os.urandom(16))
        assert spool.append([draft(entry) for entry in batch])
    for spool in taken:
        spool.close()


def answered(second: int, **more: Any) -> dict[str, Any]:
    request = f"{second:02}"
    return {"action": "Encrypt", "request_id": request, "time": f"2026-11-27T00:00:{second:02}Z", **more}


def test_what_killed_servers_have_answered_comes_first_and_by_its_time(told: Lab) -> None:
    spooled(told, [answered(1), answered(4)], [answered(2), answered(3)])
    before = verified(told).entries
    assert told.open(read_only=True).audit_waits()
    engine = told.open()
    entries = [(entry["action"], entry["request_id"]) for entry in engine.audit_entries()]
    assert entries[before:] == [("Encrypt", "01"), ("Encrypt", "02"), ("Encrypt", "03"), ("Encrypt", "04")]
    assert verified(told).entries == before + 4
    assert not told.open(read_only=True).audit_waits()


TEXT = st.text() | st.sampled_from([',"seq":0,', ',"previous":"",', '{"previous":"","seq":0}'])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["previous", "seq", "source", "a"]), inner),
    max_leaves=8,
)


# What comes behind the place in the chain is text (`audit.Request.entry`); parameters come before it.
@given(JSON, st.none() | TEXT, TEXT, st.integers(0, 2**60), st.binary(min_size=32, max_size=32))
def test_an_entry_that_waited_for_its_place_is_canonical_all_the_same(
    parameters: Any, resource: str | None, source: str, seq: int, previous: bytes
) -> None:
    entry = {"action": "Encrypt", "parameters": parameters, "resource": resource, "source": source, "time": "now"}
    ((number, content, hashed),) = _chain([draft(entry)], seq, previous)
    whole = entry | {"seq": seq + 1, "previous": previous.hex()}
    assert (number, content) == (seq + 1, orjson.dumps(whole, option=orjson.OPT_SORT_KEYS))
    assert hashed == hashlib.sha256(content).digest()


def test_a_whole_trail_verifies(told: Lab) -> None:
    found = verified(told)
    assert (found.entries, found.checkpoints) == (12, 3)
    assert len(found.head) == len(found.signer) == 64


@pytest.mark.parametrize("verb", ["UPDATE audit SET hash = x''", "DELETE FROM audit", "DELETE FROM checkpoint"])
def test_the_database_itself_refuses_to_change_the_trail(told: Lab, verb: str) -> None:
    with closing(sqlite3.connect(told.database)) as db, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute(verb)


_EDITED = "UPDATE audit SET entry = CAST(replace(CAST(entry AS TEXT), 'tester', 'nobody') AS BLOB) WHERE seq = "
_RENUMBER = (
    "UPDATE audit SET seq = -4 WHERE seq = 4",
    "UPDATE audit SET seq = 4 WHERE seq = 5",
    "UPDATE audit SET seq = 5 WHERE seq = -4",
)


@pytest.mark.parametrize(
    ("statements", "seq", "words"),
    [
        ((_EDITED + "4",), 4, "was changed"),
        (("DELETE FROM audit WHERE seq = 4",), 4, "is missing"),
        (("DELETE FROM audit WHERE seq = 1",), 1, "is missing"),
        (_RENUMBER, 4, "does not follow"),
        (("UPDATE audit SET entry = x'00', hash = x'00' WHERE seq = 9",), 9, "was changed"),
        (("DELETE FROM audit WHERE seq > 9",), 10, "its end was cut off"),
        (("DELETE FROM audit WHERE seq > 9", "DELETE FROM checkpoint WHERE seq > 9"), 10, "its end was cut off"),
        (("DELETE FROM checkpoint WHERE seq = 12",), 12, "deleted from the database"),
        (("UPDATE checkpoint SET signature = zeroblob(64) WHERE seq = 7",), 7, "bad signature"),
        (("UPDATE checkpoint SET seq = 6 WHERE seq = 7",), 6, "moved from another"),
        (("DELETE FROM audit",), 1, "cut off"),
    ],
)
def test_what_was_done_to_the_trail_is_named(told: Lab, statements: tuple[str, ...], seq: int, words: str) -> None:
    tamper(told, *statements)
    with pytest.raises(AuditError, match=words) as caught:
        verified(told)
    assert caught.value.seq == seq
    assert "evidence" in str(caught.value)


def _rewrite(lab: Lab, change: Callable[[dict[str, Any]], object], start: int) -> None:
    """Change an entry and write the chain anew from there, as one who knows the format does."""
    with closing(sqlite3.connect(lab.database)) as db:
        rows = db.execute("SELECT seq, entry, hash FROM audit ORDER BY seq").fetchall()
    changed: list[tuple[bytes, bytes, int]] = []
    previous = b""
    for seq, content, old in rows:
        entry = orjson.loads(content)
        if seq == start:
            change(entry)
        entry["previous"] = previous.hex()
        text = orjson.dumps(entry, option=orjson.OPT_SORT_KEYS)
        previous = hashlib.sha256(text).digest() if seq >= start else old
        changed.append((text, previous, seq))
    tamper(lab)
    with closing(sqlite3.connect(lab.database)) as db:
        db.executemany("UPDATE audit SET entry = ?, hash = ? WHERE seq = ?", changed)
        db.commit()


def test_a_chain_that_was_written_anew_contradicts_its_checkpoints(told: Lab) -> None:
    _rewrite(told, lambda entry: entry.update(actor="nobody"), start=3)
    with pytest.raises(AuditError, match="written anew") as caught:
        verified(told)
    assert caught.value.seq == 7


def test_an_entry_that_is_no_entry_is_named(told: Lab) -> None:
    _rewrite(told, lambda entry: entry.pop("seq"), start=3)
    with pytest.raises(AuditError) as caught:
        verified(told)
    assert caught.value.seq == 3


def _older_put_back(lab: Lab) -> str:
    """Make a key, and put the database back that was there before; return the instance that it has all the same."""
    engine = lab.open()
    instance = new_instance(engine)
    engine.close()
    older = lab.folder.parent / "older.db"
    shutil.copy(lab.database, older)
    engine = lab.open()
    new_key(engine, instance)
    engine.close()
    shutil.copy(older, lab.database)
    return instance


def test_an_older_database_put_back_contradicts_the_checkpoint_in_its_file(lab: Lab) -> None:
    _older_put_back(lab)
    with pytest.raises(AuditError, match="older database was put back"):
        verified(lab)


def test_going_on_with_an_older_database_does_not_hide_that_it_was_put_back(lab: Lab) -> None:
    instance = _older_put_back(lab)
    engine = lab.open()
    for _ in range(5):
        new_key(engine, instance)
    engine.close()
    with pytest.raises(AuditError, match="was written anew"):
        verified(lab)
    (lab.folder / checkpoint.FILE).unlink()
    engine = lab.open()
    new_key(engine, instance)
    engine.close()
    assert verified(lab).entries == 8


@pytest.mark.parametrize("seq", [0, -1, 2**70, "1", None, [1]])
def test_whoever_edits_the_checkpoint_file_stops_nobody_by_it(lab: Lab, seq: object) -> None:
    body = json.dumps({"engine_id": "engine", "hash": "no hash", "seq": seq, "time": "2026-01-01T00:00:00Z"})
    (lab.folder / checkpoint.FILE).write_text(json.dumps({"body": body, "signature": "00"}))
    engine = lab.open()
    new_key(engine, new_instance(engine))
    engine.close()
    with pytest.raises(AuditError, match="bad signature"):
        verified(lab)


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[1]", b'{"body": "{}", "signature": ""}', b"\xff"])
def test_a_lost_or_damaged_checkpoint_file_is_named(told: Lab, content: bytes | None) -> None:
    path = told.folder / checkpoint.FILE
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(AuditError, match=r"audit\.checkpoint is missing or damaged"):
        verified(told)


def test_a_checkpoint_file_that_cannot_be_read_is_no_sign_that_somebody_changed_it(told: Lab) -> None:
    path = told.folder / checkpoint.FILE
    path.unlink()
    path.symlink_to(path.name)  # no mode keeps root from reading
    with pytest.raises(OSError, match=r"audit\.checkpoint"):
        verified(told)


def test_a_forged_checkpoint_file_is_named(told: Lab) -> None:
    forged = checkpoint.sign(Ed25519PrivateKey.generate(), "engine", 12, bytes(32), "2026-01-01T00:00:00Z")
    checkpoint.write(told.folder, forged)
    with pytest.raises(AuditError, match="bad signature"):
        verified(told)


def test_a_checkpoint_file_may_be_older_than_the_newest_checkpoint(lab: Lab) -> None:
    engine = lab.open()
    instance = new_instance(engine)
    engine.close()
    older = (lab.folder / checkpoint.FILE).read_bytes()
    engine = lab.open()
    new_key(engine, instance)
    engine.close()
    (lab.folder / checkpoint.FILE).write_bytes(older)
    assert verified(lab).checkpoints == 3


def test_a_checkpoint_that_another_process_signs_meanwhile_is_no_sign_of_a_trail_cut_off(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, other = lab.open(), lab.open()
    new_instance(other)
    store, read = engine._core.store, engine._core.store.read

    @contextmanager
    def overtaken() -> Iterator[Connection]:
        with read() as db:
            db.execute("SELECT count(*) FROM setting").fetchone()  # from here on it is one state of the database
            other.close()
            yield db

    with monkeypatch.context() as patched:
        patched.setattr(store, "read", overtaken)
        before = engine.audit_verify()
    after = engine.audit_verify()
    assert (after.entries, after.checkpoints) == (before.entries, before.checkpoints + 1)


def test_a_checkpoint_is_made_every_so_many_entries(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "EVERY", 10)
    engine = lab.open()
    instance = new_instance(engine)
    for _ in range(35):
        new_key(engine, instance)
    newest = checkpoint.read(lab.folder)
    assert newest is not None
    assert newest.statement["seq"] == 31
    assert verified(lab).checkpoints == 4


def test_a_checkpoint_file_that_cannot_be_written_stops_nobody(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "EVERY", 1)
    monkeypatch.setattr(checkpoint, "write", full)
    engine = lab.open()
    new_key(engine, new_instance(engine))
    assert verified(lab).entries == 3


def test_closing_without_new_entries_signs_nothing(told: Lab) -> None:
    told.open().close()
    assert verified(told).checkpoints == 3


def test_a_sealed_engines_entries_are_signed_when_it_is_opened_again(lab: Lab) -> None:
    engine = lab.open()
    key = new_key(engine, new_instance(engine))
    engine.seal()
    engine.execute(DisableKey(key=key))
    engine.close()
    assert lab.open(read_only=True).status()["audit_signed_up_to"] == 4
    engine = lab.open()
    assert lab.seal is not None
    engine.unseal(lab.seal)
    engine.close()
    assert lab.open(read_only=True).status()["audit_signed_up_to"] == 6
    assert verified(lab).entries == 6


def test_an_entry_says_who_did_what_with_what_and_how_it_ended(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance, tags={"a": "b"})
    engine.encrypt(key, b"plain", {"secret": "context"})
    *_, created, encrypted = engine.audit_entries()
    assert {name: created[name] for name in ("action", "actor", "resource", "result", "source", "time", "seq")} == {
        "action": "CreateKey",
        "actor": "tester",
        "resource": key,
        "result": "OK",
        "source": "embedded",
        "time": "2026-01-01T00:00:00Z",
        "seq": 3,
    }
    assert created["parameters"]["Tags"] == {"a": "b"}
    assert len(created["request_id"]) == 32
    assert encrypted["previous"] == created["hash"]
    assert (encrypted["action"], encrypted["resource"]) == ("Encrypt", key)
    assert "parameters" not in encrypted


def test_no_secret_and_no_long_text_is_in_the_trail(lab: Lab, engine: Engine, instance: str) -> None:
    key, signing = new_key(engine, instance), new_key(engine, instance, KeySpec.EC_P256)
    engine.execute(UpdateKeyDescription(key=key, description="a long description " * 20))
    policy = default_policy("1")
    policy["Statement"][0]["Sid"] = "the-policy"
    engine.execute(SetKeyPolicy(key=key, policy=policy))
    engine.encrypt(key, b"the-plaintext", {"the-name": "the-value"})
    engine.sign(signing, None, None, b"the-digest-has-32-bytes-like-sha")
    text = json.dumps(list(engine.audit_entries()))
    assert "sha256" in text
    for secret in ("the-", "long description"):
        assert secret not in text
    engine.close()
    assert repr(SecretBytes(b"x")) not in text
    assert b"the-plaintext" not in lab.database.read_bytes()


def test_what_cannot_be_audited_is_not_done(
    lab: Lab, engine: Engine, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key(engine, instance)

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("kmsplan.engine.keystore.trail.append", fail)
    with pytest.raises(Exception, match="full"):
        engine.execute(DisableKey(key=key))
    with pytest.raises(Exception, match="full"):
        engine.encrypt(key, b"x")
    monkeypatch.undo()
    assert [row["state"] for row in engine.describe().keys] == ["Enabled"]
    assert [row["last_used"] for row in engine.describe().keys] == [None]
    new_key(engine, instance)
    engine.close()
    assert verified(lab).entries == 4


def test_refusals_are_audited(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance)
    engine.execute(DisableKey(key=key))
    with pytest.raises(KmsError):
        engine.encrypt(key, b"x")
    with pytest.raises(KmsError):
        engine.execute(DisableKey(key="key-none"))
    told = [(entry["action"], entry["resource"], entry["result"]) for entry in engine.audit_entries()]
    assert told[-2:] == [
        ("Encrypt", key, "Rejected.Disabled"),
        ("DisableKey", "key-none", "Forbidden.KeyNotFound"),
    ]
