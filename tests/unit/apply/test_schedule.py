"""The order of changes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from graphlib import CycleError

import pytest

from kmsplan.apply.schedule import Schedule
from kmsplan.plan.plan import Action, Change, Reason
from kmsplan.resource.address import Address


def change(name: str, *depends_on: str) -> Change:
    return Change(
        address=Address(name),
        action=Action.CREATE,
        reason=Reason.NEW,
        depends_on=tuple(Address(other) for other in depends_on),
    )


def walk(schedule: Schedule) -> list[str]:
    order: list[str] = []
    while (taken := schedule.take()) is not None:
        order.append(taken.address)
        schedule.finish(taken, done=True)
    return order


def test_every_change_comes_after_what_it_depends_on() -> None:
    changes = [change("c", "b"), change("b", "a"), change("a")]
    assert walk(Schedule(changes)) == ["a", "b", "c"]


def test_what_is_set_free_goes_first() -> None:
    changes = [change("alias.1", "key.1"), change("alias.2", "key.2"), change("key.1"), change("key.2")]
    assert walk(Schedule(changes)) == ["key.1", "alias.1", "key.2", "alias.2"]


def test_a_dependency_that_is_no_change_is_met() -> None:
    assert walk(Schedule([change("b", "a")])) == ["b"]


def test_an_empty_schedule_is_done() -> None:
    assert Schedule([]).take() is None


def test_a_circle_is_refused() -> None:
    with pytest.raises(CycleError):
        Schedule([change("a", "b"), change("b", "a")])


def test_what_depends_on_something_undone_knows_it_however_far() -> None:
    schedule = Schedule([change("c", "b"), change("b", "a"), change("a"), change("d")])
    unmet: dict[str, str | None] = {}
    while (taken := schedule.take()) is not None:
        missing = schedule.unmet(taken)
        unmet[taken.address] = missing
        schedule.finish(taken, done=taken.address != "a" and missing is None)
    assert unmet == {"a": None, "b": "a", "c": "b", "d": None}


def test_a_worker_waits_for_what_another_sets_free() -> None:
    schedule = Schedule([change("b", "a"), change("a")])
    first = schedule.take()
    assert first is not None
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(schedule.take)
        assert not second.done()
        schedule.finish(first, done=True)
        taken = second.result(60)
    assert taken is not None
    assert taken.address == "b"


def test_an_abandoned_schedule_keeps_nobody_waiting() -> None:
    schedule = Schedule([change("b", "a"), change("a")])
    schedule.take()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(schedule.take)
        schedule.abandon()
        assert waiting.result(60) is None


def test_many_workers_take_every_change_once() -> None:
    changes = [change(f"key.{number}", "instance.a") for number in range(500)] + [change("instance.a")]
    schedule = Schedule(changes)
    taken: list[str] = []
    guard = threading.Lock()

    def work() -> None:
        while (found := schedule.take()) is not None:
            with guard:
                taken.append(found.address)
            schedule.finish(found, done=True)

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(work) for _ in range(8)]:
            future.result(30)
    assert sorted(taken) == sorted(one.address for one in changes)
    assert taken[0] == "instance.a"
