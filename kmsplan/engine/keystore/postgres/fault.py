"""From PostgreSQL's errors to errors with a remedy."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.engine.error import (
    KeystoreCorruptError,
    KeystoreError,
    KeystoreFullError,
    KeystoreGoneError,
    KeystoreLockedError,
    KeystoreReadOnlyError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.engine.keystore.connection import PostgresError

_Row = tuple[type[KeystoreError], str]
_GONE: Final[_Row] = (
    KeystoreGoneError,
    (
        "the keystore {name} cannot be reached ({reason}). Nothing was changed. Check that the server runs, that it "
        "can be reached from here, and the connection string that engine.embedded.postgres means"
    ),
)
_IN_DOUBT: Final[_Row] = (
    KeystoreGoneError,
    (
        "the connection to the keystore {name} broke in the middle of a commit, and nobody can say now how that ended "
        "({reason}). Check the server, then run the command again, which finds out"
    ),
)
_READ_ONLY: Final[_Row] = (
    KeystoreReadOnlyError,
    (
        "the keystore {name} cannot be written ({reason}). Nothing was changed. Check that the connection string names "
        "the primary server, and that its user may write to the tables"
    ),
)
_FULL: Final[_Row] = (
    KeystoreFullError,
    "the keystore {name} has run out of room ({reason}). Nothing was changed. Give the server more, and try again",
)
_BUSY: Final[_Row] = (
    KeystoreLockedError,
    "the keystore {name} is held by another session ({reason}). Nothing was changed. Wait for it to end, and try again",
)
_CORRUPT: Final[_Row] = (
    KeystoreCorruptError,
    (
        "the keystore {name} is damaged ({reason}). Nothing was changed. Leave the server's files as they are, and "
        "restore the database from its newest backup"
    ),
)
_FAILING: Final[_Row] = (
    KeystoreError,
    "the server of the keystore {name} fails ({reason}). Nothing was changed. Check its disk and its log",
)
_NO_KEYSTORE: Final[_Row] = (
    KeystoreCorruptError,
    (
        "a table of the keystore {name} is missing ({reason}). Check that the connection string names the right "
        "database and search_path, or restore the database from its newest backup"
    ),
)
_OCCUPIED: Final[_Row] = (
    KeystoreError,
    (
        "no keystore can be made in {name}: its schema holds something else ({reason}). Nothing was changed. Name an "
        "empty schema with options=-csearch_path=NAME, or an empty database"
    ),
)
_DEFECT: Final[_Row] = (
    KeystoreError,
    "the keystore {name} refused a statement ({reason}). This is a defect of kmsplan; please report it",
)
# The longest prefix of a code decides (PostgreSQL manual, appendix A). Whom the server does not let in, nor one that
# found no server, gets no code.
_FAULTS: Final[Mapping[str, _Row]] = MappingProxyType(
    {
        "": _GONE,
        "08": _GONE,
        "25006": _READ_ONLY,
        "25P03": _GONE,  # ended because its transaction was idle too long
        "40": _BUSY,
        "42501": _READ_ONLY,
        "42710": _OCCUPIED,
        "42723": _OCCUPIED,
        "42P07": _OCCUPIED,
        "42P01": _NO_KEYSTORE,
        "53": _FULL,
        "53300": _GONE,  # no connection is free
        "55P03": _BUSY,
        "57P": _GONE,
        "58": _FAILING,
        "XX001": _CORRUPT,
        "XX002": _CORRUPT,
    }
)
_LENGTHS: Final = (5, 3, 2)


def translate(error: PostgresError, name: str) -> KeystoreError:
    """Return the error for people that a PostgreSQL error stands for."""
    kind, words = _IN_DOUBT if error.in_doubt else _row(error.sqlstate)
    reason = " ".join(str(error).split()) or "no reason given"
    if error.sqlstate:
        reason = f"{error.sqlstate}: {reason}"
    return kind(words.format(name=name, reason=reason), in_doubt=error.in_doubt)


def is_lost(error: PostgresError) -> bool:
    """Return whether the error says that the connection is gone, or that none can be had now."""
    return _row(error.sqlstate) is _GONE


def _row(sqlstate: str) -> _Row:
    if not sqlstate:
        return _GONE
    return next((_FAULTS[sqlstate[:end]] for end in _LENGTHS if sqlstate[:end] in _FAULTS), _DEFECT)
