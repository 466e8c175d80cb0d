"""The engine's SQL in PostgreSQL's words."""

from __future__ import annotations

import pytest

from kmsplan.engine.keystore.postgres.dialect import statement, tables


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("SELECT 1", "SELECT 1"),
        ("VALUES (?, ?, ?)", "VALUES ($1, $2, $3)"),
        (
            "x IN (SELECT value FROM json_each(?)) AND y = ?",
            "x IN (SELECT json_array_elements_text($1::json)) AND y = $2",
        ),
    ],
)
def test_places_and_phrases_are_translated(ours: str, theirs: str) -> None:
    assert statement(ours) == theirs.encode()


def test_types_are_translated() -> None:
    ours = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT NOT NULL, b BLOB, c INTEGER) STRICT, WITHOUT ROWID;"
    assert tables(ours) == (
        "CREATE TABLE t (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
        'a TEXT COLLATE "C" NOT NULL, b BYTEA, c BIGINT);'
    )
    assert tables("CREATE TABLE t (seq INTEGER PRIMARY KEY) STRICT;") == "CREATE TABLE t (seq BIGINT PRIMARY KEY);"
