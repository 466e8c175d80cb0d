"""Reading a state folder: what is missing, damaged or does not belong together."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING

import pytest

from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect
from kmsplan.state.error import (
    StateAccessError,
    StateCorruptError,
    StateLineageError,
    StateMissingError,
    StateVersionError,
)
from kmsplan.state.local import LocalStore
from kmsplan.state.record import NO_STATE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kmsplan.state.lock import Lock


def snapshot(store: LocalStore) -> Path:
    return store.path / "kmsplan.state.json"


def journal(store: LocalStore) -> Path:
    return store.path / "journal.jsonl"


@pytest.fixture
def interrupted(applied: LocalStore, lock: Lock, make_key: Callable[..., None]) -> LocalStore:
    """A state whose last run ended without a snapshot."""
    with applied.open(lock) as writing:
        writing.journal.run(command="kmsplan apply")
        make_key(writing.journal, "late")
    return applied


def test_an_empty_or_missing_folder_is_no_state(store: LocalStore) -> None:
    assert store.load() == NO_STATE
    store.path.mkdir()
    assert store.load() == NO_STATE


def test_other_files_in_the_folder_are_no_state(store: LocalStore) -> None:
    (store.path / "engine").mkdir(parents=True)
    (store.path / "kmsplan.lock").touch()
    (store.path / "README.md").touch()
    assert store.load() == NO_STATE


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[]", b"\0\0\0"])
def test_a_damaged_snapshot_is_never_a_missing_state(applied: LocalStore, content: bytes) -> None:
    snapshot(applied).write_bytes(content)
    with pytest.raises(StateCorruptError, match=r"kmsplan\.state\.json") as caught:
        applied.load()
    for part in ("Earlier serials (0)", str(applied.path / "history"), "state rebuild", "create every key again"):
        assert part in caught.value.remedy


def test_a_newer_snapshot_is_refused(applied: LocalStore) -> None:
    snapshot(applied).write_bytes(b'{"format_version": 3}')
    with pytest.raises(StateVersionError, match="format version 3"):
        applied.load()


def test_a_lost_snapshot_beside_history_is_a_lost_state(applied: LocalStore) -> None:
    snapshot(applied).unlink()
    with pytest.raises(StateMissingError, match=r"kmsplan\.state\.json is missing, but .*0\.state\.json is there"):
        applied.load()


def test_a_lost_snapshot_beside_a_journal_is_a_lost_state(interrupted: LocalStore) -> None:
    snapshot(interrupted).unlink()
    shutil.rmtree(interrupted.path / "history")
    with pytest.raises(StateMissingError, match=r"journal\.jsonl is there") as caught:
        interrupted.load()
    assert "restore the file from a backup" in caught.value.remedy


def test_the_remedy_for_a_lost_snapshot_brings_it_back(interrupted: LocalStore, lock: Lock) -> None:
    with interrupted.open(lock) as writing:
        expected = writing.save()
    assert interrupted.load() == expected
    snapshot(interrupted).write_bytes(b"")
    shutil.copy(interrupted.path / "history" / "1.state.json", snapshot(interrupted))
    shutil.copy(interrupted.path / "history" / "1.journal.jsonl", journal(interrupted))
    assert interrupted.load() == expected


def test_a_snapshot_older_than_its_journal_is_refused(interrupted: LocalStore) -> None:
    shutil.copy(interrupted.path / "history" / "0.state.json", snapshot(interrupted))
    with pytest.raises(StateCorruptError, match="the two do not belong together"):
        interrupted.load()


def test_a_journal_older_than_its_snapshot_adds_nothing(applied: LocalStore) -> None:
    expected = applied.load()
    shutil.copy(applied.path / "history" / "0.journal.jsonl", journal(applied))
    assert applied.load() == expected


def test_the_journal_of_another_state_is_refused(interrupted: LocalStore, tmp_path: Path) -> None:
    other = LocalStore(tmp_path / "other")
    other.init("f" * 32)
    shutil.copy(journal(interrupted), other.path / "journal.jsonl")
    with pytest.raises(StateLineageError, match="belongs to another state"):
        other.load()


def test_an_edited_journal_is_refused_with_its_line(interrupted: LocalStore) -> None:
    journal(interrupted).write_bytes(journal(interrupted).read_bytes().replace(b"key-late", b"key-mine"))
    with pytest.raises(StateCorruptError, match=r"journal\.jsonl:3:"):
        interrupted.load()


def test_a_cut_off_journal_line_is_left_out(interrupted: LocalStore) -> None:
    content = journal(interrupted).read_bytes()
    journal(interrupted).write_bytes(content[:-5])
    (pending,) = interrupted.load().pending
    assert pending.address == "key.late"


def test_what_cannot_be_read_is_no_missing_state(applied: LocalStore) -> None:
    snapshot(applied).unlink()
    snapshot(applied).mkdir()
    with pytest.raises(StateAccessError, match="cannot be read: Is a directory"):
        applied.load()


def test_a_file_where_the_folder_should_be_is_told(store: LocalStore) -> None:
    store.path.write_text("")
    with pytest.raises(StateAccessError, match="cannot be read: Not a directory"):
        store.load()
    with pytest.raises(StateAccessError, match="cannot be used"):
        store.lock(owner="a", command="b")


def test_a_reader_always_sees_a_whole_run_or_none_of_it(applied: LocalStore, lock: Lock) -> None:
    """Each run moves every record to the same number; a reader must never see two numbers, nor go back."""
    seen: list[int] = []
    done = threading.Event()

    def look() -> None:
        reader = LocalStore(applied.path)
        while not done.is_set():
            seen.append(reader.load().serial)

    watching = threading.Thread(target=look)
    watching.start()
    try:
        for number in range(30):
            with applied.open(lock) as writing:
                writing.journal.run(command="kmsplan apply")
                writing.journal.record(Address("key.orders"), Effect(attributes={"rotation": number}))
                writing.save()
    finally:
        done.set()
        watching.join()
    assert seen == sorted(seen)
    assert applied.load().serial == 31
