"""Files that are there whole or not at all, also after a power cut: temporary, fsync, rename, fsync of the folder."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kmsplan.state.error import StateAccessError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEMPORARY: Final = ".tmp"
_NO_LINKS: Final = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@dataclass(frozen=True, slots=True)
class Stamp:
    """Tells one version of a file from another."""

    inode: int
    size: int
    modified: int
    """Nanoseconds."""


@dataclass(frozen=True, slots=True)
class Read:
    """A file as it was read."""

    content: bytes
    stamp: Stamp


def read(path: Path, size: int = -1) -> Read | None:
    """Read a file, or its first `size` bytes; None where there is none.

    Raises:
        StateAccessError: the operating system refuses.
    """
    try:
        with path.open("rb") as file:
            return Read(file.read(size), _stamp(os.fstat(file.fileno())))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error


def stamp(path: Path) -> Stamp | None:
    """Return a file's stamp; None where it cannot be found."""
    try:
        return _stamp(path.stat())
    except OSError:
        return None


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_ino, status.st_size, status.st_mtime_ns)


def names(folder: Path) -> list[Path]:
    """Return what is in a folder; nothing where there is none.

    Raises:
        StateAccessError: the operating system refuses.
    """
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(folder, error) from error


def _unreadable(path: Path, error: OSError) -> StateAccessError:
    return StateAccessError(f"{path} cannot be read: {error.strerror}", "Make it readable for this user and try again.")


def _write_temporary(path: Path, content: bytes, mark: str) -> Path:
    """Write a new file beside `path`, flushed to disk, and return its path. A failed write leaves nothing behind."""
    temporary = path.with_name(f"{path.name}.{mark}{TEMPORARY}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        write_all(descriptor, content)
        os.fsync(descriptor)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    return temporary


def write_all(descriptor: int, content: bytes) -> None:
    """Write every byte; a short write is continued."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def replace(path: Path, content: bytes, *, mark: str, allowed: Callable[[], None]) -> None:
    """Write a file or replace it.

    Args:
        path: The file.
        content: What it shall hold.
        mark: Makes the temporary file's name one of its own, so that two writers never share it.
        allowed: Called just before the new content takes the place; raises where it must not.
    """
    temporary = _write_temporary(path, content, mark)
    try:
        allowed()
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def create(path: Path, content: bytes, *, mark: str) -> bool:
    """Write a file unless it exists; return whether it was written."""
    temporary = _write_temporary(path, content, mark)
    try:
        _link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
    return True


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, unless it is there.

    A flush of what is in it does not flush its own name: a power cut could take it with all that it holds.

    Raises:
        OSError: the operating system refuses.
    """
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in new:
        sync_folder(one.parent)


def keep(path: Path, kept: Path) -> None:
    """Give a file a second name, durably, so that replacing the first loses nothing."""
    kept.parent.mkdir(exist_ok=True)
    kept.unlink(missing_ok=True)
    _link(path, kept)
    sync_folder(kept.parent)


def _link(source: Path, target: Path) -> None:
    """Link, or copy where the file system has no links.

    Raises:
        FileExistsError: the target exists.
    """
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        import shutil  # noqa: PLC0415 - takes longer to import than this whole package, and is hardly ever needed

        with source.open("rb") as old, target.open("xb") as new:
            shutil.copyfileobj(old, new)
            new.flush()
            os.fsync(new.fileno())


def sync_folder(folder: Path) -> None:
    """Flush a folder, so that the names in it survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clear(*paths: Path) -> None:
    """Remove the temporary files that cut-off writes of these files have left."""
    for path in paths:
        for left in path.parent.glob(f"{path.name}.*{TEMPORARY}"):
            left.unlink(missing_ok=True)
