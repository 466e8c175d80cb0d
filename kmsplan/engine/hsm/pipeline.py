"""Short calls, many at once: what waits while all lanes are busy goes out together when one comes free.

A short call costs a token some ten microseconds, and sending and waking up for each of them cost more than that. So one
of the callers who wait leads: he sends for all of them, reads all answers and hands them out. Alone, a caller finds a
lane free and waits for nobody.

A caller on a lane of his own is woken by his answer alone, so up to as many callers as there are lanes each have one.
Of more callers, a token in this machine serves most on two lanes: the worker has one, the callers the other. A token
behind a network answers late but many at once, and is asked on all lanes. The pace tells them apart.
"""

from __future__ import annotations

import math
import socket
import struct
from collections import deque
from contextlib import suppress
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, Final

from kmsplan.engine.hsm.message import FrameError, Stream
from kmsplan.engine.hsm.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kmsplan.engine.hsm.message import Frame

_FAST_SECONDS: Final = 0.0003
"""The best time of a call that a token in this machine makes at least once in a while."""
_WINDOW: Final = 64
_TRIAL: Final = 16
"""Of so many windows, one tries all lanes."""
_NARROW: Final = 2
"""Lanes for a token that answers fast."""
_BATCH_CALLS: Final = 32
_BATCH_BYTES: Final = 65536
"""Together less than a socket holds: no side can be stuck in sending while the other is too."""


class BrokenPipelineError(Exception):
    """The worker is gone; whether it did the call is not known."""


class _Call:
    """One caller's request, and where he waits."""

    __slots__ = ("answer", "batch", "frame", "gone", "lane", "next", "turn")

    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        self.answer: Frame | None = None
        self.turn: Lock | None = None
        self.lane: _Lane | None = None
        self.batch: list[_Call] = []
        self.next: _Call | None = None
        """Whom this caller wakes when he is awake himself; all woken at once would stand in each other's way."""
        self.gone = False
        """Whether nobody waits here any more, because he was interrupted."""

    def wake(self) -> None:
        """Wake the caller, or else the one after him: an answer or a lane is there."""
        call: _Call | None = self
        while call is not None:
            if call.turn is not None:
                call.turn.release()
            # Where both see that he is gone, one of them takes the turn, and with it the duty to wake the next.
            if not call.gone or call.turn is None or not call.turn.acquire(blocking=False):
                return
            call = call.next

    def leave(self) -> None:
        """Wait no more."""
        self.gone = True
        if self.turn is not None and self.turn.acquire(blocking=False) and self.next is not None:
            self.next.wake()


class _Lane:
    """The client's end of one socket pair."""

    __slots__ = ("_socket", "_stream", "busy", "wire")

    def __init__(self, ours: socket.socket, seconds: float, alone: Callable[[], bool]) -> None:
        self.busy = False
        self._socket = ours
        # The kernel keeps the time: a timeout of Python's would ask it twice for each receive.
        limit = struct.pack("ll", int(seconds), 0)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self.wire = Wire(ours, alone)
        self._stream = Stream(self.wire)

    def exchange(self, batch: Sequence[_Call]) -> list[Frame]:
        """Send and receive.

        Raises:
            OSError, FrameError: the lane is of no use any more; BlockingIOError where the time is over.
        """
        self.wire.sendall(b"".join([call.frame for call in batch]) if len(batch) > 1 else batch[0].frame)
        answers: list[Frame] = []
        while len(answers) < len(batch):
            more = self._stream.read()
            if not more:
                raise ConnectionError
            answers += more
        if len(answers) > len(batch):
            raise FrameError("more answers than questions")
        return answers

    def shut(self) -> None:
        """End what is under way."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close; no thread may be inside."""
        self._socket.close()


class _Pace:
    """Tells how many lanes are worth it, by the best call of each window and by how many callers there were at once.

    Args:
        lanes: how many there are.
    """

    def __init__(self, lanes: int) -> None:
        self._lanes = lanes
        self._calls = 0
        self._windows = 0
        self._most = 0
        self._best = math.inf
        self.wanted = lanes

    def note(self, seconds: float, callers: int) -> None:
        """Take the time of one call into account; that two threads do so at once is no harm."""
        self._best = min(self._best, seconds)
        self._most = max(self._most, callers)
        self._calls += 1
        if self._calls < _WINDOW:
            return
        narrow = self._best < _FAST_SECONDS and self._most > self._lanes
        self._windows += 1
        self.wanted = _NARROW if narrow and self._windows % _TRIAL else self._lanes
        self._calls, self._most, self._best = 0, 0, math.inf


