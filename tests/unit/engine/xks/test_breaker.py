from __future__ import annotations

from kmsplan.engine.xks.breaker import FAILURES, PAUSE, Breaker


class Seconds:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def opened(seconds: Seconds) -> Breaker:
    breaker = Breaker(seconds)
    for _ in range(FAILURES):
        assert breaker.wait() == 0
        breaker.failed()
    return breaker


def test_a_few_failures_do_not_open_it() -> None:
    breaker = Breaker(Seconds())
    for _ in range(FAILURES - 1):
        breaker.failed()
    assert breaker.wait() == 0


def test_failures_in_a_row_open_it_for_a_while() -> None:
    seconds = Seconds()
    breaker = opened(seconds)
    assert breaker.wait() == PAUSE
    seconds.now += PAUSE - 1
    assert breaker.wait() == 1


def test_an_answer_between_failures_begins_the_count_anew() -> None:
    breaker = Breaker(Seconds())
    for _ in range(FAILURES * 3):
        breaker.failed()
        breaker.answered()
    assert breaker.wait() == 0


def test_after_the_pause_one_caller_tries_and_the_others_wait_on() -> None:
    seconds = Seconds()
    breaker = opened(seconds)
    seconds.now += PAUSE
    assert breaker.wait() == 0
    assert breaker.wait() == PAUSE


def test_an_answer_closes_it() -> None:
    seconds = Seconds()
    breaker = opened(seconds)
    seconds.now += PAUSE
    breaker.wait()
    breaker.answered()
    assert [breaker.wait(), breaker.wait()] == [0, 0]


def test_a_failure_after_the_pause_keeps_it_open_as_long_once_more() -> None:
    seconds = Seconds()
    breaker = opened(seconds)
    seconds.now += PAUSE
    breaker.wait()
    breaker.failed()
    assert breaker.wait() == PAUSE


def test_a_caller_who_tried_and_told_nothing_does_not_keep_it_open_for_ever() -> None:
    seconds = Seconds()
    breaker = opened(seconds)
    seconds.now += PAUSE
    assert breaker.wait() == 0
    seconds.now += PAUSE
    assert breaker.wait() == 0
