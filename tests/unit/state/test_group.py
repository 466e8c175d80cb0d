"""Group commit: one flush for all who wait."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from kmsplan.state.group import Group


class Log:
    """Appends numbers, and flushes them slowly on demand."""

    def __init__(self) -> None:
        self.last = 0
        self.flushes = 0
        self.guard = threading.Lock()
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.failure: Exception | None = None

    def append(self) -> int:
        with self.guard:
            self.last += 1
            return self.last

    def flush(self) -> int:
        with self.guard:
            last = self.last
        self.flushes += 1
        self.entered.set()
        assert self.gate.wait(30)
        if self.failure is not None:
            raise self.failure
        return last


def test_what_is_durable_already_costs_no_flush() -> None:
    log = Log()
    Group(log.flush, durable=5).wait(5)
    assert log.flushes == 0


def test_who_comes_alone_flushes() -> None:
    log = Log()
    Group(log.flush, durable=0).wait(log.append())
    assert log.flushes == 1


def test_all_who_come_during_a_flush_share_the_next_one() -> None:
    log = Log()
    group = Group(log.flush, durable=0)
    log.gate.clear()
    with ThreadPoolExecutor(21) as pool:
        first = pool.submit(group.wait, log.append())
        assert log.entered.wait(30)
        numbers = [log.append() for _ in range(20)]
        others = [pool.submit(group.wait, number) for number in numbers]
        while len(group._waiting) < 20:
            threading.Event().wait(0.001)
        log.gate.set()
        for future in (first, *others):
            future.result(30)
    assert log.flushes == 2


def test_nobody_returns_before_its_entry_is_durable() -> None:
    log = Log()
    durable = [0]

    def flush() -> int:
        last = log.flush()
        durable[0] = last
        return last

    group = Group(flush, durable=0)
    early: list[int] = []

    def work() -> None:
        for _ in range(200):
            number = log.append()
            group.wait(number)
            if durable[0] < number:
                early.append(number)

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(work) for _ in range(8)]:
            future.result(60)
    assert (early, log.last) == ([], 1600)
    assert log.flushes <= 1600


def test_a_failed_flush_is_everybodys_failure_and_nobody_hangs() -> None:
    log = Log()
    group = Group(log.flush, durable=0)
    log.failure = OSError("disk full")
    log.gate.clear()
    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(group.wait, log.append())
        assert log.entered.wait(30)
        others = [pool.submit(group.wait, log.append()) for _ in range(4)]
        log.gate.set()
        for future in (first, *others):
            with pytest.raises(OSError, match="disk full"):
                future.result(30)
