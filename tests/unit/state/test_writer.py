"""The journal's writer: what is on disk when, how often it flushes, and what happens when it cannot."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kmsplan.kms.secret import SecretBytes
from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect
from kmsplan.state.entry import Ending
from kmsplan.state.error import FenceError, StateAccessError
from kmsplan.state.folding import fold
from kmsplan.state.holder import Holder
from kmsplan.state.journal import Reading, read
from kmsplan.state.record import Pending, Recorded
from kmsplan.state.writer import JournalWriter

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOLDER = Holder(id="1", owner="ada@host", pid=1, command="apply", acquired=NOW, heartbeat=NOW, fence=3)
BASE = Recorded(lineage="l", serial=1, environment="fake/1")


class Held:
    """A lock that can be broken."""

    fence = 3
    broken = False
    holder = HOLDER

    def check(self) -> None:
        if self.broken:
            raise FenceError("broken", "stop")

    def release(self) -> None:
        """Nothing to give back."""


class Disk:
    """Counts flushes, and fails on demand."""

    def __init__(self) -> None:
        self.flushes = 0
        self.failure: BaseException | None = None

    def __call__(self, descriptor: int) -> None:
        self.flushes += 1
        if self.failure is not None:
            raise self.failure
        os.fdatasync(descriptor)


class Bench:
    """A writer, its file, its disk and its lock."""

    def __init__(self, path: Path, kept: bytes = b"", check: str = "l", sequence: int = 0) -> None:
        self.path = path
        self.disk = Disk()
        self.lock = Held()
        self.writer = JournalWriter(
            path,
            kept=kept,
            check=check,
            sequence=sequence,
            base=BASE,
            lock=self.lock,
            run="r",
            clock=lambda: datetime(2026, 1, 1, tzinfo=UTC),
            sync=self.disk,
        )

    def begin(self, name: str = "a", **parameters: Any) -> Pending:
        """Write down that an operation is about to happen, as durably as it has to be by then."""
        pending = self.writer.begin(
            address=Address(f"key.{name}"),
            operation="CreateKey",
            parameters=parameters,
            token="t",
            identity=None,
            effect=Effect(attributes={"description": name}),
        )
        self.writer.flush(pending.sequence)
        return pending

    def on_disk(self) -> Reading:
        return read(self.path.read_bytes(), path=self.path, lineage="l")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "journal.jsonl")


def test_nothing_is_written_before_the_first_entry(bench: Bench) -> None:
    bench.writer.flush()
    assert not bench.path.exists()


def test_a_begin_is_on_disk_when_it_returns(bench: Bench) -> None:
    pending = bench.begin()
    (entry,) = bench.on_disk().entries
    assert (entry.sequence, entry.fence, entry.run) == (pending.sequence, 3, "r")
    assert bench.disk.flushes == 1


def test_an_end_goes_with_the_next_flush(bench: Bench) -> None:
    bench.writer.end(bench.begin().sequence, Ending.DONE, identity="key-1")
    assert len(bench.on_disk().entries) == 1
    bench.begin("b")
    assert len(bench.on_disk().entries) == 3
    assert bench.disk.flushes == 2


def test_flush_makes_everything_durable_and_only_once(bench: Bench) -> None:
    bench.writer.end(bench.begin().sequence, Ending.DONE, identity="key-1")
    bench.writer.flush()
    bench.writer.flush()
    assert (len(bench.on_disk().entries), bench.disk.flushes) == (2, 2)


def test_threads_share_flushes_and_lines_stay_whole_and_in_order(bench: Bench) -> None:
    def work(number: int) -> None:
        for turn in range(25):
            pending = bench.begin(f"k{number}-{turn}")
            bench.writer.end(pending.sequence, Ending.DONE, identity=f"key-{number}-{turn}")

    with ThreadPoolExecutor(16) as pool:
        for future in [pool.submit(work, number) for number in range(16)]:
            future.result(60)
    bench.writer.flush()
    entries = bench.on_disk().entries
    assert [entry.sequence for entry in entries] == list(range(1, 801))
    assert bench.disk.flushes < 400
    assert fold(BASE, entries) == bench.writer.recorded()


def test_what_a_run_before_left_is_kept_and_continued(tmp_path: Path) -> None:
    first = Bench(tmp_path / "journal.jsonl")
    first.begin("a")
    first.writer.close()
    with first.path.open("ab") as file:
        file.write(b'{"sequence":2,"cut off')
    old = first.on_disk()
    kept = first.path.read_bytes()[: old.length]
    second = Bench(first.path, kept=kept, check=old.check, sequence=1)
    second.begin("b")
    assert [entry.sequence for entry in second.on_disk().entries] == [1, 2]


def test_a_run_starts_a_new_file_so_that_nobody_else_has_it_open(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.touch()
    before = path.stat().st_ino
    with path.open("ab") as stale:
        Bench(path).begin()
        stale.write(b"from another life\n")
    assert path.stat().st_ino != before
    assert b"another life" not in path.read_bytes()


def test_a_broken_lock_stops_the_next_write_and_every_later_one(bench: Bench) -> None:
    bench.begin("a")
    bench.lock.broken = True
    with pytest.raises(FenceError):
        bench.begin("b")
    bench.lock.broken = False
    with pytest.raises(FenceError):
        bench.writer.end(1, Ending.DONE, identity="key-1")
    assert (len(bench.on_disk().entries), bench.writer.failed) == (1, True)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_after_a_failed_flush_nothing_more_is_written(bench: Bench, number: int) -> None:
    bench.begin("a")
    bench.disk.failure = OSError(number, os.strerror(number))
    with pytest.raises(StateAccessError, match=f"cannot be written: {os.strerror(number)}") as caught:
        bench.begin("b")
    assert "settles what was begun" in caught.value.remedy
    bench.disk.failure = None
    for write in (lambda: bench.begin("c"), bench.writer.flush, lambda: bench.writer.run(command="x")):
        with pytest.raises(StateAccessError):
            write()


def test_an_interrupted_flush_counts_as_failed(bench: Bench) -> None:
    bench.disk.failure = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        bench.begin("a")
    with pytest.raises(StateAccessError, match="was interrupted"):
        bench.begin("b")


def test_a_secret_is_refused_and_leaves_no_gap(bench: Bench) -> None:
    with pytest.raises(TypeError) as caught:
        bench.begin("a", Pin=SecretBytes(b"4711"))
    assert "4711" not in repr(caught.value)
    bench.begin("b")
    assert [entry.sequence for entry in bench.on_disk().entries] == [1]


def test_a_closed_journal_takes_nothing_more(bench: Bench) -> None:
    bench.begin("a")
    bench.writer.close()
    bench.writer.close()
    with pytest.raises(StateAccessError, match="is closed"):
        bench.begin("b")
