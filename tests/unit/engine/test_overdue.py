from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.engine.overdue import each_overdue
from tests.engines import new_key
from tests.furnished import core_of, trail

if TYPE_CHECKING:
    import pytest

    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.key import KeyRow
    from kmsplan.engine.service import Engine


def noted(_db: Connection, row: KeyRow) -> dict[str, str]:
    """Do nothing to a key, and say so in the trail."""
    return {"LeftInHsm": row.key_id}


def test_what_is_due_is_done_to_every_key_so_many_in_a_transaction(
    engine: Engine, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kmsplan.engine.overdue._CHUNK", 2)
    core, found = core_of(engine), [new_key(engine, instance) for _ in range(5)]
    commits = core.store.commits
    assert each_overdue(core, found, "DeleteKey", lambda _: True, noted) == tuple(found)
    assert core.store.commits == commits + 3
    told = [(entry["resource"], entry["parameters"]) for entry in trail(engine) if entry["action"] == "DeleteKey"]
    assert told == [(key, {"LeftInHsm": key}) for key in found]


def test_a_key_that_is_not_due_any_more_or_not_there_is_passed_over(engine: Engine, instance: str) -> None:
    kept, due = new_key(engine, instance), new_key(engine, instance)
    found = [kept, f"key-{'a' * 21}", due]
    assert each_overdue(core_of(engine), found, "DeleteKey", lambda row: row.key_id == due, noted) == (due,)
