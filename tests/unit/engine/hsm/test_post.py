"""The worker's threads for short calls: one serves all lanes while calls are quick, each serves one if they are not."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import pytest

from kmsplan.engine.hsm import post
from kmsplan.engine.hsm.message import Op, pack, receive, send
from kmsplan.engine.hsm.post import Post

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kmsplan.engine.hsm.message import Frame

_LANES: Final = 4
_SLOW: Final = 0.05


class _Clerk:
    """Answers each request with itself, some time later."""

    def __init__(self, seconds: float, served: set[int]) -> None:
        self._seconds = seconds
        self._served = served
        self.together: threading.Barrier | None = None
        """Passed once as many as it is for are being answered."""

    def answers(self, requests: Sequence[Frame]) -> bytes:
        self._served.add(threading.get_ident())
        time.sleep(self._seconds)
        if self.together is not None:
            with suppress(threading.BrokenBarrierError):
                self.together.wait()
        return b"".join(pack(*request) for request in requests)


class _Worker:
    """A post with a thread for each lane."""

    def __init__(self, seconds: float) -> None:
        pairs = [socket.socketpair() for _ in range(_LANES)]
        self.ours = [ours for ours, _ in pairs]
        self._theirs = [theirs for _, theirs in pairs]
        self.served: set[int] = set()
        stand = Post(self._theirs, lambda: True)
        self.clerk = _Clerk(seconds, self.served)
        clerk: Any = self.clerk
        self.threads = [threading.Thread(target=stand.serve, args=(clerk,)) for _ in pairs]
        for thread in self.threads:
            thread.start()

    def ask_all(self) -> list[Frame | None]:
        """Send a request on each lane, then read the answers."""
        for number, lane in enumerate(self.ours):
            send(lane, Op.SIGN, [str(number).encode()])
        return [receive(lane) for lane in self.ours]

    def end(self) -> None:
        for lane in self.ours:
            lane.close()
        for thread in self.threads:
            thread.join(60)
        for lane in self._theirs:
            lane.close()


_ALL: Final = [(Op.SIGN, [str(number).encode()]) for number in range(_LANES)]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Worker]:
    # On a machine that is busy with other tests no call is quick.
    monkeypatch.setattr(post, "_QUICK_SECONDS", 10.0)
    worker = _Worker(0.0)
    yield worker
    worker.end()


@pytest.fixture
def slow() -> Iterator[_Worker]:
    worker = _Worker(_SLOW)
    yield worker
    worker.end()


def test_quick_calls_of_all_lanes_are_served_by_one_thread(quick: _Worker) -> None:
    for _ in range(20):
        assert quick.ask_all() == _ALL
    assert len(quick.served) == 1


def test_slow_calls_are_served_at_the_same_time(slow: _Worker) -> None:
    slow.ask_all()
    slow.clerk.together = threading.Barrier(_LANES, timeout=30)
    for _ in range(3):
        assert slow.ask_all() == _ALL
    assert not slow.clerk.together.broken, "one of them waited for another to be answered"
    assert len(slow.served) > 1


def test_a_lane_that_ends_or_talks_nonsense_leaves_the_others_served(quick: _Worker) -> None:
    ended, nonsense, *others = quick.ours
    ended.close()
    nonsense.sendall(b"\xff" * 100)
    for lane in others:
        send(lane, Op.SIGN, [b"still"])
        assert receive(lane) == (Op.SIGN, [b"still"])


def test_who_leaves_before_his_answer_comes_leaves_the_others_served(slow: _Worker) -> None:
    gone, *others = slow.ours
    send(gone, Op.SIGN, [b"unheard"])
    gone.close()
    for lane in others:
        send(lane, Op.SIGN, [b"still"])
        assert receive(lane) == (Op.SIGN, [b"still"])


@pytest.mark.parametrize("sort", ["quick", "slow"])
def test_all_threads_end_when_all_lanes_are_closed(sort: str, request: pytest.FixtureRequest) -> None:
    worker: _Worker = request.getfixturevalue(sort)
    worker.ask_all()
    worker.end()
    assert not any(thread.is_alive() for thread in worker.threads)


@pytest.mark.parametrize(("processors", "posts"), [(1, 1), (2, 1), (4, 2), (64, _LANES)])
def test_half_of_the_processors_have_a_post(monkeypatch: pytest.MonkeyPatch, processors: int, posts: int) -> None:
    shares: list[Sequence[object]] = []

    class _Counted(Post):
        def __init__(self, lanes: Sequence[object], *_: object) -> None:
            shares.append(lanes)

    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(processors)))
    monkeypatch.setattr(post, "Post", _Counted)
    lanes: Any = list(range(_LANES))
    driver: Any = None
    assert len(post.threads(lanes, driver, lambda: True)) == _LANES
    assert len(shares) == posts
    assert {lane for share in shares for lane in share} == set(lanes)
