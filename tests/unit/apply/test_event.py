"""Events: one at a time, and a listener that fails stops nothing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from kmsplan.apply.event import Event, EventKind, Reporter
from kmsplan.plan.plan import Action, Change, Reason
from kmsplan.resource.address import Address

EVENT = Event(kind=EventKind.STARTED, change=Change(address=Address("key.a"), action=Action.CREATE, reason=Reason.NEW))


def test_events_come_one_at_a_time() -> None:
    inside: list[int] = []
    most: list[int] = []
    turn = threading.Event()

    def listen(_: Event) -> None:
        inside.append(1)
        most.append(len(inside))
        turn.wait(0.0005)
        inside.pop()

    reporter = Reporter(listen)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: reporter.report(EVENT), range(100)))
    assert (max(most), len(most)) == (1, 100)


def test_a_listener_that_fails_is_not_called_again_and_its_failure_is_kept() -> None:
    calls: list[Event] = []

    def listen(event: Event) -> None:
        calls.append(event)
        raise BrokenPipeError

    reporter = Reporter(listen)
    reporter.report(EVENT)
    reporter.report(EVENT)
    assert len(calls) == 1
    assert isinstance(reporter.failure, BrokenPipeError)
