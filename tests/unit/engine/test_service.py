from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.engine import checkpoint
from kmsplan.engine.access.role import Role
from kmsplan.engine.caller import Caller
from kmsplan.engine.error import (
    EngineExistsError,
    EngineMissingError,
    EngineVersionError,
    KeystoreCorruptError,
    KeystoreError,
    KeystoreReadOnlyError,
    ReadOnlyEngineError,
)
from kmsplan.engine.keystore.sqlite import FILE, SqliteDatabase
from kmsplan.engine.service import is_engine
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import CreateAlias, DisableKey
from kmsplan.kms.spec import KeySpec
from tests.engines import Lab, new_instance, new_key

if TYPE_CHECKING:
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.service import Engine


def test_a_new_engine_is_for_its_owner_alone(lab: Lab) -> None:
    lab.open()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in lab.folder.iterdir()}
    assert stat.S_IMODE(lab.folder.stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600}
    assert {"keystore.db", "root.key", "audit.checkpoint"} <= modes.keys()


def test_a_folder_of_an_engine_whose_keystore_is_elsewhere_gets_no_other_engine(lab: Lab) -> None:
    engine = lab.open()
    new_key(engine, new_instance(engine))
    engine.close()
    kept = (lab.folder / checkpoint.FILE).read_bytes()
    lab.database.rename(lab.folder.parent / "elsewhere.db")
    with pytest.raises(EngineExistsError, match=r"belongs to engine .*, whose keystore is elsewhere"):
        lab.create()
    assert (lab.folder / checkpoint.FILE).read_bytes() == kept
    (lab.folder / checkpoint.FILE).unlink()
    lab.create()


def test_a_folder_that_holds_other_things_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    tmp_path.chmod(0o755)
    Lab(tmp_path).create()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert is_engine(tmp_path)


def test_an_engine_is_not_made_over_another(lab: Lab) -> None:
    before = lab.database.read_bytes()
    with pytest.raises(EngineExistsError, match="already holds an engine"):
        lab.create()
    assert lab.database.read_bytes() == before


def test_of_two_that_make_an_engine_at_once_one_succeeds_and_nothing_is_overwritten(tmp_path: Path) -> None:
    place = SqliteDatabase(tmp_path)
    place.create(lambda _: None)
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(EngineExistsError):
        place.create(lambda _: None)
    assert (tmp_path / FILE).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_an_engine_that_could_not_be_filled_is_not_there(tmp_path: Path) -> None:
    def fail(_db: Connection) -> None:
        raise RuntimeError

    def fail_in_the_database(db: Connection) -> None:
        db.execute("DELETE FROM absent")

    with pytest.raises(RuntimeError):
        SqliteDatabase(tmp_path).create(fail)
    with pytest.raises(KeystoreError, match="no such table"):
        SqliteDatabase(tmp_path).create(fail_in_the_database)
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeystoreReadOnlyError, match=r"no engine can be made in .*file/engine"):
        Lab(tmp_path / "file" / "engine").create()


def test_who_an_engine_is_stays(lab: Lab) -> None:
    first = lab.open()
    facts = first.engine_id, first.region, first.account
    lab.close()
    again = lab.open(read_only=True)
    assert (again.engine_id, again.region, again.account) == facts
    assert len(facts[2]) == 16
    assert facts[2].isdigit()


def test_a_folder_without_an_engine_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineMissingError, match=r"no engine in .* kmsplan engine init"):
        Lab(tmp_path / "nowhere").open()
    assert not is_engine(tmp_path / "nowhere")


