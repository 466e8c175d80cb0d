"""What is ready before the first worker is."""

from __future__ import annotations

import pytest

from kmsplan.cli import serve
from kmsplan.server.nonce import REGIONS
from kmsplan.server.serving import outwait


@pytest.mark.parametrize(
    ("now", "waits"),
    [(99.5, []), (100.0, [1.0]), (100.75, [0.25]), (101.0, []), (5000.0, [])],
    ids=["clock set back", "at its beginning", "within it", "at its end", "long over"],
)
def test_only_the_second_in_which_nonces_were_forgotten_is_waited_for(now: float, waits: list[float]) -> None:
    waited: list[float] = []
    outwait(100, clock=lambda: now, sleep=waited.append)
    assert waited == waits


def test_no_more_workers_are_taken_than_a_folder_has_room_for() -> None:
    assert serve._MOST == REGIONS
