"""A spool: what was appended is read, once, and nothing else is."""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmsplan.engine.error import KeystoreCorruptError
from kmsplan.engine.keystore import spools
from kmsplan.engine.keystore.spool import SIZE, Position, Spool, read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENGINE = "an engine"
OWNER = hashlib.sha256(ENGINE.encode()).digest()[:16]
FILL = b"a fill of a spool"[:16]
OTHER = b"the spool's next"
ENTRIES = st.lists(st.lists(st.binary(min_size=1).filter(lambda entry: b"\n" not in entry), min_size=1), max_size=8)


@contextmanager
def taken(folder: Path) -> Iterator[Spool]:
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB)")
        db.execute("INSERT INTO setting VALUES ('engine_id', ?)", (ENGINE.encode(),))
        spool = spools.take(folder, db)
    try:
        yield spool
    finally:
        spool.close()


def contents(path: Path, since: Position | None = None, owner: bytes = OWNER) -> tuple[list[bytes], Position | None]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return read(descriptor, "the spool", owner, since)
    finally:
        os.close(descriptor)


@given(ENTRIES)
def test_what_was_appended_is_read_in_its_order_and_goes_on_from_anywhere(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("engine")
    path = folder / spools.FOLDER / "00"
    with taken(folder) as spool:
        spool.begin(FILL)
        positions: list[Position] = []
        for batch in batches:
            positions.append(spool.position)
            assert spool.append(batch)
        for number, position in enumerate(positions):
            rest = [entry for batch in batches[number:] for entry in batch]
            assert contents(path, position) == (rest, spool.position)
        assert contents(path) == ([entry for batch in batches for entry in batch], spool.position)
        assert contents(path, spool.position) == ([], spool.position)


def test_a_spool_that_nobody_has_begun_is_empty(tmp_path: Path) -> None:
    with taken(tmp_path):
        assert contents(tmp_path / spools.FOLDER / "00") == ([], None)


def test_of_a_fill_before_nothing_is_read(tmp_path: Path) -> None:
    path = tmp_path / spools.FOLDER / "00"
    with taken(tmp_path) as spool:
        spool.begin(FILL)
        assert spool.append([b"old one"])
        assert spool.append([b"old two"])
        before = spool.position
        spool.begin(OTHER)
        assert contents(path, before)[0] == []
        assert spool.append([b"new one"])  # as long as the old one: that begins where this ends
        assert contents(path, before) == ([b"new one"], spool.position)


@pytest.mark.parametrize("changed", [0, 3, 4, 19, 20, 29])
def test_what_is_torn_ends_the_spool_and_is_written_over(tmp_path: Path, changed: int) -> None:
    path = tmp_path / spools.FOLDER / "00"
    with taken(tmp_path) as spool:
        spool.begin(FILL)
        assert spool.append([b"whole"])
        end = spool.position
        assert spool.append([b"the second"])
        content = bytearray(path.read_bytes())
        content[end.offset + changed] ^= 1
        path.write_bytes(content)
        assert contents(path) == ([b"whole"], end)


def test_what_finds_no_room_is_not_appended(tmp_path: Path) -> None:
    with taken(tmp_path) as spool:
        spool.begin(FILL)
        room = SIZE - spool.position.offset - 20
        assert not spool.append([b"x" * (room + 1)])
        assert contents(tmp_path / spools.FOLDER / "00")[0] == []
        assert spool.append([b"x" * room])
        assert not spool.append([b"x"])
        assert not spool.emptied(None)
        assert spool.emptied(spool.position)


def test_what_an_engine_that_was_there_before_has_left_is_nothing_of_this_ones(tmp_path: Path) -> None:
    path = tmp_path / spools.FOLDER / "00"
    with taken(tmp_path) as spool:
        spool.begin(FILL)
        assert spool.append([b"its"])
    assert contents(path, owner=b"another engine's") == ([], None)


def test_a_file_that_is_no_spool_is_told(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"something else that is long enough")
    with pytest.raises(KeystoreCorruptError, match=re.escape("the spool is no spool of this kmsplan")):
        contents(path)
