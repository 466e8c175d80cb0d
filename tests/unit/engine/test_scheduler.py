"""The schedule inside a server: one process at a time, when something is due, whatever fails."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from kmsplan.engine.error import EngineError, KeystoreError
from kmsplan.engine.schedule import Ticked
from kmsplan.engine.scheduler import INTERVAL, TAKEOVER, step
from kmsplan.kms.operation import ScheduleKeyDeletion, UpdateRotationPolicy
from tests.engines import DAY, Lab, described, new_key

if TYPE_CHECKING:
    import pytest

    from kmsplan.engine.service import Engine

Told = list[Ticked | EngineError]


def test_nothing_due_is_looked_for_once_a_minute(engine: Engine) -> None:
    told: Told = []
    assert step(engine._core, told.append) == INTERVAL
    assert told == []


def test_what_is_due_is_done_then_and_not_before(lab: Lab, engine: Engine, instance: str) -> None:
    told: Told = []
    rotated, deleted = new_key(engine, instance), new_key(engine, instance)
    engine.execute(UpdateRotationPolicy(key=rotated, rotation=7 * 86400))
    engine.execute(ScheduleKeyDeletion(key=deleted, window_days=7))
    assert step(engine._core, told.append) == INTERVAL
    lab.clock.move(7 * DAY - timedelta(seconds=20))
    assert step(engine._core, told.append) == 20
    assert told == []
    lab.clock.move(timedelta(seconds=20))
    assert step(engine._core, told.append) == INTERVAL
    assert told == [Ticked(rotated=(rotated,), deleted=(deleted,))]
    assert described(engine, rotated)["last_rotation_date"] == "2026-01-08T00:00:00Z"


def test_what_will_be_due_in_part_of_a_second_is_not_waited_for_in_a_circle(
    lab: Lab, engine: Engine, instance: str
) -> None:
    key = new_key(engine, instance)
    engine.execute(UpdateRotationPolicy(key=key, rotation=7 * 86400))
    lab.clock.move(7 * DAY - timedelta(milliseconds=1))
    assert step(engine._core, lambda _: None) == 1


def test_a_restart_loses_nothing_that_was_due(lab: Lab, engine: Engine, instance: str) -> None:
    key = new_key(engine, instance)
    engine.execute(UpdateRotationPolicy(key=key, rotation=7 * 86400))
    lab.close()
    lab.clock.move(30 * DAY)
    told: Told = []
    step(lab.open()._core, told.append)
    assert told == [Ticked(rotated=(key,))]


def test_one_process_leads_and_another_takes_over(lab: Lab, engine: Engine, instance: str) -> None:
    key = new_key(engine, instance)
    engine.execute(UpdateRotationPolicy(key=key, rotation=7 * 86400))
    other, told = lab.open(), Told()
    assert step(engine._core, told.append) == INTERVAL
    lab.clock.move(8 * DAY)
    assert step(other._core, told.append) == TAKEOVER
    assert told == []
    engine.close()
    assert step(other._core, told.append) == INTERVAL
    assert told == [Ticked(rotated=(key,))]


def test_a_sealed_engine_leaves_the_lead_to_others(lab: Lab, engine: Engine) -> None:
    sealed = lab.open(seal=None)
    assert step(sealed._core, lambda _: None) == TAKEOVER
    assert step(engine._core, lambda _: None) == INTERVAL


def test_what_was_postponed_is_told_and_tried_again(lab: Lab, engine: Engine, vault: str) -> None:
    key, told = new_key(engine, vault), Told()
    engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    lab.clock.move(8 * DAY)
    lab.hsm.away = True
    assert step(engine._core, told.append) == INTERVAL
    lab.hsm.away = False
    step(engine._core, told.append)
    assert told[0] == Ticked(deleted=(key,), postponed={key: "the token does not answer"})
    assert lab.hsm.material == {}


def test_a_failing_database_is_told_and_the_schedule_goes_on(
    lab: Lab, engine: Engine, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, told, stop = new_key(engine, instance), Told(), threading.Event()
    engine.execute(UpdateRotationPolicy(key=key, rotation=7 * 86400))
    lab.clock.move(8 * DAY)
    waits: list[float] = []

    class Impatient(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            waits.append(timeout)
            if len(waits) == 2:
                stop.set()
                self.set()
            monkeypatch.undo()
            return self.is_set()

    def fail(_: object) -> Ticked:
        raise KeystoreError("gone")

    monkeypatch.setattr("kmsplan.engine.scheduler.tick", fail)
    engine.run_schedule(Impatient(), told.append)
    assert waits == [TAKEOVER, INTERVAL]
    assert [type(one) for one in told] == [KeystoreError, Ticked]
    assert described(engine, key)["last_rotation_date"] == "2026-01-09T00:00:00Z"


def test_stopping_ends_the_schedule_at_once(engine: Engine) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=engine.run_schedule, args=(stop,))
    thread.start()
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
