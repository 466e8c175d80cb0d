from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.engine.error import KeystoreLockedError
from kmsplan.engine.keystore.rounds import MOST, QUICK, SHARE, Rounds
from kmsplan.engine.keystore.transaction import Ticket
from tests.kept import Kept, insert

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kmsplan.engine.keystore.transaction import Transaction


class _Loop(Kept):
    """An event loop's jobs, its next round, its clock, and what it left to the writing thread."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.now = 100.0
        self.slowness = 0.0
        self.handed: list[Ticket[Any]] = []
        self.next: list[Callable[[], None]] = []
        self.rounds = Rounds(None, self.committer, self._hand_over, self.next.append, lambda: self.now)
        begin = self.conclude

        def conclude(transaction: Transaction) -> Callable[[], None] | None:
            self.now += self.slowness
            return begin(transaction)

        self.conclude = conclude

    def _hand_over(self, job: Ticket[Any]) -> None:
        self.handed.append(job)
        self.writer.submit(job)

    def submit(self, work: Callable[[Transaction], Any]) -> Ticket[Any]:
        job = Ticket(work, touches=False)
        self.rounds.submit(job)
        return job

    def round(self) -> None:
        """Have the loop's next round."""
        calls, self.next[:] = list(self.next), []
        for call in calls:
            call()

    def finish(self) -> None:
        while self.next:
            self.round()


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[_Loop]:
    made = _Loop(tmp_path / "t.db")
    yield made
    made.writer.close()


def test_a_commit_waits_for_the_first_round_that_brings_nothing_new(loop: _Loop) -> None:
    jobs = [loop.submit(insert(1)), loop.submit(insert(2))]
    loop.round()
    assert loop.rows() == []
    jobs.append(loop.submit(insert(3)))
    loop.round()
    assert loop.rows() == []
    loop.round()
    assert [job.value() for job in jobs] == [1, 2, 3]
    assert (loop.rows(), loop.committer.commits, loop.handed, loop.next) == ([1, 2, 3], 1, [], [])


def test_the_first_does_not_wait_for_ever_newer_ones(loop: _Loop) -> None:
    first = loop.submit(insert(0))
    for number in range(1, MOST):
        loop.submit(insert(number))
    assert not first.done
    loop.round()
    assert first.done
    assert len(loop.rows()) == MOST


def test_a_later_round_commits_what_comes_later(loop: _Loop) -> None:
    for number in range(3):
        job = loop.submit(insert(number))
        loop.finish()
        assert job.value() == number
    assert loop.committer.commits == 3


def test_who_is_called_back_may_hand_in_the_next(loop: _Loop) -> None:
    more: list[Ticket[Any]] = []
    loop.submit(insert(1)).then(lambda _: more.append(loop.submit(insert(2))))
    loop.finish()
    assert [job.value() for job in more] == [2]


def test_a_job_that_fails_fails_alone_and_leaves_nothing(loop: _Loop) -> None:
    def fail(transaction: Transaction) -> None:
        insert(7)(transaction)
        raise LookupError

    good, bad, other = loop.submit(insert(1)), loop.submit(fail), loop.submit(insert(2))
    loop.finish()
    assert (good.value(), other.value()) == (1, 2)
    with pytest.raises(LookupError):
        bad.value()
    assert loop.rows() == [1, 2]


def test_a_database_that_fails_fails_the_round_and_is_opened_anew(loop: _Loop) -> None:
    jobs = [loop.submit(insert(1)), loop.submit(lambda transaction: transaction.db.execute("SELECT a FROM nowhere"))]
    loop.finish()
    for job in jobs:
        with pytest.raises(RuntimeError, match="nowhere"):
            job.value()
    loop.submit(insert(2))
    loop.finish()
    assert (loop.rows(), loop.connections) == ([2], 2)


def test_while_the_writing_thread_writes_it_gets_the_jobs(loop: _Loop) -> None:
    entered, release = threading.Event(), threading.Event()

    def hold(_: Transaction) -> None:
        entered.set()
        release.wait(60)

    holder = threading.Thread(target=lambda: loop.write(hold))
    holder.start()
    assert entered.wait(60)
    job = loop.submit(insert(1))
    loop.finish()
    assert loop.handed == [job]
    assert not job.done
    release.set()
    holder.join()
    assert job.wait() == 1


def test_while_another_process_has_the_turn_the_writing_thread_waits_for_it(loop: _Loop) -> None:
    loop.taken = True
    job = loop.submit(insert(1))
    loop.finish()
    assert loop.handed == [job]
    assert job.wait() == 1


def test_while_a_shell_writes_the_loop_goes_on_and_the_writing_thread_says_why_it_could_not(loop: _Loop) -> None:
    with closing(sqlite3.connect(loop.path, isolation_level=None)) as shell:
        shell.execute("BEGIN IMMEDIATE")
        job = loop.submit(insert(1))
        loop.finish()
        assert loop.handed == [job]
        with pytest.raises(KeystoreLockedError, match="locked"):
            job.wait()
    after = loop.submit(insert(2))
    loop.finish()
    assert (after.value(), loop.rows(), loop.handed) == (2, [2], [job])


def test_a_slow_disk_is_left_to_the_writing_thread_and_tried_again_later(loop: _Loop) -> None:
    loop.slowness = 2 * QUICK
    loop.submit(insert(1))
    loop.finish()
    loop.slowness = 0.0
    beside = loop.submit(insert(2))
    assert beside.wait() == 2
    assert (loop.handed, loop.next) == ([beside], [])
    loop.now += 2 * QUICK * SHARE
    again = loop.submit(insert(3))
    loop.finish()
    assert again.value() == 3
    assert loop.handed == [beside]


def test_what_waits_when_the_loop_ends_is_handed_over(loop: _Loop) -> None:
    job = loop.submit(insert(1))
    loop.rounds.close()
    assert job.wait() == 1


def test_another_thread_is_not_the_loops(loop: _Loop) -> None:
    seen: list[bool] = []
    thread = threading.Thread(target=lambda: seen.append(loop.rounds.here))
    thread.start()
    thread.join()
    assert (seen, loop.rounds.here) == ([False], True)
