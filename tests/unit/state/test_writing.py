"""Saving: atomic, refused when it must be, and never half done."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect
from kmsplan.state import durable
from kmsplan.state.error import FenceError, StateAccessError, StateMissingError, StateMovedError
from kmsplan.state.record import Deletions

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.state.local import LocalStore
    from kmsplan.state.lock import Lock
    from kmsplan.state.writing import LocalWriting

ROOT = Path(__file__).parents[3]
LINEAGE = "0123456789abcdef0123456789abcdef"


class Died(BaseException):
    """The process ends here."""


def files(store: LocalStore) -> dict[str, bytes]:
    return {str(path.relative_to(store.path)): path.read_bytes() for path in store.path.rglob("*") if path.is_file()}


def change(writing: LocalWriting) -> None:
    writing.journal.run(command="kmsplan apply", environment="fake/1")
    writing.journal.record(Address("key.orders"), Effect(attributes={"rotation": 7}))
    writing.journal.flush()


def test_a_state_that_does_not_exist_has_no_journal(store: LocalStore, lock: Lock) -> None:
    with store.open(lock) as writing, pytest.raises(StateMissingError, match="there is no state in"):
        writing.journal.flush()


def test_a_state_that_cannot_be_made_is_told(store: LocalStore, lock: Lock, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> bool:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(durable, "create", full)
    with store.open(lock) as writing, pytest.raises(StateAccessError, match="No space left on device"):
        writing.init(LINEAGE)
    assert not store.load().exists


def test_a_saved_state_is_loaded_whole(applied: LocalStore) -> None:
    recorded = applied.load()
    assert (recorded.lineage, recorded.serial, recorded.environment) == (LINEAGE, 1, "fake/1")
    assert {str(address): record.identity for address, record in recorded.records.items()} == {
        "key.orders": "key-orders",
        "key.signer": "key-signer",
    }


def test_saving_puts_snapshot_and_journal_away_under_the_old_serial(applied: LocalStore) -> None:
    names = {"kmsplan.state.json", "kmsplan.lock", "history/0.state.json", "history/0.journal.jsonl"}
    assert set(files(applied)) == names
    assert applied.load_serial(0).records == {}


def test_saving_without_news_changes_no_file(applied: LocalStore, lock: Lock) -> None:
    before = files(applied)
    with applied.open(lock) as writing:
        assert writing.save() == applied.load()
    assert files(applied) == before


def test_what_was_written_down_and_not_saved_is_loaded_from_the_journal(applied: LocalStore, lock: Lock) -> None:
    with applied.open(lock) as writing:
        change(writing)
    recorded = applied.load()
    assert (recorded.serial, recorded.records[Address("key.orders")].attributes["rotation"]) == (2, 7)


def test_the_next_run_saves_what_a_run_before_left_in_the_journal(applied: LocalStore, lock: Lock) -> None:
    with applied.open(lock) as writing:
        change(writing)
    expected = applied.load()
    with applied.open(lock) as writing:
        assert writing.save() == expected
    assert applied.load() == expected
    assert "journal.jsonl" not in files(applied)


def test_what_a_run_may_delete_is_kept_until_a_run_comes_to_its_end(
    applied: LocalStore, lock: Lock, make_key: Callable[..., None]
) -> None:
    deletions = Deletions("purpose", (Address("key.orders"),))
    for name, finished in (("a", False), ("b", True)):
        with applied.open(lock) as writing:
            writing.journal.run(command="kmsplan apply", deletions=deletions)
            make_key(writing.journal, name)
            saved = writing.save(finished=finished)
        assert saved.unfinished == applied.load().unfinished == (None if finished else deletions)


def test_pending_operations_survive_a_snapshot(applied: LocalStore, lock: Lock, make_key: Callable[..., None]) -> None:
    with applied.open(lock) as writing:
        change(writing)
        make_key(writing.journal, "doubtful", ends=False)
        writing.save()
    (pending,) = applied.load().pending
    assert (pending.address, pending.token) == ("key.doubtful", "token-doubtful")


CALLS = ("fsync", "link", "rename", "replace")
STEPS = 7
"""How many of these calls a save makes."""


@pytest.mark.parametrize("point", range(8))
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_at_any_step_of_saving_loses_nothing(
    applied: LocalStore, lock: Lock, monkeypatch: pytest.MonkeyPatch, point: int, *, after: bool
) -> None:
    left = [point]

    def dying(call: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == -1 and not after:
                raise Died
            answer = call(*arguments, **named)
            if left[0] == -1:
                raise Died
            return answer

        return step

    with applied.open(lock) as writing:
        change(writing)
        expected = writing.journal.recorded()
        with monkeypatch.context() as patch:
            for name in CALLS:
                patch.setattr(os, name, dying(getattr(os, name)))
            try:
                writing.save()
            except Died:
                assert point < STEPS
            else:
                assert point >= STEPS
    assert applied.load() == expected
    with applied.open(lock) as writing:
        change(writing)
        writing.save()
    assert applied.load().serial == expected.serial + 1
    assert not [name for name in files(applied) if name.endswith(".tmp")]


def test_a_full_disk_leaves_the_old_snapshot_and_the_journal(
    applied: LocalStore, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with applied.open(lock) as writing:
        change(writing)
        before = files(applied)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(StateAccessError, match="No space left on device") as caught:
                writing.save()
    assert "Nothing is lost" in caught.value.remedy
    assert {name: content for name, content in files(applied).items() if name in before} == before
    assert applied.load().serial == 2


BIG = """
import resource, signal, sys
from pathlib import Path
from kmsplan.resource.step import Effect
from kmsplan.state.error import StateError
from kmsplan.state.local import LocalStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
store = LocalStore(Path(sys.argv[1]))
with store.lock(owner="ada@host", command="kmsplan apply") as lock, store.open(lock) as writing:
    try:
        for number in range(200):
            writing.journal.record(f"key.k{number}", Effect(attributes={"description": "x" * 100}), identity="key-1")
            writing.journal.flush()
        writing.save()
    except StateError as error:
        print(type(error).__name__, error)
