"""What is in a backup: the rows of all tables as JSON lines, which any keystore can be filled from.

    {"root": "...", "tables": {"setting": ["name", "value"], ...}}
    ["setting", "engine_id", {"b": "..."}]          one line a row; bytes are Base64
    {"rows": {"setting": 9, ...}}

The columns are those of the schema. Versions that are just being made in an HSM are left out: their material belongs to
the process that makes it.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from kmsplan.engine.error import BackupError
from kmsplan.engine.keystore import schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.kms.secret import SecretBytes

_BATCH: Final = 500
_PAGE: Final = 1000
"""Rows read at once: a client of PostgreSQL takes in all that it asks for, and an audit trail may not fit into memory.
"""
_COLUMN: Final = re.compile(r'"?(\w+)"? (?:TEXT|INTEGER|BLOB)\b')
_PRIMARY: Final = re.compile(r"(\w+) \w+ PRIMARY KEY|PRIMARY KEY \(([\w, ]+)\)")


class Table(NamedTuple):
    """A table of the keystore."""

    columns: tuple[str, ...]
    primary: tuple[str, ...]
    """Columns of its primary key."""


def tables_of(sql: str) -> dict[str, Table]:
    """Return the tables that a schema makes, in their order."""
    plain = re.sub(r"--[^\n]*", "", sql)
    bodies = re.findall(r"CREATE TABLE (\w+) \((.*?)\) STRICT", plain, re.DOTALL)
    return {name: Table(tuple(_COLUMN.findall(body)), _primary(body)) for name, body in bodies}


def _primary(body: str) -> tuple[str, ...]:
    found = _PRIMARY.search(body)
    assert found, "every table has a primary key"  # noqa: S101 - by our own schema
    return tuple((found[1] or found[2]).split(", "))


TABLES: Final[Mapping[str, Table]] = MappingProxyType(tables_of(schema.TABLES))
"""Every table of the keystore; one stands after those that it refers to."""
_VERSION: Final = tuple(name for name in TABLES["key_version"].columns if name != "id")
_MATERIAL: Final = ("term", "wrapped")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


class _Source(NamedTuple):
    """Where the lines of a table come from."""

    columns: tuple[str, ...]
    primary: tuple[str, ...]
    """What the rows are ordered by."""
    tables: str
    condition: str = "true"

    def pages(self, db: Connection) -> Iterator[list[Any]]:
        """Yield all rows, in pages; each row stands behind its primary key."""
        ordered, last = _listed(self.primary), ", ".join("?" * len(self.primary))
        asked = f"SELECT {ordered}, {_listed(self.columns)} FROM {self.tables} WHERE {self.condition}"  # noqa: S608 - our own names
        order = f"ORDER BY {ordered} LIMIT {_PAGE}"
        page = db.execute(f"{asked} {order}").fetchall()
        while page:
            yield page
            page = db.execute(f"{asked} AND ({ordered}) > ({last}) {order}", page[-1][: len(self.primary)]).fetchall()


def _sources() -> dict[str, _Source]:
    """Return what is read: material stands with its version, because the number that joins them is a database's own."""
    found = {name: _Source(*table, name) for name, table in TABLES.items() if name != "material"}
    found["key_version"] = _Source(
        (*_VERSION, *_MATERIAL), ("id",), "key_version LEFT JOIN material ON version = id", "status <> 'creating'"
    )
    return found


SOURCES: Final[Mapping[str, _Source]] = MappingProxyType(_sources())


def dump(db: Connection, root: SecretBytes | None) -> Iterator[bytes]:
    """Yield the content of a keystore as it is in the connection's transaction.

    Args:
        db: holds one state of the database.
        root: the root key; None where it stays in its HSM.
    """
    rows: Counter[str] = Counter()
    tables = {name: source.columns for name, source in SOURCES.items()}
    yield orjson.dumps({"root": root and root.reveal().hex(), "tables": tables}) + b"\n"
    for name, source in SOURCES.items():
        for page in source.pages(db):
            rows[name] += len(page)
            for row in page:
                yield orjson.dumps([name, *row[len(source.primary) :]], default=_as_json) + b"\n"
    yield orjson.dumps({"rows": rows}) + b"\n"


def _as_json(value: Any) -> dict[str, str]:
    return {"b": b64encode(value).decode()}


def _from_json(value: Any) -> Any:
    return b64decode(value["b"]) if isinstance(value, dict) else value


def lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of a content that comes in parts."""
    rest = b""
    for part in parts:
        *whole, rest = (rest + part).split(b"\n")
        yield from whole
    if rest:
        raise BackupError("the backup's content ends in the middle of a line: it was not written to its end")


def load(db: Connection, content: Iterator[bytes]) -> tuple[str | None, dict[str, int]]:
    """Fill the empty tables of a new keystore; return the root key (hex) and how many rows each table got.

    Raises:
        BackupError: the content is not one that `dump` makes for this schema.
    """
    first = orjson.loads(next(content))
    if first["tables"] != {name: list(source.columns) for name, source in SOURCES.items()}:
        raise BackupError(
            "the backup holds another format of the keystore than this kmsplan knows. Restore it with the version of "
            "kmsplan that made it: its first lines name it"
        )
    rows: Counter[str] = Counter()
    last: dict[str, Any] = {}
    batch: list[list[Any]] = []
    table = ""
    for line in content:
        found = orjson.loads(line)
        if isinstance(found, dict):
            last = found
            continue
        if found[0] != table or len(batch) >= _BATCH:
            _insert(db, table, batch)
            table, batch = found[0], []
        batch.append([_from_json(value) for value in found[1:]])
        rows[table] += 1
    _insert(db, table, batch)
    if last.get("rows") != rows:
        raise BackupError("the backup does not hold as many rows as it says: it was not written to its end")
    return first["root"], dict(rows)


def _insert(db: Connection, table: str, batch: list[list[Any]]) -> None:
    if batch:
        _INSERTS.get(table, _insert_plain)(db, table, batch)


def _insert_plain(db: Connection, table: str, batch: list[list[Any]]) -> None:
    columns = SOURCES[table].columns
    places = ", ".join("?" * len(columns))
    db.executemany(f"INSERT INTO {table} ({_listed(columns)}) VALUES ({places})", batch)  # noqa: S608 - our own names


def _insert_instances(db: Connection, table: str, batch: list[list[Any]]) -> None:
    """Insert instances as empty: what is in them is counted when it comes."""
    versions = SOURCES[table].columns.index("versions")
    _insert_plain(db, table, [[*row[:versions], 0, *row[versions + 1 :]] for row in batch])


_INSERT_VERSION: Final = (
    f"INSERT INTO key_version ({_listed(_VERSION)}) VALUES ({', '.join('?' * len(_VERSION))}) RETURNING id"  # noqa: S608 - ours
)


def _insert_versions(db: Connection, table: str, batch: list[list[Any]]) -> None:
    """Insert versions, and their material under the numbers that this database gives them."""
    del table
    material = []
    for row in batch:
        number = db.execute(_INSERT_VERSION, row[: len(_VERSION)]).fetchone()[0]
        term, wrapped = row[len(_VERSION) :]
        if wrapped is not None:
            material.append((number, term, wrapped))
    db.executemany("INSERT INTO material (version, term, wrapped) VALUES (?, ?, ?)", material)


_INSERTS: Final[Mapping[str, Callable[[Connection, str, list[list[Any]]], None]]] = MappingProxyType(
    {"instance": _insert_instances, "key_version": _insert_versions}
)
