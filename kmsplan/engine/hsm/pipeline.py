"""Short calls, many at once: what waits while a lane is busy goes out together when it comes free.

A short call costs a token some ten microseconds, and sending and waking up for each of them cost more than that. So one
of the callers who wait leads: it sends for all of them, reads all answers and hands them out. Alone, a caller finds a
lane free and waits for nobody.

A batch is sent while the one before it is worked on, so that the worker never waits for us. A token in this machine
gains nothing from more than a few lanes; one behind a network answers late but many at once. The pace tells the two
apart.
"""

from __future__ import annotations

import math
import socket
import struct
from collections import deque
from contextlib import suppress
from operator import attrgetter
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, Final

from kmsplan.engine.hsm.message import FrameError, Stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmsplan.engine.hsm.message import Frame

_FAST_SECONDS: Final = 0.0003
"""The best time of a call that a token in this machine makes at least once in a while."""
_WINDOW: Final = 64
_NARROW: Final = 2
"""Lanes for a token that answers fast."""
_DEPTH: Final = 2
"""Batches under way on a lane."""
_BATCH_CALLS: Final = 32
_BATCH_BYTES: Final = 65536
"""Together less than a socket holds: no side can be stuck in sending while the other is too."""


_in_flight: Final = attrgetter("in_flight")


class BrokenPipelineError(Exception):
    """The worker is gone; whether it did the call is not known."""


class _Call:
    """One caller's request, and where he waits."""

    __slots__ = ("answer", "batch", "frame", "lane", "turn")

    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        self.answer: Frame | None = None
        self.turn: Lock | None = None
        self.lane: _Lane | None = None
        self.batch: list[_Call] = []


class _Lane:
    """The client's end of one socket pair."""

    __slots__ = ("_arrived", "_last", "_sending", "_socket", "_stream", "in_flight")

    def __init__(self, ours: socket.socket, seconds: float) -> None:
        self.in_flight = 0
        self._socket = ours
        # The kernel keeps the time: a timeout of Python's would ask it twice for each receive.
        limit = struct.pack("ll", int(seconds), 0)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self._stream = Stream(ours)
        self._arrived: list[Frame] = []
        self._sending = Lock()
        self._last = Lock()

    def exchange(self, batch: Sequence[_Call]) -> list[Frame]:
        """Send and receive; a second thread may send before the first has received.

        Raises:
            OSError, FrameError: the lane is of no use any more; BlockingIOError where the time is over.
        """
        content = b"".join([call.frame for call in batch]) if len(batch) > 1 else batch[0].frame
        received = Lock()
        received.acquire()
        try:
            with self._sending:
                # Answers are read in the order of sending: each waits for the one before it.
                before, self._last = self._last, received
                self._socket.sendall(content)
            with before:
                return self._receive(len(batch))
        finally:
            received.release()

    def shut(self) -> None:
        """End what is under way."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close; no thread may be inside."""
        self._socket.close()

    def _receive(self, count: int) -> list[Frame]:
        arrived = self._arrived
        while len(arrived) < count:
            more = self._stream.read()
            if not more:
                raise ConnectionError
            arrived += more
        self._arrived = arrived[count:]
        return arrived[:count]


class _Pace:
    """Tells how many lanes are worth it, by the best call of each window."""

    def __init__(self, lanes: int) -> None:
        self._lanes = lanes
        self._calls = 0
        self._best = math.inf
        self.wanted = _NARROW

    def note(self, seconds: float) -> None:
        """Take the time of one call into account; that two threads do so at once is no harm."""
        self._best = min(self._best, seconds)
        self._calls += 1
        if self._calls >= _WINDOW:
            self.wanted = _NARROW if self._best < _FAST_SECONDS else self._lanes
            self._calls, self._best = 0, math.inf


