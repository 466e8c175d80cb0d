"""Who is let in, and when."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.error import KeystoreLockedError
from kmsplan.engine.keystore.line import Line
from tests.running import wait_until

if TYPE_CHECKING:
    from pathlib import Path

_HOLDER = """
import sys, pathlib
from kmsplan.engine.keystore.line import Line
with Line(pathlib.Path(sys.argv[1]), "writer").alone():
    print("mine", flush=True)
    sys.stdin.read()
"""


def test_one_at_a_time_has_the_turn(tmp_path: Path) -> None:
    inside, most = [0], [0]

    def take(turn: Line) -> None:
        for _ in range(50):
            with turn.alone():
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    turns = [Line(tmp_path, "writer") for _ in range(3)]
    threads = [threading.Thread(target=take, args=(turn,)) for turn in turns]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for turn in turns:
        turn.close()
    assert most == [1]


def test_who_was_served_does_not_come_in_again_before_who_waits(tmp_path: Path) -> None:
    order: list[str] = []
    greedy, patient = Line(tmp_path, "writer"), Line(tmp_path, "writer")

    def wait() -> None:
        with patient.alone():
            order.append("patient")

    thread = threading.Thread(target=wait)
    with greedy.alone():
        thread.start()
        wait_until(lambda: not _free(tmp_path / "writer.door"))
    with greedy.alone():
        order.append("greedy")
    thread.join()
    greedy.close()
    patient.close()
    assert order == ["patient", "greedy"]


def test_who_does_not_wait_gets_a_turn_that_ends_soon_and_gives_a_longer_one_up(tmp_path: Path) -> None:
    one, other = Line(tmp_path, "writer"), Line(tmp_path, "writer")
    with one.alone():
        begun = time.monotonic()
        with pytest.raises(BlockingIOError), other.alone(wait=False):
            pytest.fail("two have the turn")
        assert time.monotonic() - begun < 1
        assert _free(tmp_path / "writer.door"), "who gives up keeps nobody out"
        threading.Timer(0.001, lambda: fcntl.flock(one._room, fcntl.LOCK_UN)).start()
        with other.alone(wait=False):
            assert not _free(tmp_path / "writer.lock")
    for turn in (one, other):
        turn.close()


def test_who_waits_gives_up_on_a_turn_that_lasts_longer_than_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kmsplan.engine.keystore.line.PATIENCE", 0.2)
    one, other = Line(tmp_path, "writer"), Line(tmp_path, "writer")
    with one.alone():
        with pytest.raises(KeystoreLockedError, match=r"stopped .*writer\.lock"), other.alone():
            pytest.fail("two have the turn")
        assert _free(tmp_path / "writer.door"), "who gives up keeps nobody out"
    with other.alone():
        assert not _free(tmp_path / "writer.lock")
    for turn in (one, other):
        turn.close()


def _free(path: Path) -> bool:
    """Return whether nobody holds the door, as the kernel tells."""
    return subprocess.run(["flock", "--nonblock", path, "true"], check=False).returncode == 0


def test_a_killed_process_gives_its_turn_back(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"mine\n"
        assert not _free(tmp_path / "writer.lock")
        holder.kill()
        turn = Line(tmp_path, "writer")
        with turn.alone():
            assert not _free(tmp_path / "writer.lock")
        turn.close()


def test_several_are_in_together_and_keep_out_who_wants_to_be_alone(tmp_path: Path) -> None:
    one, other, alone = (Line(tmp_path, "gate") for _ in range(3))
    with one.together(), other.together(), pytest.raises(BlockingIOError), alone.alone(wait=False):
        pytest.fail("it is not alone")
    with alone.alone(wait=False), pytest.raises(BlockingIOError), one.together():
        pytest.fail("somebody wants to be alone")
    for line in (one, other, alone):
        line.close()


def test_who_wants_to_be_alone_is_let_in_before_those_who_come_later(tmp_path: Path) -> None:
    one, other, alone = (Line(tmp_path, "gate") for _ in range(3))
    was_alone = threading.Event()

    def wait() -> None:
        with alone.alone():
            was_alone.set()

    thread = threading.Thread(target=wait)
    with one.together():
        thread.start()
        wait_until(lambda: not _free(tmp_path / "gate.door"))
        with pytest.raises(BlockingIOError), other.together():
            pytest.fail("it slipped in")
        assert not was_alone.is_set()
    thread.join()
    assert was_alone.is_set()
    for line in (one, other, alone):
        line.close()
