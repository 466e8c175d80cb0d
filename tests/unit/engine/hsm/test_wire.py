"""Looking out for what comes: nothing is lost by it, and where it is in vain it ends."""

from __future__ import annotations

import socket
import struct
import threading
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from kmsplan.engine.hsm.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Pair = tuple[socket.socket, socket.socket]
_NEVER = 0.0
_LONG = 30.0
_SEEN = b""
_WAITED = b"waited"


def _alone() -> bool:
    return True


class _Lane:
    """A socket on which something is seen once it was looked at so many times; and whoever waits gets something."""

    def __init__(self, empty: int) -> None:
        self.empty = empty
        self.looks = 0

    def fileno(self) -> int:
        return -1

    def recv(self, limit: int) -> bytes:
        return _WAITED[:limit]

    def look(self, *_: object) -> int:
        self.looks += 1
        return -1 if self.looks <= self.empty else len(_SEEN)


Make: TypeAlias = "Callable[..., tuple[_Lane, Wire]]"


@pytest.fixture
def make() -> Make:
    def made(empty: int, seconds: float, alone: Callable[[], bool] = _alone) -> tuple[_Lane, Wire]:
        lane: Any = _Lane(empty)
        one = Wire(lane, alone, seconds)
        one._receive = lane.look
        return lane, one

    return made


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize("seconds", [_NEVER, _LONG])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("polite", [False, True])
def test_what_comes_is_received_awake_or_asleep(pair: Pair, seconds: float, *, late: bool, polite: bool) -> None:
    one = Wire(pair[0], _alone, seconds, polite=polite)
    for number in range(20):
        sent = str(number).encode()
        timer = threading.Timer(0.005 * late, pair[1].sendall, (sent,))
        timer.start()
        assert one.recv(100) == sent
        timer.join()


@pytest.mark.parametrize("seconds", [_NEVER, _LONG])
def test_the_end_is_received_too(pair: Pair, seconds: float) -> None:
    pair[1].close()
    assert Wire(pair[0], _alone, seconds).recv(100) == b""


@pytest.mark.parametrize("seconds", [_NEVER, 0.001])
def test_a_closed_socket_is_an_error_and_no_other_files_content(pair: Pair, seconds: float) -> None:
    one = Wire(pair[0], _alone, seconds)
    pair[0].close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        one.recv(100)
    with pytest.raises(OSError, match="Bad file descriptor"):
        one.sendall(b"content")


def test_what_the_socket_does_not_hold_is_sent_as_soon_as_there_is_room(pair: Pair) -> None:
    content = bytes(range(256)) * 10_000
    sender = threading.Thread(target=Wire(pair[0], _alone).sendall, args=(content,))
    sender.start()
    received, one = b"", Wire(pair[1], _alone)
    while len(received) < len(content):
        received += one.recv(1_000_000)
    sender.join()
    assert received == content


def test_sending_to_a_peer_that_has_gone_is_an_error(pair: Pair) -> None:
    pair[1].close()
    with pytest.raises(BrokenPipeError):
        Wire(pair[0], _alone).sendall(b"content")


def test_the_kernels_timeout_is_kept(pair: Pair) -> None:
    pair[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 10_000))
    with pytest.raises(BlockingIOError):
        Wire(pair[0], _alone, _NEVER).recv(100)


def test_who_looks_out_in_vain_does_so_less_and_less_often(make: Make) -> None:
    lane, one = make(1_000_000, _NEVER)
    looked = []
    for number in range(10_000):
        before = lane.looks
        assert one.recv(100) == _WAITED
        if lane.looks > before:
            looked.append(number)
    assert looked[:5] == [0, 2, 6, 14, 30]
    assert looked[-1] - looked[-2] == looked[-2] - looked[-3] == 1024


def test_who_sees_it_come_looks_out_again_the_next_time(make: Make) -> None:
    lane, one = make(3, _LONG)
    assert [one.recv(100) for _ in range(5)] == [_SEEN] * 5
    assert lane.looks == 8
    assert one.seen == 1, "what was there already was not waited for"


def test_nobody_looks_out_in_the_way_of_others(make: Make) -> None:
    lane, one = make(1_000_000, _LONG, lambda: False)
    assert one.recv(100) == _WAITED
    assert lane.looks == 0


def test_who_looks_out_gives_way_to_others_who_come(make: Make) -> None:
    came = iter([True, True, True, False])
    lane, one = make(1_000_000, _LONG, lambda: next(came))
    assert one.recv(100) == _WAITED
    assert lane.looks == 3


@pytest.mark.parametrize(("successes", "rest"), [(63, 16), (64, 8), (128, 4)])
def test_many_successes_make_up_for_a_vain_look(make: Make, successes: int, rest: int) -> None:
    lane, one = make(1_000_000, _NEVER)
    for _ in range(7):
        one.recv(100)
    one._seconds = _LONG
    while one.seen < successes:
        lane.looks, lane.empty = 0, 1
        one.recv(100)
    one._seconds, lane.looks, lane.empty = _NEVER, 0, 1_000_000
    one.recv(100)
    rests = 0
    while lane.looks < 2:
        rests += 1
        one.recv(100)
    assert rests == rest