class Pipeline:
    """Lanes shared by any number of callers.

    Args:
        lanes: the client's ends of them.
        seconds: how long a call may take.
    """

    def __init__(self, lanes: Sequence[socket.socket], seconds: float) -> None:
        self._seconds = seconds
        self._lock = Lock()
        self._lanes = [_Lane(ours, seconds) for ours in lanes]
        self._waiting: deque[_Call] = deque()
        self._pace = _Pace(len(self._lanes))
        self._broken = False

    def call(self, frame: bytes) -> Frame:
        """Send a frame and return its answer.

        Raises:
            BrokenPipelineError: the worker is gone.
            TimeoutError: it did not answer in time.
        """
        call = _Call(frame)
        lane = self._enter(call)
        batch = [call]
        if lane is None:
            self._wait(call)
            lane, batch = call.lane, call.batch
        if lane is not None:
            self._lead(lane, batch)
        if call.answer is None:
            raise BrokenPipelineError
        return call.answer

    def close(self) -> None:
        """End the calls under way, and refuse later ones."""
        with self._lock:
            self._broken = True
            idle = [lane for lane in self._lanes if not lane.in_flight]
        for lane in self._lanes:
            lane.shut()
        # A socket may be closed only when no thread is inside it; the others are closed by who leaves them last.
        for lane in idle:
            lane.close()

    def drop(self) -> None:
        """Close this process's sockets, unnoticed by the worker."""
        for lane in self._lanes:
            lane.close()

    def _enter(self, call: _Call) -> _Lane | None:
        """Take a place on a lane, or stand in line."""
        with self._lock:
            if self._broken:
                raise BrokenPipelineError
            lane = min(self._lanes[: self._pace.wanted], key=_in_flight)
            if lane.in_flight < _DEPTH:
                lane.in_flight += 1
                return lane
            call.turn = Lock()
            call.turn.acquire()
            self._waiting.append(call)
            return None

    def _wait(self, call: _Call) -> None:
        """Wait for the answer, or for the turn to lead.

        Raises:
            TimeoutError: neither came in time.
        """
        # Twice the time: once for those before it, once for its own batch. A leader's lane keeps the time of a batch.
        if call.turn is not None and not call.turn.acquire(timeout=2 * self._seconds):
            raise TimeoutError

    def _lead(self, lane: _Lane, batch: list[_Call]) -> None:
        """Make the exchange for a batch, pass the lane on, and hand the answers out."""
        began = perf_counter()
        try:
            answers = lane.exchange(batch)
        except BaseException as error:
            # Also where somebody interrupts this thread: the answers that still come are nobody else's.
            self._give_up(lane, batch)
            if isinstance(error, BlockingIOError):
                raise TimeoutError from error
            if isinstance(error, OSError | FrameError):
                raise BrokenPipelineError from error
            raise
        self._pace.note((perf_counter() - began) / len(batch))
        self._pass_on(lane)
        for call, answer in zip(batch, answers, strict=True):
            call.answer = answer
            if call.turn is not None and call is not batch[0]:
                call.turn.release()

    def _pass_on(self, lane: _Lane) -> None:
        """Let the next in line lead all who wait, or lay the lane down."""
        with self._lock:
            if self._broken or not self._waiting:
                self._leave(lane)
                return
            batch = self._next()
        leader = batch[0]
        leader.lane, leader.batch = lane, batch
        if leader.turn is not None:
            leader.turn.release()

    def _leave(self, lane: _Lane) -> None:
        """Give up a place; the lock is held."""
        lane.in_flight -= 1
        if self._broken and not lane.in_flight:
            lane.close()

    def _next(self) -> list[_Call]:
        waiting = self._waiting
        batch = [waiting.popleft()]
        size = len(batch[0].frame)
        while waiting and len(batch) < _BATCH_CALLS and size + len(waiting[0].frame) <= _BATCH_BYTES:
            size += len(waiting[0].frame)
            batch.append(waiting.popleft())
        return batch

    def _give_up(self, lane: _Lane, batch: list[_Call]) -> None:
        """Break the pipeline, and wake all who wait: they find no answer."""
        self.close()
        with self._lock:
            self._leave(lane)
            waiting = [*batch[1:], *self._waiting]
            self._waiting.clear()
        for call in waiting:
            if call.turn is not None:
                call.turn.release()
