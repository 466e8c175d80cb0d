from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.hsm.lane import Lanes

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def lanes() -> Iterator[Lanes]:
    made = Lanes(2)
    yield made
    made.close()
    for theirs in made.theirs:
        theirs.close()


def test_the_lane_given_back_last_is_lent_first(lanes: Lanes) -> None:
    with lanes.borrow(1) as first:
        pass
    with lanes.borrow(1) as again:
        assert again is first


def test_the_first_lane_lent_leads_to_the_first_of_the_worker(lanes: Lanes) -> None:
    with lanes.borrow(1) as lane:
        lane.sendall(b"hello")
        assert lanes.theirs[0].recv(10) == b"hello"


def test_who_finds_all_lanes_busy_waits_no_longer_than_he_said(lanes: Lanes) -> None:
    with lanes.borrow(1), lanes.borrow(1), pytest.raises(queue.Empty), lanes.borrow(0.01):
        raise AssertionError


def test_a_lane_left_in_the_middle_of_a_call_brings_no_late_answer_to_the_next(lanes: Lanes) -> None:
    def leave_in_the_middle() -> None:
        with lanes.borrow(1) as lane:
            lane.sendall(b"question")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave_in_the_middle()
    assert lanes.broken
    with pytest.raises(BrokenPipeError):
        lanes.theirs[0].sendall(b"answer")
    with pytest.raises(BrokenPipeError), lanes.borrow(1) as again:
        again.sendall(b"next question")


def test_closing_ends_a_call_under_way_and_refuses_late_ones_at_once(lanes: Lanes) -> None:
    answers = []
    borrowed = threading.Event()

    def wait_for_an_answer() -> None:
        with lanes.borrow(60) as lane:
            borrowed.set()
            answers.append(lane.recv(10))

    waiting = threading.Thread(target=wait_for_an_answer)
    waiting.start()
    borrowed.wait()
    lanes.close()
    waiting.join(60)
    assert answers == [b""]
    with pytest.raises(OSError, match="Bad file descriptor"), lanes.borrow(60) as lane:
        lane.sendall(b"late")