class Pipeline:
    """Lanes shared by any number of callers.

    Args:
        lanes: the client's ends of them.
        seconds: how long a call may take.
    """

    def __init__(self, lanes: Sequence[socket.socket], seconds: float) -> None:
        self.broken = False
        """Whether it is of no use any more."""
        self._seconds = seconds
        self._lock = Lock()
        self._inside = 0  # callers that have no answer yet
        self._lanes = [_Lane(ours, seconds, self._alone) for ours in lanes]
        self._waiting: deque[_Call] = deque()
        self._pace = _Pace(len(lanes))

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
            self.broken = True
            idle = [lane for lane in self._lanes if not lane.busy]
        for lane in self._lanes:
            lane.shut()
        # A socket may be closed only when no thread is inside it; the others are closed by who leaves them.
        for lane in idle:
            lane.close()

    def drop(self) -> None:
        """Close this process's sockets, unnoticed by the worker."""
        for lane in self._lanes:
            lane.close()

    def _alone(self) -> bool:
        """Say whether there is no other caller."""
        return self._inside < 2  # noqa: PLR2004 - one

    def _enter(self, call: _Call) -> _Lane | None:
        """Take a lane, or stand in line."""
        with self._lock:
            if self.broken:
                raise BrokenPipelineError
            self._inside += 1
            wanted = self._pace.wanted
            for lane in self._lanes:
                if not lane.busy:
                    lane.busy = True
                    return lane
                wanted -= 1
                if not wanted:
                    break
            call.turn = Lock()
            call.turn.acquire()
            self._waiting.append(call)
            return None

    def _wait(self, call: _Call) -> None:
        """Wait for the answer, or for the turn to lead.

        Raises:
            TimeoutError: neither came in time.
        """
        came = False
        try:
            # Twice the time: once for those before it, once for its own batch. A leader's lane keeps a batch's time.
            came = call.turn is None or call.turn.acquire(timeout=2 * self._seconds)
        finally:
            if came:
                if call.next is not None:
                    call.next.wake()
            else:
                # Also where somebody interrupts this thread: it could be made the leader, and nobody would lead.
                call.leave()
                self.close()
                self._give_up(call.lane, call.batch)
        if not came:
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
        self._pace.note((perf_counter() - began) / len(batch), self._inside)
        self._pass_on(lane, len(batch))
        if len(batch) == 1:
            batch[0].answer = answers[0]
            return
        following: _Call | None = None
        for call, answer in zip(reversed(batch), reversed(answers), strict=True):
            call.answer, call.next = answer, following
            following = call
        batch[0].next = None
        batch[1].wake()

    def _pass_on(self, lane: _Lane, served: int) -> None:
        """Let the next in line lead all who wait, or lay the lane down."""
        with self._lock:
            self._inside -= served
            if self.broken or not self._waiting:
                self._leave(lane)
                return
            batch = self._next()
            leader = batch[0]
            leader.lane, leader.batch = lane, batch
        if leader.turn is not None:
            leader.turn.release()

    def _leave(self, lane: _Lane) -> None:
        """Lay a lane down; the lock is held."""
        lane.busy = False
        if self.broken:
            lane.close()

    def _next(self) -> list[_Call]:
        waiting = self._waiting
        batch = [waiting.popleft()]
        size = len(batch[0].frame)
        while waiting and len(batch) < _BATCH_CALLS and size + len(waiting[0].frame) <= _BATCH_BYTES:
            size += len(waiting[0].frame)
            batch.append(waiting.popleft())
        return batch

    def _give_up(self, lane: _Lane | None, batch: list[_Call]) -> None:
        """Break the pipeline, leave the lane if there is one, and wake all who wait: they find no answer."""
        self.close()
        with self._lock:
            if lane is not None:
                self._leave(lane)
            waiting = [*batch[1:], *self._waiting]
            self._waiting.clear()
        for call in waiting:
            if call.turn is not None:
                call.turn.release()
