"""Short calls of many threads: each gets its own answer, whatever becomes of the others."""

from __future__ import annotations

import math
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import pytest

from kmsplan.engine.hsm.message import FrameError, Op, Stream, pack
from kmsplan.engine.hsm.pipeline import BrokenPipelineError, Pipeline, _Call, _Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LANES: Final = 8
_CALLERS: Final = 24


class _Worker:
    """Answers each frame with the same frame, some time after it was asked, and keeps count."""

    def __init__(self) -> None:
        pairs = [socket.socketpair() for _ in range(_LANES)]
        self.ours = [ours for ours, _ in pairs]
        self.theirs = [theirs for _, theirs in pairs]
        self.go = threading.Event()
        self.go.set()
        self.seconds = 0.0
        self.surplus = b""
        self.batches: list[int] = []
        self.used: set[int] = set()
        self._threads = [threading.Thread(target=self._serve, args=(number,)) for number in range(_LANES)]
        for thread in self._threads:
            thread.start()

    def _serve(self, number: int) -> None:
        lane = self.theirs[number]
        stream = Stream(lane)
        try:
            while frames := stream.read():
                self.used.add(number)
                self.batches.append(len(frames))
                self.go.wait()
                time.sleep(self.seconds * len(frames))
                lane.sendall(b"".join([pack(*frame) for frame in frames]) + self.surplus)
        except (OSError, FrameError):
            return

    def end(self) -> None:
        """End as a killed process does: every lane is closed."""
        self.go.set()
        for lane in self.theirs:
            lane.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for lane in self.theirs:
            lane.close()


@pytest.fixture
def worker() -> Iterator[_Worker]:
    made = _Worker()
    yield made
    made.end()


@pytest.fixture
def pipeline(worker: _Worker) -> Iterator[Pipeline]:
    made = Pipeline(worker.ours, 10)
    _narrow(made)
    yield made
    made.close()


def _frame(text: str) -> bytes:
    return pack(Op.SIGN, [text.encode()])


def _answer(pipeline: Pipeline, text: str) -> str:
    return pipeline.call(_frame(text))[1][0].decode()


def _narrow(pipeline: Pipeline) -> None:
    """Let it know that the token answers fast, and that looking out does not pay."""
    pipeline._pace.wanted = 2


def _waiting(pipeline: Pipeline, count: int) -> None:
    """Return once so many callers stand in line."""
    end = time.monotonic() + 60
    while len(pipeline._waiting) < count:
        assert time.monotonic() < end
        time.sleep(0.001)


def test_every_caller_gets_the_answer_to_his_own_question(pipeline: Pipeline) -> None:
    def ask(caller: int) -> list[str]:
        return [_answer(pipeline, f"{caller}/{number}") for number in range(50)]

    with ThreadPoolExecutor(_CALLERS) as pool:
        answers = list(pool.map(ask, range(_CALLERS)))
    assert answers == [[f"{caller}/{number}" for number in range(50)] for caller in range(_CALLERS)]


def test_what_waits_goes_out_together(worker: _Worker, pipeline: Pipeline) -> None:
    worker.go.clear()
    with ThreadPoolExecutor(_CALLERS) as pool:
        answers = pool.map(lambda number: _answer(pipeline, str(number)), range(_CALLERS))
        _waiting(pipeline, _CALLERS - 2)
        worker.go.set()
        assert list(answers) == [str(number) for number in range(_CALLERS)]
    assert sorted(worker.batches) == [1, 1, _CALLERS - 2]


def test_a_batch_is_never_larger_than_what_a_socket_holds(worker: _Worker, pipeline: Pipeline) -> None:
    worker.go.clear()
    texts = [f"{number}:" + "x" * 20_000 for number in range(8)]
    with ThreadPoolExecutor(len(texts)) as pool:
        answers = pool.map(lambda text: _answer(pipeline, text), texts)
        _waiting(pipeline, len(texts) - 2)
        worker.go.set()
        assert list(answers) == texts
    assert max(worker.batches) <= 3


def test_a_frame_larger_than_any_batch_goes_alone(pipeline: Pipeline) -> None:
    text = "x" * 1_000_000
    assert _answer(pipeline, text) == text


@pytest.mark.parametrize(("seconds", "seen", "lanes"), [(0.0, 0.00003, 2), (0.002, math.inf, _LANES)])
def test_a_token_that_answers_late_is_asked_on_more_lanes(
    worker: _Worker, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, seconds: float, seen: float, lanes: int
) -> None:
    # On a machine that is busy with other tests no answer comes early, and there may be few callers at a time.
    note = pipeline._pace.note
    monkeypatch.setattr(pipeline._pace, "note", lambda taken, _: note(min(taken, seen), _CALLERS))
    worker.seconds = seconds
    with ThreadPoolExecutor(_CALLERS) as pool:
        while not pipeline._pace._windows:  # fewer batches are made of as many calls, where many wait at a time
            list(pool.map(lambda number: _answer(pipeline, str(number)), range(10 * _CALLERS)))
        worker.used.clear()
        worker.go.clear()
        answers = pool.map(lambda number: _answer(pipeline, str(number)), range(_CALLERS))
        _waiting(pipeline, _CALLERS - lanes)
        worker.go.set()
        list(answers)
    assert len(worker.used) == lanes


