from __future__ import annotations

import pytest

from kmsplan.provider.alibaba.limiter import RATES, Limiter, pool


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("CreateKey", "CreateKey"),
        ("ListResourceTags", "ListResourceTags"),
        ("DescribeKey", "read"),
        ("GetKeyPolicy", "read"),
        ("ListKeys", "read"),
        ("UpdateAlias", "write"),
        ("CreateKeyVersion", "write"),
        ("GetKmsInstance", "instance read"),
        ("ListKmsInstances", "instance read"),
        ("ReleaseKmsInstance", "instance write"),
    ],
)
def test_every_action_draws_from_a_pool_that_has_a_rate(action: str, expected: str) -> None:
    assert pool(action) == expected
    assert expected in RATES


class _Time:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.now += seconds


def test_calls_of_a_pool_begin_evenly_spaced() -> None:
    time = _Time()
    limiter = Limiter(lambda: time.now, time.sleep, {"read": 10})
    for _ in range(3):
        limiter.wait("DescribeKey")
    assert time.slept == [0.1, 0.1]


def test_calls_that_come_late_wait_for_nothing() -> None:
    time = _Time()
    limiter = Limiter(lambda: time.now, time.sleep, {"read": 10})
    limiter.wait("DescribeKey")
    time.now += 5
    limiter.wait("DescribeKey")
    assert time.slept == []


def test_pools_do_not_hold_each_other_up() -> None:
    time = _Time()
    limiter = Limiter(lambda: time.now, time.sleep, {"read": 1, "write": 1})
    limiter.wait("DescribeKey")
    limiter.wait("UpdateAlias")
    limiter.wait("GetKmsInstance")  # a pool without a rate
    limiter.wait("GetKmsInstance")
    assert time.slept == []
