"""A clock that leaps ahead is not followed at once."""

from __future__ import annotations

import pytest

from kmsplan.engine.pace import LEAP, WAIT, Pace

YEAR = 365 * 86400.0


class Machine:
    """Its two clocks."""

    def __init__(self) -> None:
        self.clock = 1_800_000_000.0
        self.passed = 100.0
        self.pace = Pace(clock=lambda: self.clock, passed=lambda: self.passed)

    def go(self, seconds: float) -> float:
        """Let time pass, and return the leap that is seen then."""
        self.clock += seconds
        self.passed += seconds
        return self.pace.leap()

    def set(self, seconds: float) -> float:
        """Set the clock ahead, or back, and return the leap that is seen then."""
        self.clock += seconds
        return self.pace.leap()


@pytest.mark.parametrize("seconds", [YEAR, 60.0], ids=["a year", "a minute"])
def test_time_that_passes_is_no_leap(seconds: float) -> None:
    machine = Machine()
    assert [machine.go(seconds) for _ in range(3)] == [0, 0, 0]


@pytest.mark.parametrize("seconds", [1.0, LEAP, -1.0, -YEAR])
def test_a_correction_is_no_leap_and_neither_is_a_clock_that_is_set_back(seconds: float) -> None:
    assert Machine().set(seconds) == 0


def test_a_leap_ahead_is_seen_until_the_clock_is_set_right() -> None:
    machine = Machine()
    assert machine.set(10 * YEAR) == 10 * YEAR
    assert machine.go(60) == 10 * YEAR
    assert machine.set(-10 * YEAR) == 0
    assert machine.go(60) == 0


def test_a_clock_that_nobody_sets_right_in_a_day_is_followed() -> None:
    machine = Machine()
    machine.set(10 * YEAR)
    assert machine.go(WAIT - 1) == 10 * YEAR
    assert machine.go(1) == 0
    assert machine.go(60) == 0
    assert machine.set(YEAR) == YEAR


def test_each_leap_has_a_day_of_its_own() -> None:
    machine = Machine()
    machine.set(YEAR)
    machine.go(WAIT - 1)
    machine.set(-YEAR)
    machine.set(YEAR)
    assert machine.go(WAIT - 1) == YEAR


def test_a_clock_that_was_set_back_leaps_when_it_is_set_right() -> None:
    machine = Machine()
    assert machine.set(-20 * YEAR) == 0
    assert machine.set(20 * YEAR) == 20 * YEAR
