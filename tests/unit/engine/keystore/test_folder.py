"""Files that are not whole yet: gone with whoever was writing them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine import checkpoint
from kmsplan.engine.keystore import folder
from kmsplan.engine.keystore.folder import DRAFT, clear_drafts, make_folder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engines import Lab


def _ended() -> int:
    """Return the number of a process that has ended and been waited for."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_drafts_of_processes_that_have_ended_are_removed_and_nothing_else(tmp_path: Path) -> None:
    gone = _ended()
    kept = {f"audit.checkpoint{DRAFT}{os.getpid()}", f"x{DRAFT}y", "keystore.db"}
    for name in kept | {f"keystore.db{DRAFT}{gone}", f"keystore.db{DRAFT}{gone}-journal"}:
        (tmp_path / name).touch()
    clear_drafts(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == kept


def test_an_engine_that_is_opened_clears_what_a_killed_process_left_beside_it(lab: Lab) -> None:
    draft = lab.folder / f"audit.checkpoint{DRAFT}{_ended()}"
    draft.touch()
    lab.open(read_only=True)
    assert draft.exists()
    lab.open()
    assert not draft.exists()


def test_a_checkpoint_file_that_cannot_be_written_leaves_the_older_one_and_no_draft(lab: Lab) -> None:
    lab.open().close()
    older = (lab.folder / checkpoint.FILE).read_bytes()
    newest = checkpoint.read(lab.folder)
    assert newest is not None
    (lab.folder / checkpoint.FILE).unlink()
    (lab.folder / checkpoint.FILE).mkdir()
    with pytest.raises(OSError, match=checkpoint.FILE):
        checkpoint.write(lab.folder, newest)
    assert [path.name for path in lab.folder.glob(f"*{DRAFT}*")] == []
    (lab.folder / checkpoint.FILE).rmdir()
    (lab.folder / checkpoint.FILE).write_bytes(older)


def test_the_name_of_a_new_engine_is_flushed_with_each_folder_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr(folder, "flush_folder", flushed.append)
    make_folder(tmp_path / "state" / "engine")
    assert set(flushed) == {tmp_path, tmp_path / "state"}
