"""Files that are not whole yet: they have another name until they are, and go with whoever was writing them.

A draft is locked for as long as it is written. The kernel takes the lock away with its holder, so that a lock that can
be had is a dead one's. Its number says no more than who wrote it: another process may have the number since, or have
it at the same time in another container.

A new file that takes no other's place has no name at all until it is whole, where the file system can keep it so: a key
file or a backup goes where people keep what is theirs, and nobody may tidy up there by names.
"""

from __future__ import annotations

import errno
import os
import re
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_native_id
from typing import TYPE_CHECKING, Final

from kmsplan.engine.keystore.folder import flush_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

DRAFT: Final = ".new-"
"""Stands in the name of a draft, before a number."""
_JOURNAL: Final = "-journal"
"""Behind the name of a draft that is a database: what SQLite would undo."""
_NAME: Final = re.compile(rf"(.+{re.escape(DRAFT)}[0-9]+)(?:{_JOURNAL})?")
_MAKE: Final = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
_NAMELESS: Final = os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC
_NAMED: Final = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)
"""What a file system, or a kernel, answers that keeps no file without a name: open(2), O_TMPFILE."""
_LOOK: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """Lend the name that a file has until it is whole: an empty file beside it, for its owner alone.

    Whoever has made it whole gives it its name, by `replace` or by a link; what is left under the other one goes.

    Raises:
        OSError: it cannot be made.
    """
    draft, descriptor = _made(path)
    try:
        yield draft
    finally:
        with suppress(OSError):  # what stays is a dead one's then
            _remove(draft, descriptor)
        os.close(descriptor)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Lend a name under which a new file is written, and flushed; it has its own one when the context has ended.

    It is for its owner alone. Where the context ends with an error, or its process does, nothing is left of it; a file
    system that keeps no files without names has a draft then.

    Raises:
        FileExistsError: the name was taken meanwhile.
        OSError: it cannot be made.
    """
    try:
        descriptor = os.open(path.parent, _NAMELESS, 0o600)
    except OSError as error:
        if error.errno not in _NAMED:
            raise
        with drafted(path) as draft:
            yield draft
            os.link(draft, path)
    else:
        try:
            nameless = Path(f"/proc/self/fd/{descriptor}")
            yield nameless
            # The file behind this link gets the name, not the link: linkat(2), AT_SYMLINK_FOLLOW.
            os.link(nameless, path, src_dir_fd=descriptor, follow_symlinks=True)
        finally:
            os.close(descriptor)
    flush_folder(path.parent)


def clear_drafts(folder: Path) -> None:
    """Remove the drafts of processes that were killed, or every kill in the middle of one would leave it for ever.

    Raises:
        OSError: one cannot be removed.
    """
    for path in folder.iterdir():
        found = _NAME.fullmatch(path.name)
        if found is not None:
            _clear(path.with_name(found[1]))


def _made(path: Path) -> tuple[Path, int]:
    """Make a draft and lock it; return its descriptor, too. What a dead one left under its name is not written to."""
    number = get_native_id()
    while True:
        draft = path.with_name(f"{path.name}{DRAFT}{number}")
        _clear(draft)
        with suppress(FileExistsError):  # in another container somebody has this number
            descriptor = os.open(draft, _MAKE, 0o600)
            _lock(descriptor)  # in vain on a file system without locks, where a backup may go, and nobody clears
            # Somebody who looked in between has taken it for a dead one's and removed it.
            if _stands(draft, descriptor):
                return draft, descriptor
            os.close(descriptor)
        number += 1


def _clear(draft: Path) -> None:
    """Remove a draft that nobody is writing."""
    try:
        descriptor = os.open(draft, _LOOK)
    except FileNotFoundError:
        _journal(draft).unlink(missing_ok=True)
        return
    except OSError:  # another user's, or no file
        return
    try:
        if _lock(descriptor, wait=False):
            _remove(draft, descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, *, wait: bool = True) -> bool:
    """Lock an open file; return whether that could be done."""
    import fcntl  # noqa: PLC0415 - planning writes nothing

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove(draft: Path, descriptor: int) -> None:
    """Remove a draft whose lock is held, unless it has its other name by now, and somebody else this one."""
    if _stands(draft, descriptor):
        _journal(draft).unlink(missing_ok=True)
        draft.unlink()


def _stands(draft: Path, descriptor: int) -> bool:
    """Return whether a name is still that of an open file. Only who has the lock on that may give it another."""
    try:
        return os.path.samestat(draft.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _journal(draft: Path) -> Path:
    return draft.with_name(draft.name + _JOURNAL)
