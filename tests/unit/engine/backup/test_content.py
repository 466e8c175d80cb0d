from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from kmsplan.engine.backup import content
from kmsplan.engine.error import BackupError
from kmsplan.engine.keystore.sqlite import scratch
from kmsplan.kms.secret import SecretBytes
from tests.engines import Lab, new_instance, new_key
from tests.furnished import core_of, furnish

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.service import Engine

ROOT = SecretBytes(bytes(32))


def dumped(engine: Engine) -> list[bytes]:
    with core_of(engine).store.read() as db:
        return list(content.dump(db, ROOT))


def rows_of(lines: list[bytes]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for line in lines[1:-1]:
        name, *row = orjson.loads(line)
        found.setdefault(name, []).append(row)
    return found


def test_every_table_and_column_of_the_keystore_is_known() -> None:
    with scratch() as db:
        names = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        columns = {name: [row[1] for row in db.execute(f"PRAGMA table_info({name})")] for name in names}
        primary = {name: [row[1] for row in db.execute(f"PRAGMA table_info({name})") if row[5]] for name in names}
    assert {name: list(table.columns) for name, table in content.TABLES.items()} == columns
    assert {name: list(table.primary) for name, table in content.TABLES.items()} == primary


def test_a_table_stands_after_those_that_it_refers_to() -> None:
    order = list(content.TABLES)
    with scratch() as db:
        for name in order:
            referred = {row[2] for row in db.execute(f"PRAGMA foreign_key_list({name})")}
            assert referred <= set(order[: order.index(name)])


@pytest.mark.parametrize("page", [1, 2, 1000])
def test_every_row_is_there_once_however_many_are_read_at_once(
    lab: Lab, engine: Engine, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    furnish(lab, engine)
    whole = dumped(engine)
    monkeypatch.setattr(content, "_PAGE", page)
    assert dumped(engine) == whole
    with closing(sqlite3.connect(lab.database)) as db:
        for name, rows in rows_of(whole).items():
            assert len(rows) == db.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608 - our own names


def test_the_same_rows_come_out_of_either_database(
    tmp_path_factory: pytest.TempPathFactory, database: Callable[[str], SecretBytes | None]
) -> None:
    shapes = []
    for kind in ("sqlite", "postgres"):
        lab = Lab(tmp_path_factory.mktemp(kind) / "engine", postgres=database(kind))
        lab.create()
        engine = lab.open()
        furnish(lab, engine)
        lines = dumped(engine)
        shapes.append((lines[0], lines[-1], [[type(value) for value in orjson.loads(line)] for line in lines[1:-1]]))
        lab.close()
    assert shapes[0][:2] == shapes[1][:2]
    assert sorted(map(str, shapes[0][2])) == sorted(map(str, shapes[1][2]))


def test_what_was_loaded_is_dumped_alike_and_instances_count_their_versions_anew(lab: Lab, engine: Engine) -> None:
    furnish(lab, engine)
    whole = dumped(engine)
    with scratch() as db:
        root, rows = content.load(db, content.lines([b"".join(whole)]))
        assert root == ROOT.reveal().hex()
        assert sum(rows.values()) == len(whole) - 2
        assert list(content.dump(db, ROOT)) == whole


def test_a_version_that_is_being_made_in_an_hsm_is_left_to_who_makes_it(lab: Lab, engine: Engine) -> None:
    vault = new_instance(engine, "hardware")
    key = new_key(engine, vault)
    with closing(sqlite3.connect(lab.database)) as db:
        db.execute("UPDATE key_version SET status = 'creating', node = '00'")
        db.commit()
    assert "key_version" not in rows_of(dumped(engine))
    with scratch() as target:
        content.load(target, content.lines(dumped(engine)))
        assert target.execute("SELECT versions FROM instance WHERE instance_id = ?", (vault,)).fetchone() == (0,)
        assert target.execute("SELECT key_id FROM key").fetchall() == [(key,)]


def test_lines_are_put_together_from_parts_of_any_size() -> None:
    whole = b"one\ntwo\n\nthree\n"
    for size in range(1, len(whole) + 1):
        parts = [whole[start : start + size] for start in range(0, len(whole), size)]
        assert list(content.lines(parts)) == [b"one", b"two", b"", b"three"]
    with pytest.raises(BackupError, match="middle of a line"):
        list(content.lines([b"one\ntw"]))


def test_a_content_of_another_keystore_format_is_refused(engine: Engine) -> None:
    first, *rest = dumped(engine)
    head = orjson.loads(first)
    head["tables"]["key"].append("a_column_of_the_future")
    with scratch() as db:
        with pytest.raises(BackupError, match="another format of the keystore"):
            content.load(db, iter([orjson.dumps(head), *rest]))
        assert db.execute("SELECT count(*) FROM setting").fetchone() == (0,)


def test_a_content_that_lacks_rows_is_refused(engine: Engine) -> None:
    lines = dumped(engine)
    for wrong in (lines[:-1], lines[:2] + lines[3:], [*lines[:-1], lines[1].replace(b"account", b"a"), lines[-1]]):
        with scratch() as db, pytest.raises(BackupError, match="as many rows as it says"):
            content.load(db, iter(wrong))
