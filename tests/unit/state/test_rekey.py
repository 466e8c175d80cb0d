"""A state on its way from one key to another."""

from __future__ import annotations

import errno
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.kms.secret import SecretBytes
from kmsplan.state import durable
from kmsplan.state.cipher import PLAIN, Cipher, Codec
from kmsplan.state.error import StateAccessError, StateKeyError, StateMissingError
from kmsplan.state.local import LocalStore
from kmsplan.state.recoding import Recoding
from tests.unit.state.test_past import listed, rotation, run

if TYPE_CHECKING:
    from pathlib import Path

ONE, TWO = (Cipher(SecretBytes(key * 32)) for key in (b"1", b"2"))


def opened(path: Path, codec: Codec) -> LocalStore:
    numbers = itertools.count(1)
    return LocalStore(path, entropy=lambda size: next(numbers).to_bytes(size, "big"), codec=codec)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A plain state: two serials, and a third one in the journal of a run that was interrupted."""
    store = opened(tmp_path / "state", PLAIN)
    run(store, "one", rotation=1)
    run(store, "two", rotation=2)
    run(store, "three", save=False, rotation=3)
    return store.path


def change(path: Path, *before: Codec, after: Codec) -> int:
    store = opened(path, after)
    with store.lock(owner="ada@host", command="state rekey") as lock:
        done = store.rekey(before, lock)
    assert done.left == ()
    return done.changed


def test_the_whole_story_comes_along(path: Path) -> None:
    story = listed(opened(path, PLAIN))
    for before, after in ((PLAIN, ONE), (ONE, TWO), (TWO, PLAIN)):
        assert change(path, before, after=after)
        store = opened(path, after)
        assert listed(store) == story
        assert [rotation(store, serial) for serial in (1, 2, 3)] == [1, 2, 3]
        if before.key_id != after.key_id:
            with pytest.raises(StateKeyError):
                opened(path, before).load()


def test_nothing_plain_is_left_behind(path: Path) -> None:
    change(path, PLAIN, after=ONE)
    left = [file for file in path.rglob("*") if file.is_file() and b"rotation" in file.read_bytes()]
    assert left == []


def test_a_second_time_there_is_nothing_to_do(path: Path) -> None:
    change(path, PLAIN, after=ONE)
    before = {file: file.read_bytes() for file in path.rglob("*.json*")}
    assert change(path, PLAIN, after=ONE) == 0
    assert {file: file.read_bytes() for file in path.rglob("*.json*")} == before


def test_a_wrong_old_key_changes_nothing(path: Path) -> None:
    change(path, PLAIN, after=ONE)
    before = {file: file.read_bytes() for file in path.rglob("*.json*")}
    wrong = Cipher(SecretBytes(b"3" * 32))
    with pytest.raises(StateKeyError, match=f"with the key {ONE.key_id}, and not with the key {wrong.key_id}"):
        change(path, wrong, after=TWO)
    assert {file: file.read_bytes() for file in path.rglob("*.json*")} == before


def test_what_was_interrupted_half_way_is_finished(path: Path) -> None:
    """Some of the history is under the new key, and the snapshot is not: it opens with the old one."""
    change(path, PLAIN, after=ONE)
    new = opened(path, TWO)
    recoding = Recoding([ONE], TWO, lineage=opened(path, ONE).load().lineage, remedy="")
    for name, recode in (("0.state.json", recoding.snapshot), ("1.journal.jsonl", recoding.journal)):
        file = path / "history" / name
        file.write_bytes(recode(file.read_bytes(), file))
    (path / "history" / "1.state.json.3.tmp").write_bytes(b"cut off")
    assert opened(path, ONE).load().serial == 3
    assert change(path, ONE, after=TWO) > 0
    assert [number for number, _ in listed(new)] == [0, 1, 2, 3]
    assert not (path / "history" / "1.state.json.3.tmp").exists()


def test_a_journal_that_the_snapshot_holds_already_is_put_away(path: Path) -> None:
    run(opened(path, PLAIN), "four", rotation=4)
    folded = path / "history" / "2.journal.jsonl"
    folded.rename(path / "journal.jsonl")
    change(path, PLAIN, after=ONE)
    assert not (path / "journal.jsonl").exists()
    assert folded.exists()
    assert rotation(opened(path, ONE), 4) == 4


def test_a_state_that_is_lost_or_was_never_made_is_told(path: Path, tmp_path: Path) -> None:
    with pytest.raises(StateMissingError, match="there is no state"):
        change(tmp_path / "other", PLAIN, after=ONE)
    (path / "kmsplan.state.json").unlink()
    with pytest.raises(StateMissingError, match="a lost state"):
        change(path, PLAIN, after=ONE)


def test_a_folder_that_is_full_is_told_and_the_same_rekey_finishes_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = listed(opened(path, PLAIN))
    replace = durable.replace

    def full(file: Path, content: bytes, **options: Any) -> None:
        if file.name == "1.state.json":
            raise OSError(errno.ENOSPC, "No space left on device", str(file))
        replace(file, content, **options)

    with monkeypatch.context() as patch:
        patch.setattr(durable, "replace", full)
        with pytest.raises(StateAccessError, match=r"1\.state\.json cannot be written: No space left"):
            change(path, PLAIN, after=ONE)
    assert listed(opened(path, PLAIN))[-1] == story[-1]
    assert change(path, PLAIN, after=ONE)
    assert listed(opened(path, ONE)) == story
