"""Looking out for what comes: nothing is lost by it, and where it is in vain it ends."""

from __future__ import annotations

import socket
import struct
import threading
from itertools import count
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.hsm import wire
from kmsplan.engine.hsm.wire import Lookout, Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

Pair = tuple[socket.socket, socket.socket]
_NEVER = 0.0
_LONG = 30.0
_SHORT = 0.00001
_NEVER_COMES = 1_000_000_000
_SEEN = "seen"


def _alone() -> bool:
    return True


class _Comer:
    """Comes when it was looked out for so many times."""

    def __init__(self, empty: int) -> None:
        self.empty = empty
        self.looks = 0

    def take(self) -> str:
        self.looks += 1
        return _SEEN if self.looks > self.empty else ""

    def again(self, empty: int) -> None:
        self.looks, self.empty = 0, empty


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each look take a microsecond, however long others have the processor meanwhile."""
    microseconds = count()
    monkeypatch.setattr(wire, "perf_counter", lambda: next(microseconds) / 1e6)


@pytest.mark.parametrize("seconds", [_NEVER, _LONG])
@pytest.mark.parametrize("late", [False, True])
def test_what_comes_is_received_awake_or_asleep(pair: Pair, seconds: float, *, late: bool) -> None:
    one = Wire(pair[0], _alone, seconds)
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
@pytest.mark.parametrize("alone", [False, True])
def test_a_closed_socket_is_an_error_and_no_other_files_content(pair: Pair, seconds: float, *, alone: bool) -> None:
    one = Wire(pair[0], lambda: alone, seconds)
    pair[0].close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        one.recv(100)
    with pytest.raises(OSError, match="Bad file descriptor"):
        one.sendall(b"content")


@pytest.mark.parametrize("alone", [False, True])
def test_what_the_socket_does_not_hold_is_sent_as_soon_as_there_is_room(pair: Pair, *, alone: bool) -> None:
    content = bytes(range(256)) * 10_000
    sender = threading.Thread(target=Wire(pair[0], lambda: alone).sendall, args=(content,))
    sender.start()
    received, one = b"", Wire(pair[1], _alone)
    while len(received) < len(content):
        received += one.recv(1_000_000)
    sender.join()
    assert received == content


@pytest.mark.parametrize("alone", [False, True])
def test_sending_to_a_peer_that_has_gone_is_an_error(pair: Pair, *, alone: bool) -> None:
    pair[1].close()
    with pytest.raises(BrokenPipeError):
        Wire(pair[0], lambda: alone).sendall(b"content")


@pytest.mark.parametrize("alone", [False, True])
def test_no_more_is_received_than_was_asked_for(pair: Pair, *, alone: bool) -> None:
    one = Wire(pair[0], lambda: alone, _LONG)
    pair[1].sendall(b"content")
    assert [one.recv(3), one.recv(100)] == [b"con", b"tent"]


def test_the_kernels_timeout_is_kept(pair: Pair) -> None:
    pair[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 10_000))
    with pytest.raises(BlockingIOError):
        Wire(pair[0], _alone, _NEVER).recv(100)


def test_nobody_looks_out_in_the_way_of_others(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Wire] = []
    monkeypatch.setattr(Wire, "_come", looks.append)
    one = Wire(pair[0], lambda: False, _LONG)
    timer = threading.Timer(0.005, pair[1].sendall, (b"late",))
    timer.start()
    assert one.recv(100) == b"late"
    timer.join()
    assert looks == []


@pytest.mark.usefixtures("ticking")
@pytest.mark.parametrize(("most", "pause"), [(10, 1024), (3, 8)])
def test_who_looks_out_in_vain_does_so_less_and_less_often(most: int, pause: int) -> None:
    comer, lookout = _Comer(_NEVER_COMES), Lookout(_SHORT, most)
    looked = []
    for number in range(10_000):
        before = comer.looks
        assert lookout.watch(comer.take, _alone) is None
        if comer.looks > before:
            looked.append(number)
    assert looked[:3] == [0, 2, 6]
    assert looked[-1] - looked[-2] == looked[-2] - looked[-3] == pause


def test_who_sees_it_come_looks_out_again_the_next_time() -> None:
    comer, lookout = _Comer(3), Lookout(_LONG)
    assert [lookout.watch(comer.take, _alone) for _ in range(5)] == [_SEEN] * 5
    assert comer.looks == 8


def test_who_looks_out_gives_way_to_others_who_come() -> None:
    came = iter([True, True, True, False])
    comer = _Comer(_NEVER_COMES)
    assert Lookout(_LONG).watch(comer.take, lambda: next(came)) is None
    assert comer.looks == 3


@pytest.mark.usefixtures("ticking")
@pytest.mark.parametrize(("successes", "rest"), [(63, 16), (64, 8), (128, 4)])
def test_many_successes_make_up_for_a_vain_look(successes: int, rest: int) -> None:
    comer, lookout = _Comer(_NEVER_COMES), Lookout(_SHORT)
    for _ in range(7):
        lookout.watch(comer.take, _alone)
    comer.again(0)
    seen = 0
    while seen < successes:
        seen += lookout.watch(comer.take, _alone) == _SEEN
    comer.again(_NEVER_COMES)
    lookout.watch(comer.take, _alone)
    looks, rests = comer.looks, 0
    while comer.looks == looks:
        rests += 1
        lookout.watch(comer.take, _alone)
    assert rests == rest
