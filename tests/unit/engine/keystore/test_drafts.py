"""Files that are not whole yet: gone with whoever was writing them, and not before."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine import checkpoint
from kmsplan.engine.keystore.drafts import DRAFT, clear_drafts, drafted, new_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.engines import Lab

_WRITES = """
import sys, time
from pathlib import Path
from kmsplan.engine.keystore.drafts import drafted
with drafted(Path(sys.argv[1])) as draft:
    draft.write_text("half")
    print(draft, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def writing(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process in the middle of a draft of `file`, and the draft."""
    with subprocess.Popen(
        [sys.executable, "-c", _WRITES, str(tmp_path / "file")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process, tmp_path / process.stdout.readline().strip()
        process.kill()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_draft_is_empty_and_its_owners_alone_and_gets_its_name_at_the_end(tmp_path: Path) -> None:
    with drafted(tmp_path / "file") as draft:
        assert (draft.parent, draft.read_bytes(), draft.stat().st_mode & 0o777) == (tmp_path, b"", 0o600)
        draft.write_text("whole")
        draft.replace(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "whole"
    assert names(tmp_path) == {"file"}


def test_a_draft_that_was_not_to_be_goes(tmp_path: Path) -> None:
    def interrupted() -> None:
        with drafted(tmp_path / "file") as draft:
            draft.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names(tmp_path) == set()


def test_a_draft_that_somebody_writes_is_left_and_one_of_a_killed_process_is_not(
    tmp_path: Path, writing: tuple[subprocess.Popen[str], Path]
) -> None:
    process, draft = writing
    clear_drafts(tmp_path)
    assert draft.read_text() == "half"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    clear_drafts(tmp_path)
    assert names(tmp_path) == set()


def test_drafts_of_dead_processes_are_removed_whoever_has_their_number_now_and_nothing_else(tmp_path: Path) -> None:
    kept = {f"x{DRAFT}y", "keystore.db", "keystore.db-journal"}
    left = {f"audit.checkpoint{DRAFT}{os.getpid()}", f"keystore.db{DRAFT}1", f"keystore.db{DRAFT}1-journal"}
    orphan = {f"keystore.db{DRAFT}2-journal"}
    for name in kept | left | orphan:
        (tmp_path / name).touch()
    clear_drafts(tmp_path)
    assert names(tmp_path) == kept


def test_a_database_that_is_being_written_keeps_its_journal(tmp_path: Path) -> None:
    with drafted(tmp_path / "keystore.db") as draft:
        journal = draft.with_name(f"{draft.name}-journal")
        journal.touch()
        clear_drafts(tmp_path)
        assert names(tmp_path) == {draft.name, journal.name}
    assert names(tmp_path) == set()


def test_what_a_dead_process_left_under_the_same_name_is_not_written_to(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    os.link(theirs, tmp_path / f"file{DRAFT}{threading.get_native_id()}")
    with drafted(tmp_path / "file") as draft:
        draft.write_text("mine")
    assert theirs.read_text() == "theirs"
    assert names(tmp_path) == {"theirs"}


def test_a_name_that_is_taken_is_left_to_whoever_has_it(tmp_path: Path) -> None:
    number = threading.get_native_id()
    (tmp_path / f"file{DRAFT}{number}").symlink_to("elsewhere")
    with drafted(tmp_path / "file") as other, drafted(tmp_path / "file") as draft:
        assert [other.name, draft.name] == [f"file{DRAFT}{number + 1}", f"file{DRAFT}{number + 2}"]
    assert names(tmp_path) == {f"file{DRAFT}{number}"}


def test_a_draft_that_was_taken_for_a_dead_ones_before_it_was_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked, seen = fcntl.flock, list[str]()

    def late(descriptor: int, kind: int) -> None:
        if kind == fcntl.LOCK_EX and not seen:
            seen.extend(names(tmp_path))
            clear_drafts(tmp_path)
        locked(descriptor, kind)

    monkeypatch.setattr(fcntl, "flock", late)
    with drafted(tmp_path / "file") as draft:
        assert len(seen) == 1
        assert draft.exists()
        clear_drafts(tmp_path)
        assert draft.exists()


def test_a_draft_that_is_whole_by_now_leaves_its_name_to_another(tmp_path: Path) -> None:
    with drafted(tmp_path / "file") as draft:
        draft.replace(tmp_path / "file")
        draft.write_text("of somebody else")
    assert draft.read_text() == "of somebody else"


def test_a_file_system_without_locks_is_written_to_and_not_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, kind: int) -> None:
        raise OSError(descriptor, kind)

    monkeypatch.setattr(fcntl, "flock", refuse)
    with drafted(tmp_path / "file") as draft:
        clear_drafts(tmp_path)
        draft.replace(tmp_path / "file")
    assert names(tmp_path) == {"file"}


def test_an_engine_that_is_opened_clears_what_a_killed_process_left_beside_it(lab: Lab) -> None:
    draft = lab.folder / f"audit.checkpoint{DRAFT}{os.getpid()}"
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


def _killed_over(folder: Path, writing: str) -> set[str]:
    """Return what is in a folder when a process was killed that was writing its `file`, half of it written."""
    script = f"""
import os, signal, sys
from pathlib import Path
from kmsplan.engine.keystore import drafts
with drafts.{writing}(Path(sys.argv[1]) / "file") as draft:
    draft.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", script, str(folder)], check=False)
    assert killed.returncode == -signal.SIGKILL
    return names(folder)


def test_of_a_new_file_nothing_is_left_by_a_process_that_is_killed_over_it(tmp_path: Path) -> None:
    assert _killed_over(tmp_path, "new_file") == set()


def test_a_new_file_is_its_owners_alone_and_there_when_it_is_whole(tmp_path: Path) -> None:
    with new_file(tmp_path / "file") as draft:
        draft.write_text("whole")
        assert names(tmp_path) == set()
    assert (tmp_path / "file").read_text() == "whole"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


def test_a_new_file_that_fails_half_way_is_not_there(tmp_path: Path) -> None:
    def interrupted() -> None:
        with new_file(tmp_path / "file") as draft:
            draft.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names(tmp_path) == set()


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the file system keep no file without a name, as those of networks."""
    opened = os.open

    def refuse(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        return opened(path, flags, mode)

    monkeypatch.setattr(os, "open", refuse)


@pytest.mark.parametrize("system", ["any", "named"])
def test_a_new_file_never_takes_the_place_of_another(
    tmp_path: Path, request: pytest.FixtureRequest, system: str
) -> None:
    if system == "named":
        request.getfixturevalue("named")

    def overtaken() -> None:
        with new_file(tmp_path / "file") as draft:
            draft.write_text("new")
            (tmp_path / "file").write_text("precious")

    with pytest.raises(FileExistsError):
        overtaken()
    assert (tmp_path / "file").read_text() == "precious"
    assert names(tmp_path) == {"file"}


@pytest.mark.usefixtures("named")
def test_where_every_file_has_a_name_a_new_one_has_a_drafts_until_it_is_whole(tmp_path: Path) -> None:
    with new_file(tmp_path / "file") as draft:
        assert names(tmp_path) == {draft.name}
        draft.write_text("whole")
    assert names(tmp_path) == {"file"}
    assert (tmp_path / "file").read_text() == "whole"


def test_a_folder_that_cannot_be_written_is_said_of_a_new_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), new_file(tmp_path / "missing" / "file"):
        raise AssertionError
