"""What is left of a folder where the power goes: what was flushed, and of the rest as little as POSIX promises."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.crash import sparse

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class _Entry:
    """A name in a folder; what it means goes by the inode, which other names may have, too."""

    inode: int
    mode: int
    is_folder: bool


@dataclass(slots=True)
class Durable:
    """What of a folder is on the disk for certain. All that is there at first is."""

    root: Path
    elsewhere: tuple[str, ...] = ()
    """Names in the folder of what keeps itself, such as a token, which is a device in earnest."""
    _names: dict[int, dict[str, _Entry]] = field(default_factory=dict)
    """Inode of a folder -> its entries when it was flushed."""
    _contents: dict[int, tuple[int, list[tuple[int, bytes]]]] = field(default_factory=dict)
    """Inode of a file -> its size and what was written in it when it was flushed."""

    def __post_init__(self) -> None:
        """Take what is there as flushed."""
        for path in (self.root, *self.root.rglob("*")):
            if path.relative_to(self.root).parts[:1] not in [(name,) for name in self.elsewhere]:
                self.flush(path)

    def flush(self, path: Path) -> None:
        """Note what a file or folder holds, which is about to be flushed. The path may be one in /proc."""
        found = path.stat()
        if path.is_dir():
            self._names[found.st_ino] = dict(_entries(path))
        else:
            self._contents[found.st_ino] = found.st_size, list(sparse.written(path))

    def cut(self, *, names: bool) -> None:
        """Let the folder be as it is after a power cut.

        Args:
            names: whether names are as they were last, which a file system may do or not where their folder was not
                flushed; then there are files without what was written in them. Else, all that was not flushed is gone.
        """
        now = {path.stat().st_ino: dict(_entries(path)) for path in (self.root, *_folders(self.root))}
        target = self.root.with_name(f"{self.root.name}.cut")
        self._lay_out(self.root.stat().st_ino, target, now if names else self._names)
        for name in self.elsewhere:
            if (self.root / name).exists():
                shutil.rmtree(target / name, ignore_errors=True)
                (self.root / name).rename(target / name)
        shutil.rmtree(self.root)
        target.rename(self.root)

    def _lay_out(self, folder: int, target: Path, names: dict[int, dict[str, _Entry]]) -> None:
        target.mkdir()
        for name, entry in names.get(folder, {}).items():
            if entry.is_folder:
                self._lay_out(entry.inode, target / name, names)
            else:
                size, pieces = self._contents.get(entry.inode, (0, []))
                sparse.write(target / name, size, pieces)
            (target / name).chmod(entry.mode)


def _entries(folder: Path) -> Iterable[tuple[str, _Entry]]:
    with os.scandir(folder) as found:
        for one in found:
            facts = one.stat(follow_symlinks=False)
            yield one.name, _Entry(facts.st_ino, facts.st_mode & 0o7777, one.is_dir(follow_symlinks=False))


def _folders(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_dir()]
