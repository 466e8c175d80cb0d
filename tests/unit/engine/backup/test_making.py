from __future__ import annotations

import errno
import json
import os
import sqlite3
import stat
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.backup import container, content, making
from kmsplan.engine.backup.checking import Report, Token
from kmsplan.engine.error import (
    AuditError,
    BackupError,
    KeystoreError,
    MaterialCorruptError,
    ReadOnlyEngineError,
    SealingError,
)
from kmsplan.engine.hsmseal import HsmSeal
from kmsplan.engine.sealing import FileSeal, PassphraseSeal
from kmsplan.kms.error import KmsError
from kmsplan.kms.secret import SecretBytes
from tests.engines import DAY, FakeHsm, Lab, new_instance, new_key
from tests.furnished import core_of, furnish, trail

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kmsplan.engine.service import Engine


def told(engine: Engine) -> list[tuple[str, str]]:
    return [(entry["action"], entry["result"]) for entry in trail(engine)]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_backup_says_what_is_in_it_and_verifies_alike(
    tmp_path: Path, lock: FileSeal, database: Callable[[str], SecretBytes | None], kind: str
) -> None:
    lab = Lab(tmp_path / "furnished", postgres=database(kind))
    lab.create()
    engine = lab.open()
    furnish(lab, engine, hardware=True)
    report = engine.keeping.backup(tmp_path / "b", lock)
    assert report == making.verify(tmp_path / "b", lock)
    assert (report.engine_id, report.made) == (engine.engine_id, "2026-01-09T00:00:00Z")
    assert report.rows == {"instance": 4, "key": 6, "key_version": 8, "alias": 1, "access_key": 1, "audit": 27}
    assert (report.opened, report.sealed_by) == (7, None)
    assert report.hardware == (Token(module="fake.so", token="lab", keys=1),)
    lab.close()


