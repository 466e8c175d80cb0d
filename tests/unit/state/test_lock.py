"""The local lock, with real processes."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kmsplan.state import lock as module
from kmsplan.state.error import FenceError, LockHeldError, StateAccessError, UnlockError
from kmsplan.state.holder import SIZE, LockFile
from kmsplan.state.lock import Lock, acquire, unlock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kmsplan.state.holder import Holder

ROOT = Path(__file__).parents[3]
HOLD = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from kmsplan.state.local import LocalStore
store = LocalStore(Path(sys.argv[1]))
lock = store.lock(owner="ada@host", command="kmsplan apply")
with store.open(lock) as writing:
    writing.init("a" * 32)
    writing.journal.run(command="kmsplan apply")
    writing.journal.flush()
    print(lock.holder.id, flush=True)
    sys.stdin.readline()
    try:
        writing.journal.run(command="again")
        writing.journal.flush()
        print("written", flush=True)
    except Exception as error:
        print(type(error).__name__, flush=True)
    try:
        writing.save()
        print("saved", flush=True)
    except Exception as error:
        print(type(error).__name__, flush=True)
"""


def take(path: Path, clock: Callable[[], datetime], timeout: float = 0.0) -> Lock:
    return acquire(
        path,
        owner="eve@host",
        command="kmsplan apply",
        identifier="mine",
        clock=clock,
        timeout=timeout,
        sleep=lambda _: None,
    )


def now() -> datetime:
    return datetime.now(UTC)


