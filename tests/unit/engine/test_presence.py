"""Marks of processes in the engine's folder."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from kmsplan.engine.presence import FolderPresence

if TYPE_CHECKING:
    from pathlib import Path

_NODE = """
import os, sys, pathlib
from kmsplan.engine.presence import FolderPresence
presence = FolderPresence(pathlib.Path(sys.argv[1]), os.urandom)
print(presence.node_id, presence.lead(), flush=True)
sys.stdin.read()
"""


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("node-*"))


def test_a_killed_process_is_not_there_any_more_and_its_file_goes(tmp_path: Path) -> None:
    mine = FolderPresence(tmp_path, os.urandom)
    command = [sys.executable, "-c", _NODE, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        node, leads = other.stdout.readline().split()
        assert leads == "True"
        assert mine.alive(node)
        assert not mine.lead()
        other.kill()
    assert len(_files(tmp_path)) == 2
    assert not mine.alive(node)
    assert mine.lead()
    assert _files(tmp_path) == [f"node-{mine.node_id}.lock"]
    mine.close()
    assert _files(tmp_path) == []


def test_a_mark_that_was_taken_for_a_dead_ones_while_it_was_made_is_made_again(tmp_path: Path) -> None:
    chosen = (3).to_bytes(8, "big")
    stale = tmp_path / f"node-{chosen.hex()}.lock"
    descriptor = os.open(stale, os.O_CREAT | os.O_RDWR)
    stale.unlink()
    os.close(descriptor)
    presence = FolderPresence(tmp_path, lambda _: chosen)
    other = FolderPresence(tmp_path, os.urandom)
    assert other.alive(chosen.hex())
    other.close()
    presence.close()


def test_whoever_opens_the_engine_removes_the_files_of_the_killed_and_leaves_those_of_the_living(
    tmp_path: Path,
) -> None:
    living = FolderPresence(tmp_path, os.urandom)
    (tmp_path / "node-0123456789abcdef.lock").touch()
    mine = FolderPresence(tmp_path, os.urandom)
    assert _files(tmp_path) == sorted(f"node-{presence.node_id}.lock" for presence in (living, mine))
    assert mine.alive(living.node_id)
    mine.close()
    living.close()
