"""From SQLite's errors to errors with a remedy."""

from __future__ import annotations

import sqlite3
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.engine.error import (
    KeystoreCorruptError,
    KeystoreError,
    KeystoreFullError,
    KeystoreLockedError,
    KeystoreReadOnlyError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PRIMARY: Final = 0xFF
"""The low byte of an extended result code is the primary one (https://sqlite.org/rescode.html)."""
_CORRUPT: Final = (
    KeystoreCorruptError,
    (
        "the keystore {path} is damaged ({reason}). Nothing was changed. Keep the file as it is, and restore the "
        "engine's folder from its newest backup"
    ),
)
_READ_ONLY: Final = (
    KeystoreReadOnlyError,
    (
        "the keystore {path} cannot be written ({reason}). Check the owner and mode of its folder, and that the file "
        "system is not mounted read-only"
    ),
)
_LOCKED: Final = (
    KeystoreLockedError,
    "the keystore {path} is held by another process ({reason}). Nothing was changed. Wait for it to end, and try again",
)
_FAILING: Final = (
    KeystoreError,
    (
        "the disk under the keystore {path} fails ({reason}). Whether the last change was written is not known: check "
        "the disk, then run the command again, which finds that out"
    ),
)
_NO_INDEX: Final = (
    KeystoreFullError,
    (
        "the disk under the keystore {path} is full ({reason}). Whether the last change was written is not known: free "
        "some space, then run the command again, which finds that out"
    ),
)
"""The index of the write-ahead log is a file of its own, which becomes longer also where something is only read."""
_FAULTS: Final[Mapping[int, tuple[type[KeystoreError], str]]] = MappingProxyType(
    {
        sqlite3.SQLITE_CORRUPT: _CORRUPT,
        sqlite3.SQLITE_NOTADB: _CORRUPT,
        sqlite3.SQLITE_FORMAT: _CORRUPT,
        sqlite3.SQLITE_FULL: (
            KeystoreFullError,
            "the disk under the keystore {path} is full ({reason}). Nothing was changed. Free some space and try again",
        ),
        sqlite3.SQLITE_READONLY: _READ_ONLY,
        sqlite3.SQLITE_PERM: _READ_ONLY,
        sqlite3.SQLITE_CANTOPEN: _READ_ONLY,
        sqlite3.SQLITE_BUSY: _LOCKED,
        sqlite3.SQLITE_LOCKED: _LOCKED,
        sqlite3.SQLITE_IOERR: _FAILING,
        sqlite3.SQLITE_IOERR_SHMSIZE: _NO_INDEX,
    }
)
_DEFECT: Final = (
    KeystoreError,
    "the keystore {path} refused a statement ({reason}). This is a defect of kmsplan; please report it",
)
"""Without a code the sqlite3 module itself refused: misuse."""
_IN_DOUBT: Final = frozenset({sqlite3.SQLITE_IOERR})


def translate(error: sqlite3.Error, path: Path) -> KeystoreError:
    """Return the error for people that a SQLite error stands for."""
    code = getattr(error, "sqlite_errorcode", None) or 0
    kind, words = _FAULTS.get(code) or _FAULTS.get(code & _PRIMARY) or _DEFECT
    name = getattr(error, "sqlite_errorname", None)
    reason = f"{name}: {error}" if name else str(error)
    return kind(words.format(path=path, reason=reason), in_doubt=code & _PRIMARY in _IN_DOUBT)
