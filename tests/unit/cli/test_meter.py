from __future__ import annotations

import io
import threading
import time

import pytest

from kmsplan.cli.meter import PERIOD, Meter
from kmsplan.cli.terminal import Terminal


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def terminal(*, progress: bool = False, quiet: bool = False, columns: int = 80) -> Terminal:
    return Terminal(
        color=False,
        error_color=False,
        progress=progress,
        interactive=True,
        hints=True,
        quiet=quiet,
        error_columns=columns,
    )


def test_without_a_terminal_there_is_a_line_every_ten_seconds() -> None:
    out, clock = io.StringIO(), _Clock()
    with Meter(terminal(), "Reading the KMS", "objects", out, clock=clock) as meter:
        for done in range(25):
            clock.now += 1
            meter.tell(done * 200 + 200, 10_000)
    assert out.getvalue() == (
        "Reading the KMS: 2,000 of 10,000 objects, 200/s, 40 s left\n"
        "Reading the KMS: 4,000 of 10,000 objects, 200/s, 30 s left\n"
    )


def test_work_that_ends_soon_says_nothing() -> None:
    out, clock = io.StringIO(), _Clock()
    with Meter(terminal(), "Reading", "objects", out, clock=clock) as meter:
        clock.now += PERIOD - 0.1
        meter.tell(5, 10)
    assert out.getvalue() == ""


def test_who_wants_quiet_gets_it() -> None:
    out, clock = io.StringIO(), _Clock()
    with Meter(terminal(quiet=True), "Reading", "objects", out, clock=clock) as meter:
        clock.now += 3 * PERIOD
        meter.tell(5, 10)
    assert out.getvalue() == ""


def test_what_is_not_counted_is_timed() -> None:
    clock = _Clock()
    with Meter(terminal(), "Planning", "objects", io.StringIO(), clock=clock) as meter:
        clock.now += 3
        assert meter.line() == "Planning: 3 s"
        meter.tell(9)
        assert meter.line() == "Planning: 9 objects, 3/s"


def test_a_total_that_is_known_beforehand_is_told_from_the_beginning() -> None:
    clock = _Clock()
    with Meter(terminal(), "Planning", "objects", io.StringIO(), clock=clock, total=10_000) as meter:
        clock.now += 3
        assert meter.line() == "Planning: 10,000 objects, 3 s"
        meter.tell(3_000)
        assert meter.line() == "Planning: 3,000 of 10,000 objects, 1,000/s, 7 s left"


def test_on_a_terminal_a_line_comes_and_goes_and_is_never_wider_than_it() -> None:
    out = io.StringIO()
    with Meter(terminal(progress=True, columns=20), "Reading the KMS", "objects", out, patience=0) as meter:
        meter.tell(4000, 10_000)
        end = time.monotonic() + 60
        while "Reading" not in out.getvalue() and time.monotonic() < end:
            time.sleep(0.001)
    first, *lines, last = out.getvalue().split("\r\x1b[K")
    assert (first, last) == ("", "")
    assert lines
    assert {len(line) for line in lines} == {19}
    assert "\n" not in out.getvalue()


def test_a_reader_that_has_gone_does_not_stop_the_work() -> None:
    out = io.StringIO()
    out.close()
    with Meter(terminal(progress=True), "Reading", "objects", out, patience=0) as meter:
        meter.tell(1, 2)
    assert "kmsplan-meter" not in {thread.name for thread in threading.enumerate()}


def test_work_that_fails_leaves_no_thread() -> None:
    with pytest.raises(ZeroDivisionError), Meter(terminal(progress=True), "Reading", "objects", io.StringIO()):
        raise ZeroDivisionError
    assert "kmsplan-meter" not in {thread.name for thread in threading.enumerate()}
