"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from kmsplan.state import durable
from kmsplan.state.error import FenceError, StateAccessError

if TYPE_CHECKING:
    from pathlib import Path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def allowed() -> None:
    """Nothing is in the way."""


def refuse() -> None:
    raise FenceError("broken", "stop")


def test_a_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    durable.replace(path, b"new", mark="1", allowed=allowed)
    assert (path.read_bytes(), names(tmp_path)) == (b"new", ["x"])


def test_a_refused_replacement_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with pytest.raises(FenceError):
        durable.replace(path, b"new", mark="1", allowed=refuse)
    assert (path.read_bytes(), names(tmp_path)) == (b"old", ["x"])


def test_a_failed_flush_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "x"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        durable.replace(path, b"new", mark="1", allowed=allowed)
    assert (path.read_bytes(), names(tmp_path)) == (b"old", ["x"])


def test_a_replacement_whose_temporary_file_was_taken_away_fails(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with pytest.raises(FileNotFoundError):
        durable.replace(path, b"new", mark="1", allowed=lambda: durable.clear(path))
    assert path.read_bytes() == b"old"


def test_only_the_first_creates_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    assert durable.create(path, b"first", mark="1")
    assert not durable.create(path, b"second", mark="2")
    assert (path.read_bytes(), names(tmp_path)) == (b"first", ["x"])


@pytest.mark.parametrize("links", [True, False])
def test_a_kept_file_stays_when_the_first_name_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, links: bool
) -> None:
    def no_links(*_: Path) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    path, kept = tmp_path / "x", tmp_path / "history" / "x"
    path.write_bytes(b"old")
    durable.keep(path, kept)
    durable.keep(path, kept)
    durable.replace(path, b"new", mark="1", allowed=allowed)
    assert (path.read_bytes(), kept.read_bytes()) == (b"new", b"old")


def test_a_new_folder_is_flushed_where_it_is_named_and_so_is_each_one_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr(durable, "sync_folder", flushed.append)
    durable.make_folder(tmp_path / "outer" / "inner")
    assert (tmp_path / "outer" / "inner").is_dir()
    assert set(flushed) == {tmp_path, tmp_path / "outer"}


def test_a_folder_that_is_there_is_not_flushed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr(durable, "sync_folder", flushed.append)
    durable.make_folder(tmp_path)
    assert flushed == []


def test_reading_what_is_not_there_is_none(tmp_path: Path) -> None:
    assert durable.read(tmp_path / "x") is None
    assert durable.stamp(tmp_path / "x") is None
    assert durable.names(tmp_path / "x") == []


def test_reading_what_cannot_be_read_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(StateAccessError, match=f"{tmp_path} cannot be read: Is a directory"):
        durable.read(tmp_path)


def test_listing_what_is_no_folder_names_the_path(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(StateAccessError, match="cannot be read: Not a directory"):
        durable.names(tmp_path / "x")


def test_a_replaced_file_has_another_stamp(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"same")
    before = durable.stamp(path)
    durable.replace(path, b"same", mark="1", allowed=allowed)
    assert durable.stamp(path) != before


def test_clearing_takes_only_temporary_files_of_the_named_ones(tmp_path: Path) -> None:
    for name in ("x", "x.1.tmp", "y.1.tmp", "x.tmp.keep"):
        (tmp_path / name).touch()
    durable.clear(tmp_path / "x")
    assert names(tmp_path) == ["x", "x.tmp.keep", "y.1.tmp"]
