"""Files with secrets in them are their owner's alone."""

from __future__ import annotations

import os
import stat
from typing import IO, Any, Final

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_GIVEN: Final = ("/dev/", "/proc/")


def open_to_others(file: IO[Any]) -> str | None:
    """Return what is wrong where others than a file's owner may use it, as the end of a sentence about it; else None.

    Args:
        file: open, because its name could be given to another one in between.
    """
    return _problem(os.fstat(file.fileno()))


def exposure(name: str) -> str | None:
    """Return the same of a file that somebody else may have made; None as well where there is nothing to say of it.

    That is where it is no file, such as a pipe, or cannot be looked at; where it is another user's, who alone can close
    it (ssh judges key files of the user's own only, too); and under /dev and /proc, where a name stands for what this
    process was given.

    Args:
        name: absolute; links are followed.
    """
    if name.startswith(_GIVEN):
        return None
    try:
        found = os.stat(name)  # noqa: PTH116 - a path object for each of ten thousand keys takes as long as the call
    except (OSError, ValueError):
        return None
    return _problem(found) if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() else None


def _problem(found: os.stat_result) -> str | None:
    mode = stat.S_IMODE(found.st_mode)
    return f"is open to others than its owner (mode {mode:04o})" if mode & _OTHERS else None
