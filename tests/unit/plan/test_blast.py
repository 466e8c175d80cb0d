"""How much a plan says is under a key: a power of ten, so that one more use of the key makes no other plan."""

from __future__ import annotations

import pytest

from kmsplan.plan.blast import _rounded


@pytest.mark.parametrize(
    ("count", "told"), [(None, None), (0, 0), (1, 1), (2, 10), (10, 10), (11, 100), (1204, 10_000), (10_000, 10_000)]
)
def test_encryptions_are_told_as_a_power_of_ten_that_they_do_not_exceed(count: int | None, told: int | None) -> None:
    assert _rounded(count) == told