def test_another_database_is_not_taken_for_a_keystore(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as db, db:
        db.execute("CREATE TABLE t (a)")
    db.close()
    with pytest.raises(KeystoreCorruptError, match="no keystore of kmsplan"):
        Lab(tmp_path).open()


def test_a_newer_format_is_refused_and_left_alone(lab: Lab) -> None:
    with closing(sqlite3.connect(lab.database)) as db, db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    for read_only in (False, True):
        with pytest.raises(EngineVersionError, match=r"format 99.*newer kmsplan"):
            lab.open(read_only=read_only)


def test_an_engine_without_its_facts_is_corrupt(lab: Lab) -> None:
    with closing(sqlite3.connect(lab.database)) as db, db:
        db.execute("DELETE FROM setting WHERE name = 'engine_id'")
    db.close()
    with pytest.raises(KeystoreCorruptError, match="which engine it is"):
        lab.open()


def _fingerprint(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_reading_changes_nothing_on_disk(lab: Lab) -> None:
    engine = lab.open()
    key = new_key(engine, new_instance(engine))
    lab.close()
    before = _fingerprint(lab.folder)
    reader = lab.open(read_only=True)
    assert [row["key_id"] for row in reader.describe(check_material=True).keys] == [key]
    assert reader.status()["keys"] == {"Enabled": 1}
    reader.audit_verify()
    lab.close()
    assert _fingerprint(lab.folder) == before


def test_reading_beside_a_writer_sees_what_it_committed_and_leaves_its_files(lab: Lab) -> None:
    engine = lab.open()
    instance = new_instance(engine)
    reader = lab.open(read_only=True)
    key = new_key(engine, instance)
    assert [row["key_id"] for row in reader.describe().keys] == [key]
    reader.close()
    assert lab.database.with_name("keystore.db-wal").exists()
    new_key(engine, instance)


def test_reading_works_where_nothing_may_be_written(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = lab.open()
    key = new_key(engine, new_instance(engine))
    lab.close()
    connect, asked = sqlite3.connect, []

    def refuse_all_but_immutable(database: str, **options: Any) -> sqlite3.Connection:
        asked.append(database.partition("?")[2])
        if "immutable" not in database:
            raise sqlite3.OperationalError("unable to open database file")
        opened: sqlite3.Connection = connect(database, **options)
        return opened

    monkeypatch.setattr(sqlite3, "connect", refuse_all_but_immutable)
    assert [row["key_id"] for row in lab.open(read_only=True).describe().keys] == [key]
    assert asked[:3] == ["mode=rw", "mode=ro", "mode=ro&immutable=1"]


def test_an_engine_opened_for_reading_refuses_everything_else(lab: Lab) -> None:
    engine = lab.open()
    key = new_key(engine, new_instance(engine))
    blob, *_ = engine.encrypt(key, b"x")
    lab.close()
    reader = lab.open(read_only=True)
    for refused in (
        lambda: reader.execute(DisableKey(key=key)),
        reader.tick,
        lambda: reader.encrypt(key, b"x"),
        lambda: reader.decrypt(blob),
        reader.seal,
        lambda: reader.unseal(lab.seal),  # type: ignore[arg-type]
    ):
        with pytest.raises(ReadOnlyEngineError, match="open it for writing"):
            refused()


def test_opening_for_reading_opens_no_seal(lab: Lab) -> None:
    (lab.folder / "root.key").unlink()
    reader = lab.open(read_only=True)
    assert not reader.sealed
    assert reader.describe().keys == []


def test_a_database_that_cannot_be_opened_for_writing_is_named(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(KeystoreReadOnlyError, match=r"Permission denied.*owner and mode"):
        lab.open()


def test_keys_are_found_by_id_alias_and_arn(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance)
    engine.execute(CreateAlias(alias="alias/orders", key=key))
    prefix = f"acs:kms:local:{engine.account}:"
    for name in (key, "alias/orders", f"{prefix}key/{key}", f"{prefix}alias/orders"):
        assert engine.resolve(name) == key
        assert engine.is_symmetric(name)
    assert not engine.is_symmetric(new_key(engine, instance, KeySpec.EC_P256))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("alias/none", "Forbidden.AliasNotFound"),
        ("key-none", "Forbidden.KeyNotFound"),
        ("", "Forbidden.KeyNotFound"),
        ("acs:kms:local:0000000000000000:key/key-none", "Forbidden.KeyNotFound"),
        ("acs:kms:cn-hangzhou:0:secret/x", "Forbidden.KeyNotFound"),
    ],
)
def test_names_that_mean_nothing_are_refused(engine: Engine, name: str, code: str) -> None:
    with pytest.raises(KmsError) as caught:
        engine.resolve(name)
    assert caught.value.code == code
    assert name in caught.value.message


def test_the_status_counts_what_is_there(engine: Engine, instance: str) -> None:
    engine.execute(DisableKey(key=new_key(engine, instance)))
    new_key(engine, instance)
    facts = engine.status()
    assert facts["keys"] == {"Disabled": 1, "Enabled": 1}
    assert (facts["instances"], facts["seal"], facts["sealed"], facts["schema_version"]) == (1, "file", False, 2)
    assert facts["audit_entries"] == 5


def test_every_request_is_authorised_first(lab: Lab) -> None:
    owner = lab.open()
    engine = owner.acting(Caller(actor="mallory", account="1", role=Role.AUDITOR, source="test"))
    for call in (lambda: new_instance(engine), lambda: engine.encrypt("alias/x", b"")):
        with pytest.raises(KmsError) as caught:
            call()
        assert caught.value.code == "Forbidden.NoPermission"
    entries = [(entry["actor"], entry["action"], entry["source"], entry["result"]) for entry in owner.audit_entries()]
    assert entries[1:] == [
        ("mallory", action, "test", "Forbidden.NoPermission") for action in ("CreateInstance", "Encrypt")
    ]


def test_threads_that_create_at_once_each_get_their_own_key(engine: Engine, instance: str) -> None:
    made: list[str] = []

    def create() -> None:
        made.extend(new_key(engine, instance) for _ in range(20))

    threads = [Thread(target=create) for _ in range(10)]
    commits = engine._core.store.commits
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == sorted(row["key_id"] for row in engine.describe().keys)
    assert len(set(made)) == 200
    assert engine._core.store.commits - commits < 150, "they do not share flushes"


def test_a_closed_engine_refuses_and_closing_twice_is_no_error(lab: Lab, engine: Engine) -> None:
    instance = new_instance(engine)
    engine.close()
    engine.close()
    with pytest.raises(ReadOnlyEngineError):
        new_key(engine, instance)
    lab.opened.clear()


def test_a_name_that_is_no_text_is_refused_and_audited_readably(engine: Engine) -> None:
    for name in ("\udcff", "key-" + "x" * 5000):
        with pytest.raises(KmsError) as caught:
            engine.encrypt(name, b"x")
        assert caught.value.code == "Forbidden.KeyNotFound"
        caught.value.message.encode()
    *_, first, second = engine.audit_entries()
    assert first["resource"] == "?"
    assert len(second["resource"]) == 300


def test_reading_imports_no_cryptography(lab: Lab) -> None:
    script = (
        "import sys, pathlib, kmsplan.engine.sealing\n"
        "from kmsplan.engine.service import Engine\n"
        "given = dict.fromkeys(('seal', 'hardware', 'clock', 'entropy', 'actor'))\n"
        "engine = Engine.open(pathlib.Path(sys.argv[1]), read_only=True, **given)\n"
        "engine.describe(check_material=True), engine.close()\n"
        "print(sorted(name for name in ('cryptography', 'concurrent', 'fcntl') if name in sys.modules))\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-c", script, str(lab.folder)], capture_output=True, text=True, check=True, env=environ
    )
    assert done.stdout == "[]\n"
