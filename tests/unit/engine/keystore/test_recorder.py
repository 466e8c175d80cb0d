"""Jobs that are recorded in a spool, and those that need a transaction."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.engine.error import KeystoreError
from kmsplan.engine.keystore import recorder as recorders
from kmsplan.engine.keystore import spools
from kmsplan.engine.keystore.recorder import Recorder
from kmsplan.engine.keystore.transaction import Ticket
from kmsplan.engine.keystore.turn import Turn
from tests.running import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kmsplan.engine.keystore.transaction import Transaction

Work = "Callable[[Transaction], Any]"


class _Desk:
    """A recorder over a database with one table, and what it brings in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "t.db"
        with closing(sqlite3.connect(self.path, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
            db.execute("CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB)")
            db.execute("INSERT INTO setting VALUES ('engine_id', x'01')")
        self.folded: list[bytes] = []
        self.folds = threading.Event()
        self.folds.set()
        self.failures = 0
        self.recorder = self.open()

    def open(self) -> Recorder:
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA query_only = ON")
        return Recorder(self.folder, db, str.encode, self.fold)

    def fold(self) -> None:
        self.folds.wait(60)
        if self.failures:
            self.failures -= 1
            raise KeystoreError("not now")
        with closing(sqlite3.connect(self.path, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            found = spools.bring_in(self.folder, db)
            db.execute("COMMIT")
            self.folded += found

    def carry_out(self, *works: Callable[[Transaction], Any]) -> list[Ticket[Any]]:
        """Carry out; return the jobs, of which those that need a transaction are not done."""
        jobs = [Ticket(work, touches=False, records=True) for work in works]
        done, left = self.recorder.carry_out(jobs)
        assert sorted(map(id, done + left)) == sorted(map(id, jobs))
        for job in done:
            job.done = True
        return jobs


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Desk]:
    monkeypatch.setattr(recorders, "PAUSE", 0.01)
    monkeypatch.setattr(recorders, "RETRY", 0.01)
    made = _Desk(tmp_path)
    yield made
    made.folds.set()
    made.recorder.close()


def noting(entry: str, result: object = None) -> Callable[[Transaction], Any]:
    def work(transaction: Transaction) -> Any:
        transaction.entries.append(entry)
        return result

    return work


def writing(transaction: Transaction) -> None:
    transaction.entries.append("before it writes")
    transaction.after.append(lambda: None)
    transaction.db.execute("INSERT INTO t VALUES (1)")


def failing(transaction: Transaction) -> None:
    transaction.entries.append("before it fails")
    raise ValueError("no")


def test_a_close_ends_it_also_at_the_moment_at_which_it_begins_to_bring_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing: list[threading.Thread] = []
    told: list[threading.Event] = []
    desks: list[_Desk] = []

    class Late(threading.Event):
        """Has the recorder closed, as far as that goes, at the last moment before it is cleared."""

        def clear(self) -> None:
            if not closing:
                wait_until(lambda: bool(desks))
                told.clear()
                thread = threading.Thread(target=desks[0].recorder.close, daemon=True)
                thread.start()
                closing.append(thread)
                wait_until(lambda: len(told) == 2)
            super().clear()

        def set(self) -> None:
            super().set()
            told.append(self)

    monkeypatch.setattr(recorders, "PAUSE", 0.05)
    monkeypatch.setattr(recorders, "Event", Late)
    desks.append(_Desk(tmp_path))
    wait_until(lambda: bool(closing))
    closing[0].join(60)
    assert not closing[0].is_alive()


def test_what_only_audits_is_done_and_brought_in_soon(desk: _Desk) -> None:
    jobs = desk.carry_out(noting("one", 1), noting("two", 2))
    assert [job.value() for job in jobs if job.done] == [1, 2]
    wait_until(lambda: desk.folded == [b"one", b"two"])


def test_what_writes_is_left_to_a_transaction_and_leaves_nothing(desk: _Desk) -> None:
    first, middle, last = desk.carry_out(noting("one"), writing, noting("two"))
    assert (first.done, middle.done, last.done) == (True, False, True)
    wait_until(lambda: desk.folded == [b"one", b"two"])
    with closing(sqlite3.connect(desk.path)) as db:
        assert db.execute("SELECT a FROM t").fetchall() == []


def test_what_is_known_to_write_is_not_tried(desk: _Desk) -> None:
    tried: list[str] = []
    jobs = [
        Ticket(lambda _: tried.append("records"), touches=False, records=True),
        Ticket(lambda _: tried.append("writes"), touches=False),
    ]
    assert desk.recorder.carry_out(jobs) == (jobs[:1], jobs[1:])
    assert desk.recorder.carry_out(jobs[1:]) == ([], jobs[1:])
    assert tried == ["records"]


def test_what_wants_something_done_after_a_commit_is_left_too(desk: _Desk) -> None:
    (job,) = desk.carry_out(lambda transaction: transaction.after.append(lambda: None))
    assert not job.done


def test_what_is_no_json_is_left_to_the_transaction_which_says_so(desk: _Desk) -> None:
    assert not any(job.done for job in desk.carry_out(noting("one"), lambda view: view.entries.append(1)))


def test_what_fails_gets_its_error_and_is_not_recorded(desk: _Desk) -> None:
    first, second = desk.carry_out(failing, noting("one"))
    assert (type(first.error), second.error) == (ValueError, None)
    wait_until(lambda: desk.folded == [b"one"])


def test_who_changes_keys_keeps_it_out_and_what_it_changed_is_seen(desk: _Desk) -> None:
    turn = Turn(desk.folder)
    with turn():
        assert not desk.carry_out(noting("one"))[0].done
    (job,) = desk.carry_out(lambda transaction: transaction.sealed)
    assert (job.done, job.value()) == (True, False)
    with turn(), closing(sqlite3.connect(desk.path)) as db:
        db.execute("INSERT INTO setting VALUES ('sealed', x'00')")
        db.commit()
    assert desk.carry_out(lambda transaction: transaction.sealed)[0].value() is True
    turn.close()


def test_bringing_in_keeps_nobody_out(desk: _Desk) -> None:
    turn = Turn(desk.folder)
    with turn.beside():
        assert desk.carry_out(noting("one"))[0].done
    turn.close()


def test_a_full_spool_leaves_jobs_until_it_was_brought_in(desk: _Desk) -> None:
    desk.folds.clear()
    large = "x" * 1_500_000
    assert [desk.carry_out(noting(large))[0].done for _ in range(4)] == [True, True, False, False]
    desk.folds.set()
    wait_until(lambda: len(desk.folded) == 2)
    wait_until(lambda: desk.carry_out(noting("more"))[0].done)
    wait_until(lambda: desk.folded[2:] == [b"more"])


def test_a_fold_that_fails_is_made_again(desk: _Desk) -> None:
    desk.failures = 2
    desk.carry_out(noting("one"))
    wait_until(lambda: desk.folded == [b"one"])


def test_a_disk_that_fails_is_told_and_nothing_recorded_until_what_it_may_hold_was_brought_in(
    desk: _Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(descriptor: int) -> None:
        del descriptor
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    assert desk.carry_out(noting("zero"))[0].done
    wait_until(lambda: desk.folded == [b"zero"])
    desk.folds.clear()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        jobs = desk.carry_out(noting("in doubt"), writing)
    with pytest.raises(KeystoreError, match="the audit spool 00 cannot be written") as caught:
        jobs[0].value()
    assert (caught.value.in_doubt, jobs[1].done) == (True, False)
    assert not desk.carry_out(noting("one"))[0].done
    desk.folds.set()
    wait_until(lambda: desk.carry_out(noting("two"))[0].done)
    wait_until(lambda: desk.folded == [b"zero", b"in doubt", b"two"])


def test_what_a_process_left_is_brought_in_by_the_next(desk: _Desk) -> None:
    desk.folds.clear()
    desk.carry_out(noting("left"))
    descriptors = (desk.recorder._spool._descriptor, desk.recorder._gate._room)
    assert all(os.fstat(number) for number in descriptors)
    desk.folds.set()
    desk.recorder.close()
    desk.recorder = desk.open()
    wait_until(lambda: desk.folded == [b"left"])
    assert desk.carry_out(noting("new"))[0].done
    wait_until(lambda: desk.folded == [b"left", b"new"])
