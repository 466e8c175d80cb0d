"""This machine's part of a shared state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.state.shared.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path


def test_what_a_cut_off_write_of_a_journal_has_left_is_removed_and_no_journal_is(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    journal = workspace.journal(b"a snapshot")
    journal.write_bytes(b"entries")
    journal.with_name(f"{journal.name}.3.tmp").write_bytes(b"half of")
    workspace.journal(b"an older one").with_name(f"{workspace.journal(b'an older one').name}.2.tmp").touch()
    workspace.clear()
    assert [path.name for path in tmp_path.iterdir()] == [journal.name]
