"""The words in which PostgreSQL differs from the SQL that the engine speaks: its own and SQLite's."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import count
from typing import Final

_PHRASES: Final = (
    # A list of any length is one parameter, a JSON array.
    (re.compile(r"SELECT value FROM json_each\(\?\)"), "SELECT json_array_elements_text(?::json)"),
)
_TYPES: Final = (
    (re.compile(r"id INTEGER PRIMARY KEY"), "id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
    (re.compile(r"\bINTEGER\b"), "BIGINT"),
    (re.compile(r"\bBLOB\b"), "BYTEA"),
    # Byte order, as in SQLite: times and ids sort alike on every server, whatever its language.
    (re.compile(r"\bTEXT\b"), 'TEXT COLLATE "C"'),
    (re.compile(r"\) STRICT(, WITHOUT ROWID)?;"), ");"),
)
_PLACE: Final = re.compile(r"\?")


@lru_cache(maxsize=1024)
def statement(sql: str) -> bytes:
    """Return a statement of the engine in PostgreSQL's words, with its `$N` for `?`.

    Our SQL has no question marks but these.
    """
    for ours, theirs in _PHRASES:
        sql = ours.sub(theirs, sql)
    numbers = count(1)
    return _PLACE.sub(lambda _: f"${next(numbers)}", sql).encode()


def tables(sql: str) -> str:
    """Return `CREATE TABLE` statements in PostgreSQL's words."""
    for ours, theirs in _TYPES:
        sql = ours.sub(theirs, sql)
    return sql