def later() -> datetime:
    return now() + timedelta(hours=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kmsplan.lock"


@pytest.fixture
def holding(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock of `tmp_path`; it says its lock id, and writes when it gets a line."""
    # A killed process leaves half a coverage file, so it measures none.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_held_lock_shows_its_holder(holding: subprocess.Popen[str], path: Path) -> None:
    identifier = said(holding)
    with pytest.raises(LockHeldError) as caught:
        take(path, now)
    assert caught.value.holder is not None
    assert caught.value.holder.id == identifier
    for part in ("ada@host", f"pid {holding.pid}", "kmsplan apply", identifier):
        assert part in str(caught.value)
    assert f"kmsplan unlock {identifier}" in caught.value.remedy


def test_the_lock_of_a_dead_process_frees_itself(holding: subprocess.Popen[str], path: Path) -> None:
    said(holding)
    holding.kill()
    holding.wait()
    with take(path, now) as lock:
        assert lock.fence == 2


def test_a_stopped_holder_that_wakes_up_after_unlock_cannot_write(
    holding: subprocess.Popen[str], path: Path, tmp_path: Path
) -> None:
    identifier = said(holding)
    holding.send_signal(signal.SIGSTOP)
    unlock(path, identifier, clock=later)
    with take(path, now) as lock:
        assert lock.fence == 3
        before = {name: (tmp_path / name).read_bytes() for name in ("kmsplan.state.json", "journal.jsonl")}
        holding.send_signal(signal.SIGCONT)
        assert holding.stdin is not None
        holding.stdin.write("go\n")
        holding.stdin.flush()
        assert (said(holding), said(holding)) == ("FenceError", "FenceError")
        assert {name: (tmp_path / name).read_bytes() for name in before} == before
        lock.check()


def test_unlock_needs_the_right_id(holding: subprocess.Popen[str], path: Path) -> None:
    said(holding)
    with pytest.raises(UnlockError, match="another id than 'guess'"):
        unlock(path, "guess", clock=later)


def test_unlock_refuses_while_the_holder_is_alive(holding: subprocess.Popen[str], path: Path) -> None:
    identifier = said(holding)
    with pytest.raises(UnlockError, match="is alive"):
        unlock(path, identifier, clock=now)


def test_a_clock_that_was_set_back_does_not_keep_a_stopped_holder_alive(
    holding: subprocess.Popen[str], path: Path
) -> None:
    identifier = said(holding)
    assert unlock(path, identifier, clock=lambda: now() - timedelta(hours=8)).id == identifier


def test_there_is_nothing_to_unlock_where_nobody_holds_it(path: Path) -> None:
    with pytest.raises(UnlockError, match="nobody holds the lock"):
        unlock(path, "x", clock=later)
    take(path, now).release()
    with pytest.raises(UnlockError, match="nobody holds the lock"):
        unlock(path, "mine", clock=later)


def test_the_number_grows_with_every_holding(path: Path) -> None:
    fences = []
    for _ in range(3):
        with take(path, now) as lock:
            fences.append(lock.fence)
    assert fences == [1, 2, 3]


def test_a_lock_held_by_something_nameless_says_so(path: Path) -> None:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(LockHeldError, match="has not written its name"):
            take(path, now)
        with pytest.raises(UnlockError, match="another id"):
            unlock(path, "x", clock=later)


def test_waiting_takes_the_lock_when_it_is_given_back(path: Path) -> None:
    first = take(path, now)
    waited: list[Holder | None] = []
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 4:
            first.release()

    second = acquire(
        path, owner="b", command="c", identifier="d", clock=now, timeout=60, sleep=sleep, waiting=waited.append
    )
    assert (second.fence, waited) == (2, [first.holder])
    second.release()


def test_waiting_ends_with_the_timeout(path: Path) -> None:
    slept: list[float] = []
    with take(path, now), pytest.raises(LockHeldError, match="after waiting 2 s"):
        acquire(path, owner="b", command="c", identifier="d", clock=now, timeout=2, sleep=slept.append)
    assert 2 <= sum(slept) <= 2.1


def test_a_deleted_lock_file_is_a_lost_lock(path: Path) -> None:
    with take(path, now) as lock:
        lock.check()
        path.unlink()
        with pytest.raises(FenceError, match="was broken while this process held it"):
            lock.check()


def test_a_heartbeat_is_written_while_the_lock_is_held(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEARTBEAT", 0.01)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    times = iter(start + timedelta(minutes=minute) for minute in range(100_000))
    with take(path, lambda: next(times)):
        for _ in range(6000):
            holder = LockFile.decode(path.read_bytes()).holder
            if holder and holder.heartbeat > holder.acquired:
                break
            time.sleep(0.01)
        assert holder is not None
        assert holder.heartbeat > holder.acquired


def test_a_broken_lock_has_no_heart(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEARTBEAT", 0.01)
    with take(path, now) as lock:
        unlock(path, "mine", clock=later)
        lock._heart.join(60)
        assert not lock._heart.is_alive()
        assert LockFile.decode(path.read_bytes()) == LockFile(2, None)


def test_releasing_twice_is_harmless_and_leaves_no_name(path: Path) -> None:
    lock = take(path, now)
    lock.release()
    lock.release()
    assert LockFile.decode(path.read_bytes()) == LockFile(1, None)
    assert path.stat().st_size == SIZE


def test_a_lock_that_cannot_be_made_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(StateAccessError, match=r"kmsplan\.lock cannot be written"):
        take(tmp_path / "nowhere" / "kmsplan.lock", now)


def test_a_lock_whose_holder_cannot_be_written_is_not_taken(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(StateAccessError, match="No space left on device"):
            take(path, now)
    take(path, now).release()


def test_a_lock_that_is_broken_while_it_is_taken_is_taken_anew(path: Path) -> None:
    first = take(path, now)

    def break_it(_: float) -> None:
        if path.exists() and first.holder.fence == 1:
            path.unlink()

    second = acquire(path, owner="b", command="c", identifier="d", clock=now, sleep=break_it)
    with pytest.raises(FenceError):
        first.check()
    second.check()
    second.release()
    first.release()


def test_many_processes_never_hold_it_together(tmp_path: Path) -> None:
    script = """
import sys, time
from pathlib import Path
from datetime import datetime, UTC
from kmsplan.state.lock import acquire
folder = Path(sys.argv[1])
for _ in range(10):
    with acquire(folder / "lock", owner="a", command="b", identifier="c", clock=lambda: datetime.now(UTC), timeout=60,
                 sleep=lambda _: time.sleep(0.001)):
        (folder / "inside").touch(exist_ok=False)
        (folder / "inside").unlink()
        with (folder / "count").open("a") as file:
            file.write("x")
"""
    processes = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    assert (tmp_path / "count").stat().st_size == 40
    assert LockFile.decode((tmp_path / "lock").read_bytes()).fence == 40