def test_callers_have_a_lane_each_as_long_as_there_are_enough_lanes() -> None:
    pace = _Pace(_LANES)
    wanted = []
    for callers in (_LANES, _LANES + 1, 1, _CALLERS):
        for _ in range(64):
            pace.note(0.00003, callers)
        wanted.append(pace.wanted)
    assert wanted == [_LANES, 2, _LANES, 2]


def test_now_and_then_all_lanes_are_tried_again() -> None:
    pace = _Pace(_LANES)
    wanted = []
    for _ in range(32):
        for _ in range(64):
            pace.note(0.00003, _CALLERS)
        wanted.append(pace.wanted)
    assert wanted == ([2] * 15 + [_LANES]) * 2


def _in_line(count: int) -> list[_Call]:
    """Return callers who wait, each to be woken by the one before him."""
    calls = [_Call(b"") for _ in range(count)]
    for call, following in zip(calls, [*calls[1:], None], strict=True):
        call.turn, call.next = threading.Lock(), following
        call.turn.acquire()
    return calls


def _awake(calls: list[_Call]) -> list[bool]:
    return [call.turn is not None and not call.turn.locked() for call in calls]


def test_who_is_woken_is_alone_until_he_wakes_the_next() -> None:
    calls = _in_line(3)
    calls[0].wake()
    assert _awake(calls) == [True, False, False]


def test_who_was_interrupted_before_his_answer_came_does_not_keep_the_next_from_it() -> None:
    calls = _in_line(4)
    calls[0].leave()
    calls[1].leave()
    calls[0].wake()
    assert _awake(calls)[2:] == [True, False]


def test_who_was_interrupted_when_his_answer_had_come_wakes_the_next() -> None:
    calls = _in_line(3)
    calls[0].wake()
    calls[0].leave()
    assert _awake(calls)[1:] == [True, False]


def test_that_the_last_one_was_interrupted_is_no_harm() -> None:
    (last,) = _in_line(1)
    last.leave()
    last.wake()
    assert _awake([last]) == [False]


def test_the_end_of_the_worker_is_told_to_all_who_wait_and_to_later_ones(worker: _Worker, pipeline: Pipeline) -> None:
    errors = _refused(pipeline, lambda: _cut(worker), worker)
    assert errors == [BrokenPipelineError] * _CALLERS
    with pytest.raises(BrokenPipelineError):
        pipeline.call(_frame("late"))
    assert pipeline.broken


def test_closing_is_told_to_all_who_wait(worker: _Worker, pipeline: Pipeline) -> None:
    assert _refused(pipeline, pipeline.close, worker) == [BrokenPipelineError] * _CALLERS
    assert all(lane.fileno() == -1 for lane in worker.ours)


def test_a_worker_that_does_not_answer_in_time_is_given_up(worker: _Worker) -> None:
    pipeline = Pipeline(worker.ours, 1)
    worker.go.clear()
    with pytest.raises(TimeoutError):
        pipeline.call(_frame("unheard"))
    with pytest.raises(BrokenPipelineError):
        pipeline.call(_frame("late"))


def test_more_answers_than_questions_are_nobodys(worker: _Worker, pipeline: Pipeline) -> None:
    worker.surplus = _frame("surplus")
    with pytest.raises(BrokenPipelineError):
        pipeline.call(_frame("asked"))


def test_after_an_interruption_nobody_gets_the_answer_that_is_left(
    worker: _Worker, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    worker.go.clear()
    with monkeypatch.context() as patched:
        patched.setattr(Stream, "read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pipeline.call(_frame("interrupted"))
    with pytest.raises(BrokenPipelineError):
        pipeline.call(_frame("next"))


def test_nobody_waits_for_a_leader_who_was_interrupted_in_line(
    worker: _Worker, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = _refused(pipeline, lambda: _stand_in_line_and_leave(pipeline, monkeypatch), worker)
    assert errors == [BrokenPipelineError] * _CALLERS


def _stand_in_line_and_leave(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    class _Interrupted:
        def acquire(self, *, blocking: bool = True, timeout: float = -1) -> bool:
            if blocking and timeout > 0:
                raise KeyboardInterrupt
            return True

        def release(self) -> None:
            return

    with monkeypatch.context() as patched:
        patched.setattr("kmsplan.engine.hsm.pipeline.Lock", _Interrupted)
        with pytest.raises(KeyboardInterrupt):
            pipeline.call(_frame("interrupted"))


def _cut(worker: _Worker) -> None:
    for lane in worker.theirs:
        lane.shutdown(socket.SHUT_RDWR)


def _refused(pipeline: Pipeline, happens: Callable[[], object], worker: _Worker) -> list[type[Exception]]:
    """Let something happen while many wait; return how their calls ended."""
    errors: list[type[Exception]] = []

    def ask() -> None:
        try:
            pipeline.call(_frame("asked"))
        except (BrokenPipelineError, TimeoutError) as error:
            errors.append(type(error))

    worker.go.clear()
    callers = [threading.Thread(target=ask) for _ in range(_CALLERS)]
    for caller in callers:
        caller.start()
    _waiting(pipeline, _CALLERS - 2)
    happens()
    for caller in callers:
        caller.join(60)
    return errors
