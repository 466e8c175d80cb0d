"""An engine keeps the newest serial of every state, and audits who told it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.error import ReadOnlyEngineError

if TYPE_CHECKING:
    from kmsplan.engine.service import Engine
    from tests.engines import Lab


def seen(engine: Engine) -> dict[str, tuple[int, str]]:
    return {lineage: (found.serial, found.by) for lineage, found in engine.describe().states.items()}


def test_each_state_has_its_own_and_it_never_goes_back(engine: Engine) -> None:
    assert seen(engine) == {}
    for lineage, serial in (("l", 1), ("m", 5), ("l", 3), ("l", 2)):
        engine.witness(lineage, serial)
    assert seen(engine) == {"l": (3, "tester"), "m": (5, "tester")}


def test_it_lasts_and_can_be_read_by_who_may_not_write(lab: Lab, engine: Engine) -> None:
    engine.witness("l", 1)
    reader = lab.open(read_only=True, seal=None)
    assert seen(reader) == {"l": (1, "tester")}
    with pytest.raises(ReadOnlyEngineError):
        reader.witness("l", 2)


def test_the_audit_trail_tells_of_it(engine: Engine) -> None:
    engine.witness("l", 4)
    entry = list(engine.audit_entries())[-1]
    assert (entry["action"], entry["resource"], entry["parameters"], entry["actor"]) == (
        "NoteState",
        "l",
        {"Serial": 4},
        "tester",
    )
