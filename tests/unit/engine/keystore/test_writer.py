from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.engine.error import KeystoreLockedError
from kmsplan.engine.keystore.writer import BATCH
from tests.kept import Kept, insert

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kmsplan.engine.keystore.transaction import Transaction


class _Crowded(Kept):
    """One that several write to at once."""

    def together(self, *works: Callable[[Transaction], Any]) -> list[Any]:
        """Write several at once: they wait while the writer is busy, so they share a transaction."""
        entered, release = threading.Event(), threading.Event()

        def hold(_: Transaction) -> None:
            entered.set()
            release.wait(60)

        holder = threading.Thread(target=lambda: self.write(hold))
        holder.start()
        assert entered.wait(60)
        results: list[Any] = [None] * len(works)

        def call(number: int) -> None:
            try:
                results[number] = self.write(works[number])
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
def kept(tmp_path: Path) -> Iterator[_Crowded]:
    made = _Crowded(tmp_path / "t.db")
    yield made
    if not made.writer._closed:
        made.writer.close()


def fail(number: int | None) -> Callable[[Transaction], int]:
    """Fail, after a change where a number is given."""

    def work(transaction: Transaction) -> int:
        if number is not None:
            insert(number)(transaction)
        transaction.entries.append("of a job that failed")
        raise LookupError(number)

    return work


def test_a_write_returns_once_it_is_committed(kept: _Crowded) -> None:
    assert kept.write(insert(1)) == 1
    assert kept.rows() == [1]
    assert (kept.concluded, kept.after, kept.committer.commits) == ([[1]], ["then"], 1)


def test_writes_that_wait_together_share_one_commit(kept: _Crowded) -> None:
    assert kept.together(*map(insert, range(10))) == list(range(10))
    assert kept.committer.commits == 2
    assert sorted(kept.concluded[1]) == list(range(10))


def test_a_transaction_has_a_limit(kept: _Crowded) -> None:
    kept.together(*map(insert, range(BATCH + 1)))
    assert len(kept.rows()) == BATCH + 1
    assert kept.committer.commits == 3


@pytest.mark.parametrize("changed", [None, 7])
def test_a_write_that_fails_fails_alone_and_leaves_nothing(kept: _Crowded, changed: int | None) -> None:
    first, refused, second = kept.together(insert(1), fail(changed), insert(2))
    assert (first, second) == (1, 2)
    assert isinstance(refused, LookupError)
    assert kept.rows() == [1, 2]
    assert sorted(kept.concluded[-1]) == [1, 2]
    assert kept.committer.commits == 2


def test_a_broken_constraint_is_its_writers_failure(kept: _Crowded) -> None:
    kept.write(insert(1))
    with pytest.raises(sqlite3.IntegrityError):
        kept.write(insert(1))
    assert kept.write(insert(2)) == 2


def test_a_failing_database_fails_everybody_and_is_opened_anew(kept: _Crowded) -> None:
    def break_it(transaction: Transaction) -> None:
        transaction.db.execute("SELECT a FROM nowhere")

    results = kept.together(insert(1), break_it, insert(2))
    assert [type(result) for result in results] == [RuntimeError] * 3
    assert "nowhere" in str(results[0])
    assert kept.rows() == []
    kept.write(insert(3))
    assert kept.rows() == [3]
    assert kept.connections == 2


def test_what_cannot_be_concluded_is_not_committed(kept: _Crowded) -> None:
    def refuse(_: Transaction) -> None:
        raise ValueError("no")

    kept.conclude = refuse
    with pytest.raises(ValueError, match="no"):
        kept.write(insert(1))
    assert kept.rows() == []


def test_what_fails_after_the_commit_takes_nothing_back(kept: _Crowded) -> None:
    def full() -> None:
        raise OSError(28, "full")

    kept.conclude = lambda _: full
    assert kept.write(insert(1)) == 1
    assert kept.rows() == [1]


def test_another_process_that_holds_the_database_is_waited_for_and_then_named(kept: _Crowded) -> None:
    other = sqlite3.connect(kept.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(KeystoreLockedError, match="locked"):
        kept.write(insert(1))
    other.execute("ROLLBACK")
    other.close()
    assert kept.write(insert(1)) == 1


def test_closing_finishes_what_waits_and_then_nothing_is_taken(kept: _Crowded) -> None:
    kept.write(insert(1))
    kept.writer.close()
    with pytest.raises(RuntimeError, match="closed"):
        kept.write(insert(2))
    assert kept.rows() == [1]


def test_a_seal_is_seen_by_the_jobs_after_it_in_the_same_transaction(kept: _Crowded) -> None:
    seen: list[bool] = []

    def look(transaction: Transaction) -> None:
        seen.append(transaction.sealed)

    def seal_and_open(transaction: Transaction) -> None:
        for since in ("now", None):
            transaction.seal(since)
            look(transaction)

    kept.write(look)
    kept.write(seal_and_open)
    kept.write(lambda transaction: transaction.seal("now"))
    kept.write(look)
    assert seen == [False, True, False, True]
