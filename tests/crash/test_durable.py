"""What a power cut leaves, and that the harness tells a program that flushes from one that does not."""

from __future__ import annotations

import os
import stat
from functools import partial
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.keystore.drafts import new_file
from tests.crash import sparse
from tests.crash.durable import Durable
from tests.crash.forked import side_by_side
from tests.crash.stories import SCENARIOS
from tests.crash.tracer import Fault, Tracer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.crash.tracer import Traced


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with a file in it, and one folder more."""
    folder = (tmp_path / "root").resolve()
    (folder / "inner").mkdir(parents=True)
    (folder / "file").write_text("first")
    return folder


def test_what_is_written_is_gone_unless_it_was_flushed(root: Path) -> None:
    durable = Durable(root)
    (root / "file").write_text("flushed")
    durable.flush(root / "file")
    (root / "file").write_text("not flushed, and longer")
    durable.cut(names=False)
    assert (root / "file").read_text() == "flushed"


def test_a_new_name_is_gone_unless_its_folder_was_flushed(root: Path) -> None:
    durable = Durable(root)
    for name in ("known", "unknown"):
        (root / "inner" / name).write_text(name)
        durable.flush(root / "inner" / name)
        if name == "known":
            durable.flush(root / "inner")
    durable.cut(names=False)
    assert [path.name for path in (root / "inner").iterdir()] == ["known"]


def test_what_was_removed_or_replaced_is_back_unless_its_folder_was_flushed(root: Path) -> None:
    (root / "removed").write_text("here")
    durable = Durable(root)
    (root / "removed").unlink()
    (root / "new").write_text("second")
    (root / "new").rename(root / "file")
    durable.cut(names=False)
    assert {path.name for path in root.iterdir()} == {"file", "removed", "inner"}
    assert (root / "file").read_text() == "first"


def test_where_names_stay_a_file_that_was_renamed_without_a_flush_is_empty(root: Path) -> None:
    durable = Durable(root)
    (root / "new").write_text("second")
    (root / "new").rename(root / "file")
    durable.cut(names=True)
    assert (root / "file").read_text() == ""


def test_modes_and_holes_stay_and_so_does_what_is_elsewhere(root: Path) -> None:
    (root / "file").chmod(0o600)
    os.truncate(root / "file", 2**30)
    (root / "token").mkdir()
    durable = Durable(root, ("token",))
    (root / "token" / "object").write_text("kept by the token")
    durable.cut(names=False)
    found = (root / "file").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_size) == (0o600, 2**30)
    assert found.st_blocks < 100
    assert (root / "token" / "object").read_text() == "kept by the token"


def test_a_copy_of_a_file_has_its_holes(root: Path) -> None:
    os.truncate(root / "file", 2**30)
    sparse.copy(str(root / "file"), str(root / "copy"))
    assert (root / "copy").stat().st_blocks < 100
    assert (root / "copy").stat().st_size == 2**30
    assert [content.rstrip(b"\0") for _, content in sparse.written(root / "copy")] == [b"first"]


def _replace(root: Path, *, flushed: bool) -> int:
    """Replace a file, and then do one more thing, at which the power goes."""
    with (root / "new").open("w") as file:
        file.write("second")
        file.flush()
        if flushed:
            os.fsync(file.fileno())
    (root / "new").rename(root / "file")
    (root / "mark").touch()
    return 0


def _folder_flushed(root: Path) -> int:
    _replace(root, flushed=True)
    folder = os.open(root, os.O_RDONLY)
    os.fsync(folder)
    (root / "mark 2").touch()
    return 0


@pytest.mark.parametrize(
    ("fault", "program", "left"),
    [
        (Fault.HOLLOW, partial(_replace, flushed=False), ""),
        (Fault.HOLLOW, partial(_replace, flushed=True), "second"),
        (Fault.POWER, partial(_replace, flushed=True), "first"),
        (Fault.POWER, _folder_flushed, "second"),
    ],
    ids=["never flushed", "file flushed", "folder not flushed", "both flushed"],
)
def test_the_power_goes_at_the_last_point_of_a_program(
    root: Path, fault: Fault, program: Callable[[Path], int], left: str
) -> None:
    assert _last_point(root, fault, lambda: program(root)) == "name"
    assert (root / "file").read_text() == left


def _new_file(root: Path) -> int:
    """Make a file that has no name until it is whole, and then do one more thing."""
    with new_file(root / "new") as draft, draft.open("w") as file:
        file.write("whole")
        file.flush()
        os.fsync(file.fileno())
    (root / "mark").touch()
    return 0


@pytest.mark.parametrize("fault", [Fault.POWER, Fault.HOLLOW])
def test_a_new_file_that_had_no_name_outlives_a_power_cut_when_it_has_one(root: Path, fault: Fault) -> None:
    assert _last_point(root, fault, lambda: _new_file(root)) == "name"
    assert (root / "new").read_text() == "whole"


def test_giving_a_file_its_name_is_a_crash_point(root: Path) -> None:
    points = _traced(Tracer(root), lambda: _new_file(root)).points
    assert [point.where for point in points if point.call == "linkat"] == ["new"]


def test_what_an_apply_has_done_outlives_a_power_cut_at_its_very_end(tmp_path: Path) -> None:
    (create,) = [scenario for scenario in SCENARIOS if scenario.name == "create"]
    prepared = tmp_path.resolve() / "prepared"
    create.found(prepared)
    counted = create.copy(prepared, prepared.with_name("counted"))
    points = _traced(Tracer(counted.root), counted.program(*create.interrupted(1))).points
    place = create.copy(prepared, prepared.with_name("cut"))
    traced = _traced(Tracer(place.root, Fault.POWER, len(points)), place.program(*create.interrupted(1)))
    assert traced.hit is not None
    planned = place.run("plan", "--detailed-exitcode")
    assert planned.code == 0, planned.text


def _traced(tracer: Tracer, program: Callable[[], int]) -> Traced:
    """Run a program in a process that has no other children."""
    (traced,) = side_by_side([None], lambda _: tracer.run(program), 1)
    return traced


def _last_point(root: Path, fault: Fault, program: Callable[[], int]) -> str:
    """Run a program in a copy to count its points, then with the fault at the last one; return its kind."""
    points = _traced(Tracer(root), program).points
    for name in ("mark", "mark 2", "new"):
        (root / name).unlink(missing_ok=True)
    (root / "file").write_text("first")
    traced = _traced(Tracer(root, fault, len(points)), program)
    assert traced.hit is not None
    assert traced.status is not None
    return traced.hit.kind
