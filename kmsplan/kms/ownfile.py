"""Files with secrets in them are their owner's alone."""

from __future__ import annotations

import os
import stat
from typing import IO, Any, Final

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def open_to_others(file: IO[Any]) -> str | None:
    """Return what is wrong where others than a file's owner may use it, as the end of a sentence about it; else None.

    Args:
        file: open, because its name could be given to another one in between.
    """
    mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    return f"is open to others than its owner (mode {mode:04o})" if mode & _OTHERS else None
