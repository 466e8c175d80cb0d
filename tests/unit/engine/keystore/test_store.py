from __future__ import annotations

import errno
import fcntl
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.error import (
    EngineExistsError,
    KeystoreCorruptError,
    KeystoreError,
    KeystoreFullError,
    KeystoreLockedError,
    KeystoreReadOnlyError,
)
from kmsplan.engine.keystore import schema
from kmsplan.engine.keystore.fault import translate
from kmsplan.engine.keystore.sqlite import SqliteDatabase
from kmsplan.engine.keystore.store import Keystore
from kmsplan.kms.operation import UpdateKeyDescription
from tests.engines import Lab, new_instance, new_key

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.service import Engine


def _error(code: int, name: str) -> sqlite3.Error:
    error = sqlite3.OperationalError("reason")
    error.sqlite_errorcode, error.sqlite_errorname = code, name
    return error


@pytest.mark.parametrize(
    ("code", "kind", "words", "in_doubt"),
    [
        (sqlite3.SQLITE_CORRUPT, KeystoreCorruptError, "newest backup", False),
        (sqlite3.SQLITE_CORRUPT_INDEX, KeystoreCorruptError, "newest backup", False),
        (sqlite3.SQLITE_NOTADB, KeystoreCorruptError, "newest backup", False),
        (sqlite3.SQLITE_FULL, KeystoreFullError, "Free some space", False),
        (sqlite3.SQLITE_READONLY_DBMOVED, KeystoreReadOnlyError, "mounted read-only", False),
        (sqlite3.SQLITE_CANTOPEN, KeystoreReadOnlyError, "owner and mode", False),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, KeystoreLockedError, "another process", False),
        (sqlite3.SQLITE_IOERR_FSYNC, KeystoreError, "not known", True),
        (sqlite3.SQLITE_IOERR_SHMSIZE, KeystoreFullError, "is full", True),
        (sqlite3.SQLITE_ERROR, KeystoreError, "defect of kmsplan", False),
    ],
)
def test_each_fault_has_its_class_and_remedy(
    tmp_path: Path, code: int, kind: type[KeystoreError], words: str, *, in_doubt: bool
) -> None:
    found = translate(_error(code, "SQLITE_X"), tmp_path / "keystore.db")
    assert type(found) is kind
    assert words in str(found)
    assert "keystore.db" in str(found)
    assert "SQLITE_X: reason" in str(found)
    assert found.in_doubt is in_doubt


def test_an_error_without_a_code_is_a_defect(tmp_path: Path) -> None:
    assert "defect" in str(translate(sqlite3.ProgrammingError("closed"), tmp_path))


def test_a_file_that_is_no_database_is_corrupt(lab: Lab) -> None:
    with lab.database.open("r+b") as file:
        file.write(b"not a database at all" * 200)
    for read_only in (True, False):
        with pytest.raises(KeystoreCorruptError, match=r"keystore\.db is damaged"):
            lab.open(read_only=read_only)


def test_a_damaged_page_is_named_when_it_is_read(lab: Lab, engine: Engine, instance: str) -> None:
    new_key(engine, instance)
    engine.close()
    with closing(sqlite3.connect(lab.database)) as db:
        ((page,),) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'key'")
    with lab.database.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 64)
    again = lab.open(read_only=True)
    with pytest.raises(KeystoreCorruptError, match="damaged"):
        again.describe()


def test_a_full_disk_is_named_and_nothing_is_half_done(
    lab: Lab, engine: Engine, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [new_key(engine, instance) for _ in range(3)]
    engine.execute(UpdateKeyDescription(key=keys[0], description="before"))
    database, committer = engine._core.store._database, engine._core.store._committer
    connect = database.connect
    assert committer is not None

    def small(*, writes: bool) -> Connection:
        db = connect(writes=writes)
        db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0]}")
        return db

    monkeypatch.setattr(database, "connect", small)
    committer.drop()
    made: list[str] = []

    def fill() -> None:
        while True:
            made.append(new_key(engine, instance, description="x" * 2000))

    with pytest.raises(KeystoreFullError, match="Free some space"):
        fill()
    found = engine.describe()
    assert sorted(row["key_id"] for row in found.keys) == sorted(keys + made)
    assert found.instances[0]["versions"] == len(keys + made)
    monkeypatch.undo()
    committer.drop()
    new_key(engine, instance)
    engine.close()
    assert lab.open(read_only=True).audit_verify().entries >= len(made) + 6


def test_the_writer_flushes_every_commit_and_overwrites_what_it_deletes(lab: Lab) -> None:
    with closing(SqliteDatabase(lab.folder).connect(writes=True)) as db:
        facts = {name: db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "secure_delete")}
        assert facts == {"synchronous": 2, "secure_delete": 1}
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert db.execute("PRAGMA user_version").fetchone()[0] == schema.VERSION


def test_where_folders_cannot_be_locked_the_name_decides_whose_keystore_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    def fill(_: Connection) -> None:
        (tmp_path / "keystore.db").write_text("another's")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(EngineExistsError, match="nothing was changed"):
        SqliteDatabase(tmp_path).create(fill)
    assert (tmp_path / "keystore.db").read_text() == "another's"


def test_a_reader_cannot_write(lab: Lab) -> None:
    keystore = Keystore(SqliteDatabase(lab.folder))
    with pytest.raises(KeystoreReadOnlyError), keystore.look() as db:
        db.execute("DELETE FROM setting")
    keystore.close()


def test_a_keystore_that_was_not_started_writes_nothing(lab: Lab) -> None:
    keystore = Keystore(SqliteDatabase(lab.folder))
    assert keystore.commits == 0
    with pytest.raises(RuntimeError, match="not opened for writing"):
        keystore.write(lambda _: None)
    keystore.close()


def test_a_reading_sees_one_state_while_others_write(engine: Engine) -> None:
    instance = new_instance(engine)
    with engine._core.store.read() as db:
        before = db.execute("SELECT count(*) FROM key").fetchone()
        new_key(engine, instance)
        assert db.execute("SELECT count(*) FROM key").fetchone() == before
    with engine._core.store.read() as db:
        assert db.execute("SELECT count(*) FROM key").fetchone() == (before[0] + 1,)


def test_a_reading_that_outlives_the_keystore_gives_its_connection_back(lab: Lab, engine: Engine) -> None:
    entries = engine.audit_entries()
    assert next(entries)["action"] == "CreateEngine"
    engine.close()
    entries.close()  # type: ignore[attr-defined]
    assert not lab.database.with_name("keystore.db-wal").exists()
