"""The spools of a folder: who has one, and how their entries come into the database."""

from __future__ import annotations

import sqlite3
import stat
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.error import KeystoreError
from kmsplan.engine.keystore import spools
from kmsplan.engine.keystore.spool import SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kmsplan.engine.keystore.spool import Spool


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.execute("CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB)")
        db.execute("INSERT INTO setting VALUES ('engine_id', x'01')")
        yield db


@pytest.fixture
def pair(tmp_path: Path, db: sqlite3.Connection) -> Iterator[list[Spool]]:
    taken = [spools.take(tmp_path, db), spools.take(tmp_path, db)]
    for number, spool in enumerate(taken):
        spool.begin(bytes([number]) * 16)
    yield taken
    for spool in taken:
        spool.close()


def test_each_process_has_its_own_and_takes_over_a_dead_ones(tmp_path: Path, db: sqlite3.Connection) -> None:
    one, other = spools.take(tmp_path, db), spools.take(tmp_path, db)
    assert [one.name, other.name] == ["00", "01"]
    one.close()
    third = spools.take(tmp_path, db)
    assert third.name == "00"
    for spool in (other, third):
        spool.close()


def test_a_spool_is_its_owners_alone_and_as_long_as_it_will_get(tmp_path: Path, pair: list[Spool]) -> None:
    folder = tmp_path / spools.FOLDER
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for spool in pair:
        found = (folder / spool.name).stat()
        assert (stat.S_IMODE(found.st_mode), found.st_size, found.st_blocks * 512 >= SIZE) == (0o600, SIZE, True)


def test_what_was_begun_by_a_process_that_was_killed_meanwhile_is_made_whole_and_keeps_what_it_has(
    tmp_path: Path, db: sqlite3.Connection
) -> None:
    spool = spools.take(tmp_path, db)
    spool.begin(bytes(15) + b"\1")
    spool.append([b"entry"])
    spool.close()
    with (tmp_path / spools.FOLDER / "00").open("r+b") as file:
        file.truncate(10_000)
    again = spools.take(tmp_path, db)
    assert (tmp_path / spools.FOLDER / "00").stat().st_size == SIZE
    assert spools.bring_in(tmp_path, db) == [b"entry"]
    again.close()


def test_more_processes_than_there_are_spools_are_refused(
    tmp_path: Path, db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spools, "MOST", 1)
    spool = spools.take(tmp_path, db)
    with pytest.raises(OSError, match="1 processes serve this engine already"):
        spools.take(tmp_path, db)
    spool.close()


def test_every_entry_is_brought_in_once(tmp_path: Path, db: sqlite3.Connection, pair: list[Spool]) -> None:
    one, other = pair
    assert spools.bring_in(tmp_path, db) == []
    one.append([b"1", b"2"])
    other.append([b"3"])
    assert spools.waiting(tmp_path, db)
    assert spools.bring_in(tmp_path, db) == [b"1", b"2", b"3"]
    assert not spools.waiting(tmp_path, db)
    other.append([b"4"])
    one.append([b"5"])
    assert spools.bring_in(tmp_path, db) == [b"5", b"4"]
    one.begin(b"another" + bytes(9))
    assert spools.bring_in(tmp_path, db) == []
    one.append([b"6"])
    assert spools.bring_in(tmp_path, db) == [b"6"]


def test_a_transaction_that_is_undone_leaves_them_where_they_are(
    tmp_path: Path, db: sqlite3.Connection, pair: list[Spool]
) -> None:
    pair[0].append([b"1"])
    db.execute("BEGIN")
    assert spools.bring_in(tmp_path, db) == [b"1"]
    db.execute("ROLLBACK")
    assert spools.bring_in(tmp_path, db) == [b"1"]


def test_entries_are_brought_in_while_they_are_appended(
    tmp_path: Path, db: sqlite3.Connection, pair: list[Spool]
) -> None:
    wanted = [b"%d" % number for number in range(500)]
    thread = threading.Thread(target=lambda: [pair[0].append([entry]) for entry in wanted])
    thread.start()
    found: list[bytes] = []
    while thread.is_alive():
        found += spools.bring_in(tmp_path, db)
    thread.join()
    assert found + spools.bring_in(tmp_path, db) == wanted


def test_a_folder_without_spools_and_a_file_that_is_none_are_passed_over(
    tmp_path: Path, db: sqlite3.Connection
) -> None:
    assert spools.bring_in(tmp_path, db) == []
    (tmp_path / spools.FOLDER).mkdir()
    (tmp_path / spools.FOLDER / "notes.txt").write_text("no spool")
    assert spools.bring_in(tmp_path, db) == []


def test_a_spool_that_cannot_be_read_is_told(tmp_path: Path, db: sqlite3.Connection) -> None:
    (tmp_path / spools.FOLDER / "00").mkdir(parents=True)
    with pytest.raises(KeystoreError, match=f"audit entries that wait in {tmp_path / spools.FOLDER} cannot be read"):
        spools.bring_in(tmp_path, db)
