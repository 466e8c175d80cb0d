"""Files that are mostly holes: the engine's file of nonces is a gigabyte of which a few pages are written."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def written(path: Path) -> Iterator[tuple[int, bytes]]:
    """Return what is written in a file, piece by piece, with where it stands."""
    with path.open("rb") as file:
        size, place = os.fstat(file.fileno()).st_size, 0
        while place < size:
            try:
                start = os.lseek(file.fileno(), place, os.SEEK_DATA)
            except OSError:  # ENXIO: nothing but a hole is left
                return
            place = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            yield start, os.pread(file.fileno(), place - start, start)


def write(path: Path, size: int, pieces: Iterable[tuple[int, bytes]]) -> None:
    """Make a file of some size with these pieces in it, and holes between them."""
    with path.open("wb") as file:
        for start, content in pieces:
            os.pwrite(file.fileno(), content, start)
        os.truncate(file.fileno(), size)


def copy(source: str, target: str) -> str:
    """Copy a file with its holes, its mode and its times, as `shutil.copy2` does without the holes."""
    write(Path(target), Path(source).stat().st_size, written(Path(source)))
    shutil.copystat(source, target)
    return target
