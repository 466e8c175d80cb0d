"""The engine's folder: made for its owner alone, and flushed."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGN_LENGTH: Final = 16
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def make_folder(folder: Path) -> None:
    """Make the engine's folder, for its owner alone.

    A folder that already holds something else keeps its mode: it is not only ours, and our files have theirs.
    """
    add_folder(folder)
    if not any(folder.iterdir()) and stat.S_IMODE(folder.stat().st_mode) != stat.S_IRWXU:
        folder.chmod(stat.S_IRWXU)


def add_folder(folder: Path) -> None:
    """Make a folder for its owner alone, and those above it, unless it is there.

    A flush of what is in it does not flush its own name: a power cut could take it with all that it holds.
    """
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for one in new:
        flush_folder(one.parent)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait until nobody else makes an engine in a folder, and keep others waiting until the context ends.

    The lock is on the folder itself: no file is left where no engine comes to be, and a killed process has none.
    """
    import fcntl  # noqa: PLC0415 - planning makes no engine

    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # a network's file system may lock no folders; the link to the keystore decides there
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def sign_of(folder: Path) -> str:
    """Return `SIGN_LENGTH` characters that tell a folder from all others, also from those of other machines."""
    said = [str(folder.absolute())]
    with suppress(OSError):
        found = folder.stat()
        said = [str(found.st_dev), str(found.st_ino)]
    with suppress(OSError):
        said.append(_BOOT_ID.read_text())
    return hashlib.sha256(" ".join(said).encode()).hexdigest()[:SIGN_LENGTH]


def flush_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a new name outlives a power cut."""
    flush(folder, os.O_RDONLY | os.O_DIRECTORY)


def flush(path: Path, flags: int) -> None:
    """Flush a file to disk that is opened with these flags."""
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
