from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.engine.keystore.writer import BATCH, Transaction, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class _Kept:
    """A database with one table, its writer, and what the writer's hooks saw."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.concluded: list[list[Any]] = []
        self.after: list[str] = []
        self.conclude: Callable[[Transaction], Callable[[], None] | None] = self._conclude
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
            db.execute("CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB)")
            db.execute("PRAGMA journal_mode = WAL")
        db.close()
        self.connections = 0
        self.writer = Writer(self._connect, self._concluding, RuntimeError)

    def _concluding(self, transaction: Transaction) -> Callable[[], None] | None:
        return self.conclude(transaction)

    def _connect(self) -> sqlite3.Connection:
        self.connections += 1
        return sqlite3.connect(self.path, isolation_level=None, timeout=0.1)

    def _conclude(self, transaction: Transaction) -> Callable[[], None] | None:
        self.concluded.append(list(transaction.entries))
        return lambda: self.after.append("then")

    def rows(self) -> list[int]:
        with sqlite3.connect(self.path) as db:
            found = [row[0] for row in db.execute("SELECT a FROM t ORDER BY a")]
        db.close()
        return found

    def together(self, *works: Callable[[Transaction], Any]) -> list[Any]:
        """Write several at once: they wait while the writer is busy, so they share a transaction."""
        entered, release = threading.Event(), threading.Event()

        def hold(_: Transaction) -> None:
            entered.set()
            release.wait(5)

        holder = threading.Thread(target=lambda: self.writer.write(hold))
        holder.start()
        assert entered.wait(5)
        results: list[Any] = [None] * len(works)

        def call(number: int) -> None:
            try:
                results[number] = self.writer.write(works[number])
            except Exception as error:  # noqa: BLE001 - the result is looked at
                results[number] = error

        threads = [threading.Thread(target=call, args=(number,)) for number in range(len(works))]
        for thread in threads:
            thread.start()
        while self.writer._jobs.qsize() < len(works):
            threading.Event().wait(0.001)
        release.set()
        for thread in (holder, *threads):
            thread.join()
        return results


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[_Kept]:
    made = _Kept(tmp_path / "t.db")
    yield made
    if not made.writer._closed:
        made.writer.close()


def insert(number: int) -> Callable[[Transaction], int]:
    def work(transaction: Transaction) -> int:
        transaction.db.execute("INSERT INTO t VALUES (?)", (number,))
        transaction.entries.append(number)
        return number

    return work


def fail(number: int | None) -> Callable[[Transaction], int]:
    """Fail, after a change where a number is given."""

    def work(transaction: Transaction) -> int:
        if number is not None:
            insert(number)(transaction)
        transaction.entries.append("of a job that failed")
        raise LookupError(number)

    return work


def test_a_write_returns_once_it_is_committed(kept: _Kept) -> None:
    assert kept.writer.write(insert(1)) == 1
    assert kept.rows() == [1]
    assert (kept.concluded, kept.after, kept.writer.commits) == ([[1]], ["then"], 1)


def test_writes_that_wait_together_share_one_commit(kept: _Kept) -> None:
    assert kept.together(*map(insert, range(10))) == list(range(10))
    assert kept.writer.commits == 2
    assert sorted(kept.concluded[1]) == list(range(10))


def test_a_transaction_has_a_limit(kept: _Kept) -> None:
    kept.together(*map(insert, range(BATCH + 1)))
    assert len(kept.rows()) == BATCH + 1
    assert kept.writer.commits == 3


@pytest.mark.parametrize("changed", [None, 7])
def test_a_write_that_fails_fails_alone_and_leaves_nothing(kept: _Kept, changed: int | None) -> None:
    first, refused, second = kept.together(insert(1), fail(changed), insert(2))
    assert (first, second) == (1, 2)
    assert isinstance(refused, LookupError)
    assert kept.rows() == [1, 2]
    assert sorted(kept.concluded[-1]) == [1, 2]
    assert kept.writer.commits == 2


def test_a_broken_constraint_is_its_writers_failure(kept: _Kept) -> None:
    kept.writer.write(insert(1))
    with pytest.raises(sqlite3.IntegrityError):
        kept.writer.write(insert(1))
    assert kept.writer.write(insert(2)) == 2


def test_a_failing_database_fails_everybody_and_is_opened_anew(kept: _Kept) -> None:
    def break_it(transaction: Transaction) -> None:
        transaction.db.execute("SELECT a FROM nowhere")

    results = kept.together(insert(1), break_it, insert(2))
    assert [type(result) for result in results] == [RuntimeError] * 3
    assert "nowhere" in str(results[0])
    assert kept.rows() == []
    kept.writer.write(insert(3))
    assert kept.rows() == [3]
    assert kept.connections == 2


def test_what_cannot_be_concluded_is_not_committed(kept: _Kept) -> None:
    def refuse(_: Transaction) -> None:
        raise ValueError("no")

    kept.conclude = refuse
    with pytest.raises(ValueError, match="no"):
        kept.writer.write(insert(1))
    assert kept.rows() == []


def test_what_fails_after_the_commit_takes_nothing_back(kept: _Kept) -> None:
    def full() -> None:
        raise OSError(28, "full")

    kept.conclude = lambda _: full
    assert kept.writer.write(insert(1)) == 1
    assert kept.rows() == [1]


def test_another_process_that_holds_the_database_is_waited_for_and_then_named(kept: _Kept) -> None:
    other = sqlite3.connect(kept.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RuntimeError, match="locked"):
        kept.writer.write(insert(1))
    other.execute("ROLLBACK")
    other.close()
    assert kept.writer.write(insert(1)) == 1


def test_closing_finishes_what_waits_and_then_nothing_is_taken(kept: _Kept) -> None:
    kept.writer.write(insert(1))
    kept.writer.close()
    with pytest.raises(RuntimeError, match="closed"):
        kept.writer.write(insert(2))
    assert kept.rows() == [1]


def test_a_seal_is_seen_by_the_jobs_after_it_in_the_same_transaction(kept: _Kept) -> None:
    seen: list[bool] = []

    def look(transaction: Transaction) -> None:
        seen.append(transaction.sealed)

    def seal_and_open(transaction: Transaction) -> None:
        for since in ("now", None):
            transaction.seal(since)
            look(transaction)

    kept.writer.write(look)
    kept.writer.write(seal_and_open)
    kept.writer.write(lambda transaction: transaction.seal("now"))
    kept.writer.write(look)
    assert seen == [False, True, False, True]
