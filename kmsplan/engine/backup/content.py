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


def columns_of(sql: str) -> dict[str, tuple[str, ...]]:
    """Return the columns of each table that a schema makes, in their order."""
    plain = re.sub(r"--[^\n]*", "", sql)
    tables = re.findall(r"CREATE TABLE (\w+) \((.*?)\) STRICT", plain, re.DOTALL)
    return {name: tuple(re.findall(r'"?(\w+)"? (?:TEXT|INTEGER|BLOB)\b', body)) for name, body in tables}


TABLES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(columns_of(schema.TABLES))
"""Every table of the keystore with its columns; a table stands after those that it refers to."""
_VERSION: Final = tuple(name for name in TABLES["key_version"] if name != "id")
_MATERIAL: Final = ("term", "wrapped")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


class _Source(NamedTuple):
    """Where the lines of a table come from."""

    columns: tuple[str, ...]
    sql: str


def _sources() -> dict[str, _Source]:
    """Return what is read: material stands with its version, because the number that joins them is a database's own."""
    found = {
        name: _Source(columns, f"SELECT {_listed(columns)} FROM {name}")  # noqa: S608 - our own names
        for name, columns in TABLES.items()
        if name != "material"
    }
    found["key_version"] = _Source(
        (*_VERSION, *_MATERIAL),
        f"SELECT {_listed(_VERSION)}, term, wrapped FROM key_version LEFT JOIN material ON version = id "  # noqa: S608 - as above
        "WHERE status <> 'creating' ORDER BY id",
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
        for row in db.execute(source.sql):
            rows[name] += 1
            yield orjson.dumps([name, *row], default=_as_json) + b"\n"
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
        raise BackupError("the backup is of another format of the keystore. Restore it with the kmsplan that made it")
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
        raise BackupError("the backup does not hold as many rows as it says")
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
