"""The wish to stop."""

from __future__ import annotations

import signal
import threading
import time

from kmsplan.apply.stop import StopSignal


def test_waiting_takes_the_time_that_it_is_told() -> None:
    started = time.monotonic()
    StopSignal().wait(0.06)
    assert time.monotonic() - started >= 0.06


def test_waiting_ends_with_the_wish_to_stop() -> None:
    stop = StopSignal()
    threading.Timer(0.05, stop.set).start()
    started = time.monotonic()
    stop.wait(600)
    assert time.monotonic() - started < 300
    assert stop.is_set


def test_a_signal_handler_may_set_it_anywhere() -> None:
    stop = StopSignal()
    before = signal.signal(signal.SIGALRM, lambda *_: stop.set())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        stop.wait(30)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert stop.is_set