def test_a_backup_is_for_its_owner_alone_and_nothing_is_left_beside_it(
    engine: Engine, tmp_path: Path, lock: FileSeal
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    engine.keeping.backup(folder / "b", lock)
    assert [path.name for path in folder.iterdir()] == ["b"]
    assert stat.S_IMODE((folder / "b").stat().st_mode) == 0o600
    assert stat.S_IMODE(lock.path.stat().st_mode) == 0o600


def test_the_head_names_the_engine_and_no_secret(lab: Lab, engine: Engine, tmp_path: Path, lock: FileSeal) -> None:
    furnish(lab, engine)
    engine.keeping.backup(tmp_path / "b", lock)
    with (tmp_path / "b").open("rb") as file:
        head = container.read_head(file, "b")
    assert head.facts.keys() == {
        "account", "engine_id", "hardware", "kmsplan", "made", "region", "schema", "sealed_by",
    }  # fmt: skip
    assert head.facts["engine_id"] == engine.engine_id


def test_a_backup_is_audited_and_dated(lab: Lab, engine: Engine, tmp_path: Path, lock: FileSeal) -> None:
    assert (engine.status()["last_backup"], engine.status()["last_backup_age_seconds"]) == (None, None)
    engine.keeping.backup(tmp_path / "b", lock)
    lab.clock.move(DAY)
    assert engine.status()["last_backup"] == "2026-01-01T00:00:00Z"
    assert engine.status()["last_backup_age_seconds"] == 86400
    entry = trail(engine)[-1]
    assert (entry["action"], entry["actor"], entry["result"]) == ("BackupEngine", "tester", "OK")
    assert entry["parameters"]["Rows"]["audit"] == entry["seq"] - 1
    assert engine.audit_verify().entries == entry["seq"]


def test_a_backup_is_one_state_while_others_write(engine: Engine, tmp_path: Path, lock: FileSeal) -> None:
    instance, stop = new_instance(engine), threading.Event()

    def write() -> None:
        while not stop.is_set():
            new_key(engine, instance, tags={"a": "b"})

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    reports = [engine.keeping.backup(tmp_path / f"b{number}", lock) for number in range(5)]
    stop.set()
    for writer in writers:
        writer.join()
    keys = [report.rows["key"] for report in reports]
    assert keys == sorted(set(keys)), "keys were made meanwhile"
    for report in reports:
        assert report.rows["key_version"] == report.rows["key"] == report.opened
        entries = report.rows["audit"]
        assert entries >= report.rows["key"] + 2


def test_an_existing_file_is_never_overwritten(engine: Engine, tmp_path: Path, lock: FileSeal) -> None:
    path, link = tmp_path / "b", tmp_path / "link"
    path.write_text("precious")
    link.symlink_to(tmp_path / "nowhere")
    for taken in (path, link, tmp_path):
        with pytest.raises(BackupError, match=r"exists, and a backup never overwrites anything. Name another file"):
            engine.keeping.backup(taken, lock)
    assert path.read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()
    assert not lock.path.exists(), "nothing was begun"
    assert told(engine)[-1] == ("BackupEngine", "Backup")


def test_a_file_that_appears_meanwhile_is_not_overwritten_and_no_backup_is_noted(
    engine: Engine, tmp_path: Path, lock: FileSeal, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, verify = tmp_path / "b", making.verify

    def appears(draft: Path, lock: FileSeal, name: str) -> Report:
        path.write_text("precious")
        return verify(draft, lock, name)

    monkeypatch.setattr(making, "verify", appears)
    with pytest.raises(BackupError, match="exists"):
        engine.keeping.backup(path, lock)
    assert path.read_text() == "precious"
    assert sorted(found.name for found in tmp_path.iterdir()) == ["b", "backup.key", "engine"]
    assert engine.status()["last_backup"] is None
    assert told(engine)[-2:] == [("BackupEngine", "OK"), ("BackupEngine", "Backup")]


def test_a_backup_has_no_name_before_it_is_whole_and_files_with_like_names_are_left(
    engine: Engine, tmp_path: Path, lock: FileSeal, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, verify = tmp_path / f"b.new-{threading.get_native_id()}", making.verify
    other.write_text("another backup")

    def look(draft: Path, lock: FileSeal, name: str) -> Report:
        assert name == str(tmp_path / "b")
        assert {path.name for path in tmp_path.iterdir()} == {other.name, "backup.key", "engine"}
        return verify(draft, lock, name)

    monkeypatch.setattr(making, "verify", look)
    engine.keeping.backup(tmp_path / "b", lock)
    assert other.read_text() == "another backup"
    verify(tmp_path / "b", lock)


def test_a_folder_that_is_missing_or_cannot_be_written_is_named(
    engine: Engine, tmp_path: Path, lock: FileSeal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BackupError, match=r"cannot be written \(No such file or directory\).*folder exists"):
        engine.keeping.backup(tmp_path / "missing" / "b", lock)
    opened = os.open

    def refuse(path: Path, flags: int, mode: int = 0o777) -> int:
        if path == tmp_path and flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        return opened(path, flags, mode)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(BackupError, match=r"cannot be written \(Read-only file system\)"):
        engine.keeping.backup(tmp_path / "b", lock)
    assert told(engine)[-1] == ("BackupEngine", "Backup")


def test_a_key_file_that_cannot_be_used_is_named_and_leaves_nothing(engine: Engine, tmp_path: Path) -> None:
    notes, readable = tmp_path / "notes", tmp_path / "readable.key"
    notes.write_text("notes")
    notes.chmod(0o600)
    readable.write_bytes(bytes(32))
    readable.chmod(0o644)
    for path, words in (
        (notes, "is no key file: it does not hold 32 bytes"),
        (readable, "is open to others than its owner .mode 0644.. Close it: chmod 600"),
        (notes / "b.key", "cannot be made .File exists.. Check the owner and mode of its folder"),
    ):
        with pytest.raises(SealingError, match=words):
            engine.keeping.backup(tmp_path / "b", FileSeal(path))
    assert notes.read_text() == "notes"
    assert sorted(found.name for found in tmp_path.iterdir()) == ["engine", "notes", "readable.key"]


def test_a_key_file_on_a_medium_that_cannot_be_written_is_used_as_it_is(
    engine: Engine, tmp_path: Path, lock: FileSeal, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock.make(os.urandom)
    before = lock.path.read_bytes()

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(FileSeal, "_make", refuse)
    engine.keeping.backup(tmp_path / "b", lock)
    assert lock.path.read_bytes() == before


def test_an_empty_passphrase_locks_nothing(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(SealingError, match="the passphrase is empty"):
        engine.keeping.backup(tmp_path / "b", PassphraseSeal(lambda: SecretBytes(b"")))
    assert [found.name for found in tmp_path.iterdir()] == ["engine"]


def test_a_sealed_engine_is_not_backed_up(lab: Lab, engine: Engine, tmp_path: Path, lock: FileSeal) -> None:
    engine.seal()
    with pytest.raises(KmsError, match=r"Rejected\.Sealed"):
        engine.keeping.backup(tmp_path / "b", lock)
    with pytest.raises(KmsError, match=r"Rejected\.Sealed"):
        lab.open(seal=None).keeping.backup(tmp_path / "b", lock)
    assert not (tmp_path / "b").exists()


def test_an_engine_that_was_sealed_while_it_was_written_is_not_backed_up(
    lab: Lab, engine: Engine, tmp_path: Path, lock: FileSeal, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify = making.verify

    def seal_meanwhile(draft: Path, lock: FileSeal, name: str) -> Report:
        lab.open().seal()
        return verify(draft, lock, name)

    monkeypatch.setattr(making, "verify", seal_meanwhile)
    with pytest.raises(KmsError, match=r"Rejected\.Sealed"):
        engine.keeping.backup(tmp_path / "b", lock)
    assert sorted(found.name for found in tmp_path.iterdir()) == ["backup.key", "engine"]


def test_an_engine_opened_for_reading_is_not_backed_up(lab: Lab) -> None:
    with pytest.raises(ReadOnlyEngineError, match="open it for writing"):
        _ = lab.open(read_only=True).keeping


@pytest.mark.parametrize(
    ("damage", "error", "words"),
    [
        ("UPDATE material SET wrapped = zeroblob(60)", MaterialCorruptError, "the material of .* does not open"),
        (
            "UPDATE key_version SET public_key = zeroblob(90) WHERE public_key IS NOT NULL",
            MaterialCorruptError,
            "the public key of .* does not open",
        ),
        ("UPDATE key_version SET generation = 2", MaterialCorruptError, "the material of .* does not open"),
        ("UPDATE access_key SET role = 'administrator'", MaterialCorruptError, "the access key of .* does not open"),
        ("UPDATE term SET wrapped = zeroblob(60)", MaterialCorruptError, "keyring key 1 does not open"),
        (
            "DROP TRIGGER audit_no_UPDATE; UPDATE audit SET entry = CAST(replace(entry, 'tester', 'nobody') AS BLOB)",
            AuditError,
            "was changed",
        ),
        ("DROP TRIGGER audit_no_DELETE; DELETE FROM audit WHERE seq = 3", AuditError, "audit entry 3 is missing"),
        ("UPDATE setting SET value = x'41' WHERE name = 'engine_id'", BackupError, "another engine than its head"),
    ],
)
def test_what_is_rotten_is_noticed_before_it_is_called_a_backup(
    lab: Lab, engine: Engine, tmp_path: Path, lock: FileSeal, damage: str, error: type[Exception], words: str
) -> None:
    furnish(lab, engine)
    with closing(sqlite3.connect(lab.database)) as db:
        db.executescript(damage)
    with pytest.raises(error, match=words):
        engine.keeping.backup(tmp_path / "b", lock)
    assert sorted(found.name for found in tmp_path.iterdir()) == ["backup.key", "engine"]


def test_a_temporary_disk_that_is_full_is_named(
    engine: Engine, tmp_path: Path, lock: FileSeal, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.keeping.backup(tmp_path / "b", lock)

    def full(*_: object) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    monkeypatch.setattr(content, "load", full)
    with pytest.raises(KeystoreError, match="is full"):
        making.verify(tmp_path / "b", lock)


def test_a_backup_that_cannot_be_read_is_named(tmp_path: Path, lock: FileSeal) -> None:
    for path, words in ((tmp_path / "missing", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(BackupError, match=f"cannot be read .{words}.*Correct its path"):
            making.verify(path, lock)


def test_what_an_hsm_seals_is_backed_up_without_its_root_key(tmp_path: Path, lock: FileSeal) -> None:
    token = FakeHsm()
    lab = Lab(tmp_path / "sealed", seal=HsmSeal("fake.so", "vault", lambda: token))
    lab.create()
    engine = lab.open()
    furnish(lab, engine)
    report = engine.keeping.backup(tmp_path / "b", lock)
    assert (report.opened, report.sealed_by) == (0, {"module": "fake.so", "token": "vault"})
    with (tmp_path / "b").open("rb") as file:
        head = container.read_head(file, "b")
        first = b"".join(container.read_body(file, head, lock, "b")).partition(b"\n")[0]
    assert head.facts["sealed_by"] == report.sealed_by
    assert json.loads(first)["root"] is None
    lab.close()


def test_the_root_key_of_another_seal_than_was_opened_with_is_not_guessed_at(
    lab: Lab, engine: Engine, tmp_path: Path, lock: FileSeal
) -> None:
    lab.open().keeping.rotate_root(PassphraseSeal(lambda: SecretBytes(b"correct horse")))
    with pytest.raises(SealingError, match="sealed by a passphrase, and a file was given"):
        engine.keeping.backup(tmp_path / "b", lock)
    assert core_of(engine).keyring is not None, "what is open stays open"
