"""The schedule inside a server: one process at a time, when something is due, whatever fails."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine import rotation
from kmsplan.engine.error import KeystoreError, SealingError
from kmsplan.engine.pace import Pace
from kmsplan.engine.schedule import Ticked
from kmsplan.engine.scheduler import INTERVAL, TAKEOVER, step
from kmsplan.engine.sealing import FileSeal
from kmsplan.kms.operation import ScheduleKeyDeletion, UpdateRotationPolicy
from tests.engines import DAY, Lab, described, new_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kmsplan.engine.core import Core
    from kmsplan.engine.service import Engine

Told = list[Ticked | Exception]


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


def test_who_leads_goes_on_when_another_process_has_unsealed_the_engine_though_nobody_calls(
    lab: Lab, engine: Engine, instance: str
) -> None:
    key = new_key(engine, instance)
    engine.execute(UpdateRotationPolicy(key=key, rotation=7 * 86400))
    other, told = lab.open(), Told()
    assert step(engine._core, told.append) == INTERVAL
    lab.clock.move(8 * DAY)
    other.seal()
    assert step(engine._core, told.append) == TAKEOVER
    assert step(engine._core, told.append) == TAKEOVER
    assert lab.seal is not None
    other.unseal(lab.seal)
    assert step(engine._core, told.append) == INTERVAL
    assert told == [Ticked(rotated=(key,))]


def test_who_leads_and_cannot_open_the_engine_any_more_leaves_the_lead_to_who_can(
    lab: Lab, engine: Engine, instance: str, tmp_path: Path
) -> None:
    key = new_key(engine, instance)
    engine.execute(UpdateRotationPolicy(key=key, rotation=7 * 86400))
    told, new = Told(), FileSeal(tmp_path / "new.key")
    assert step(engine._core, told.append) == INTERVAL
    lab.clock.move(8 * DAY)
    other = lab.open()
    other.keeping.rotate_root(new)
    other.seal()
    other.unseal(new)
    assert step(other._core, told.append) == TAKEOVER
    engine._core.seal()  # it was asked something meanwhile
    assert step(engine._core, told.append) == TAKEOVER
    assert [type(one) for one in told] == [SealingError]
    assert step(other._core, told.append) == INTERVAL
    assert told[1:] == [Ticked(rotated=(key,))]


def test_an_engine_that_is_sealed_while_its_material_is_wrapped_anew_is_no_failure(
    lab: Lab, engine: Engine, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_key(engine, instance)
    assert lab.seal is not None
    told, other = Told(), lab.open()
    rotation.rotate_keyring(other._core, other._core.world.caller, seal=lab.seal)
    advance = rotation.advance

    def seal_meanwhile(core: Core) -> Mapping[str, str]:
        other.seal()
        return advance(core)

    with monkeypatch.context() as patched:
        patched.setattr(rotation, "advance", seal_meanwhile)
        step(engine._core, told.append)
    assert told == []
    other.unseal(lab.seal)
    assert step(engine._core, told.append) == INTERVAL
    assert other.status()["rewrapping"] is False


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


@pytest.mark.parametrize("failure", [KeystoreError("gone"), ValueError("a defect")], ids=["database", "defect"])
def test_a_failure_is_told_and_the_schedule_goes_on(
    lab: Lab, engine: Engine, instance: str, monkeypatch: pytest.MonkeyPatch, failure: Exception
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
        raise failure

    monkeypatch.setattr("kmsplan.engine.scheduler.tick", fail)
    engine.run_schedule(Impatient(), told.append)
    assert waits == [TAKEOVER, TAKEOVER]
    assert [type(one) for one in told] == [type(failure), Ticked]
    assert described(engine, key)["last_rotation_date"] == "2026-01-09T00:00:00Z"


def test_who_leads_looks_every_few_seconds_whether_it_still_does(
    lab: Lab, engine: Engine, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_key(engine, instance)
    other = lab.open()
    waits: list[float] = []
    seen: list[tuple[int, bool]] = []
    ticks: list[int] = []

    class Watched(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            waits.append(timeout)
            seen.append((len(ticks), engine.sealed))
            if len(waits) == 3:
                other.seal()
            if len(waits) == 6 and lab.seal is not None:
                other.unseal(lab.seal)
            return len(waits) == 20

        def is_set(self) -> bool:
            return len(waits) >= 20

    def count(_: object) -> Ticked:
        ticks.append(1)
        return Ticked()

    monkeypatch.setattr("kmsplan.engine.scheduler.tick", count)
    engine.run_schedule(Watched())
    assert set(waits) == {TAKEOVER}
    assert seen[:8] == [(1, False)] * 3 + [(1, True)] * 3 + [(2, False)] * 2
    assert seen[-1] == (3, False), "what is due is looked for once a minute all the same"


def test_stopping_ends_the_schedule_at_once(engine: Engine) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=engine.run_schedule, args=(stop,))
    thread.start()
    stop.set()
    thread.join(60)
    assert not thread.is_alive()


def test_what_is_due_by_a_clock_that_leapt_ahead_waits_and_that_is_told_once(
    lab: Lab, engine: Engine, instance: str
) -> None:
    key = new_key(engine, instance)
    engine.execute(ScheduleKeyDeletion(key=key, window_days=30))
    ahead, stop, told = [0.0], threading.Event(), Told()
    pace = Pace(clock=lambda: ahead[0], passed=lambda: 0.0)
    ahead[0] = 3650 * 86400.0
    lab.clock.move(3650 * DAY)
    looks = iter([False, False, True])

    def wait(seconds: float) -> bool:
        assert seconds == TAKEOVER
        if next(looks):
            stop.set()
        return stop.is_set()

    stop.wait = wait  # type: ignore[method-assign, assignment]
    engine.run_schedule(stop, told.append, pace)
    assert [str(one).partition(". ")[0] for one in told] == [
        "this machine's clock went ahead by 3650 days, 0:00:00 at once"
    ]
    assert described(engine, key)["state"] == "PendingDeletion"
    other = lab.open()  # of another machine, where the clock is right
    assert step(other._core, told.append) == INTERVAL
    assert told[1:] == [Ticked(deleted=(key,))]