"""


def test_a_file_size_limit_is_told_and_leaves_a_state_that_loads(applied: LocalStore, lock: Lock) -> None:
    before = (applied.path / "kmsplan.state.json").read_bytes()
    lock.release()
    done = subprocess.run(
        [sys.executable, "-c", BIG, str(applied.path), "20000"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "StateAccessError" in done.stdout
    assert "File too large" in done.stdout
    assert (applied.path / "kmsplan.state.json").read_bytes() == before
    recorded = applied.load()
    assert 2 < len(recorded.records) < 202
    assert done.returncode != -signal.SIGXFSZ


def test_a_snapshot_that_somebody_changed_without_the_lock_is_not_overwritten(applied: LocalStore, lock: Lock) -> None:
    path = applied.path / "kmsplan.state.json"
    with applied.open(lock) as writing:
        change(writing)
        path.write_bytes(path.read_bytes())
        with pytest.raises(StateMovedError, match="was changed during this run"):
            writing.save()


def test_a_snapshot_that_somebody_removed_is_not_made_again_silently(applied: LocalStore, lock: Lock) -> None:
    with applied.open(lock) as writing:
        change(writing)
        (applied.path / "kmsplan.state.json").unlink()
        with pytest.raises(StateMovedError, match="was removed during this run"):
            writing.save()


def test_a_holder_whose_lock_was_broken_saves_nothing(applied: LocalStore, lock: Lock) -> None:
    with applied.open(lock) as writing:
        change(writing)
        before = (applied.path / "kmsplan.state.json").read_bytes()
        (applied.path / "kmsplan.lock").unlink()
        with pytest.raises(FenceError):
            writing.save()
    assert (applied.path / "kmsplan.state.json").read_bytes() == before
