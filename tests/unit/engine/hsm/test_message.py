from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmsplan.engine.hsm import message
from kmsplan.engine.hsm.message import FrameError, Op, pack, receive, send, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    ours.settimeout(60)
    theirs.settimeout(60)
    with ours, theirs:
        yield ours, theirs


@given(st.integers(0, 255), st.lists(st.binary(max_size=100), max_size=5))
def test_what_is_packed_is_unpacked(code: int, fields: list[bytes]) -> None:
    assert unpack(pack(code, fields)) == (code, fields)


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=3), st.data())
def test_a_frame_cut_anywhere_inside_a_field_is_refused(fields: list[bytes], data: st.DataObject) -> None:
    frame = pack(Op.SIGN, fields)
    last = len(frame) - 4 - len(fields[-1])
    cut = data.draw(st.integers(last + 1, len(frame) - 1))
    with pytest.raises(FrameError):
        unpack(frame[:cut])


def test_a_frame_larger_than_any_buffer_arrives_whole(pair: Pair) -> None:
    field = bytes(range(256)) * 40_000
    sender = threading.Thread(target=send, args=(pair[0], Op.ENCRYPT, [b"a", field]))
    sender.start()
    assert receive(pair[1]) == (Op.ENCRYPT, [b"a", field])
    sender.join()


def test_a_frame_that_arrives_byte_by_byte_is_put_together(pair: Pair) -> None:
    frame = pack(Op.FIND, [b"reference"])

    def trickle() -> None:
        for number in frame:
            pair[0].sendall(bytes([number]))

    sender = threading.Thread(target=trickle)
    sender.start()
    assert receive(pair[1]) == (Op.FIND, [b"reference"])
    sender.join()


def test_a_lane_closed_between_frames_is_an_end_and_no_error(pair: Pair) -> None:
    pair[0].close()
    assert receive(pair[1]) is None


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(pack(Op.FIND, [b"reference"])[:3], id="inside the head"),
        pytest.param(pack(Op.FIND, [b"reference"])[:-1], id="inside a field"),
        pytest.param(b"\0\0\0\0\0", id="no code"),
        pytest.param(b"\xff\xff\xff\xff\0", id="4 GiB"),
        pytest.param(pack(Op.FIND, []) * 2, id="two at once"),
    ],
)
def test_a_broken_frame_is_refused(pair: Pair, sent: bytes) -> None:
    pair[0].sendall(sent)
    pair[0].close()
    with pytest.raises(FrameError):
        receive(pair[1])


def test_the_sentinel_is_as_long_as_a_reference() -> None:
    assert len(message.SENTINEL) == message.REFERENCE_BYTES
