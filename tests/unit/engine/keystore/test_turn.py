"""Who may write to a SQLite file, and when."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.keystore.turn import Turn

if TYPE_CHECKING:
    from pathlib import Path

_HOLDER = """
import sys, pathlib
import pytest

from kmsplan.engine.keystore.turn import Turn
with Turn(pathlib.Path(sys.argv[1]))():
    print("mine", flush=True)
    sys.stdin.read()
"""


def test_one_at_a_time_has_the_turn(tmp_path: Path) -> None:
    inside, most = [0], [0]

    def take(turn: Turn) -> None:
        for _ in range(50):
            with turn():
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    turns = [Turn(tmp_path) for _ in range(3)]
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
    greedy, patient = Turn(tmp_path), Turn(tmp_path)

    def wait() -> None:
        with patient():
            order.append("patient")

    thread = threading.Thread(target=wait)
    with greedy():
        thread.start()
        deadline = time.monotonic() + 5
        while _free(tmp_path / "writer.door") and time.monotonic() < deadline:
            time.sleep(0.001)
    with greedy():
        order.append("greedy")
    thread.join()
    greedy.close()
    patient.close()
    assert order == ["patient", "greedy"]


def test_who_does_not_wait_gets_a_turn_that_ends_soon_and_gives_a_longer_one_up(tmp_path: Path) -> None:
    one, other = Turn(tmp_path), Turn(tmp_path)
    with one():
        begun = time.monotonic()
        with pytest.raises(BlockingIOError), other(wait=False):
            pytest.fail("two have the turn")
        assert time.monotonic() - begun < 1
        assert _free(tmp_path / "writer.door"), "who gives up keeps nobody out"
        threading.Timer(0.001, lambda: fcntl.flock(one._room, fcntl.LOCK_UN)).start()
        with other(wait=False):
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
        turn = Turn(tmp_path)
        with turn():
            assert not _free(tmp_path / "writer.lock")
        turn.close()
