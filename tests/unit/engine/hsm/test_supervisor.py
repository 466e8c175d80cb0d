from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.engine.hsm.client import TokenName, Worker
from kmsplan.engine.hsm.error import MaterialMissingError, PinRefusedError, TokenMissingError, WorkerDiedError
from kmsplan.engine.hsm.message import Fault, Op, TokenFaultError
from kmsplan.engine.hsm.supervisor import REST, Supervisor
from kmsplan.kms.secret import SecretBytes
from tests.softhsm import LABEL, MODULE, PIN, SoftHsm, ended, pause

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.hsm, pytest.mark.usefixtures("softhsm")]


class _Rig:
    """A supervisor with a clock that stands until it is set, and a count of the times the PIN was asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pin = PIN
        self.asked = 0
        self.supervisor = Supervisor(TokenName(module=MODULE, label=LABEL), self._pin, lambda: self.now)

    def _pin(self) -> SecretBytes:
        self.asked += 1
        return SecretBytes(self.pin.encode())


@pytest.fixture
def rig() -> Iterator[_Rig]:
    made = _Rig()
    yield made
    made.supervisor.close()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count processes: the worker's ids, in the order of their starts."""
    pids: list[int] = []
    start = Worker._start

    def counted(self: Worker, pin: SecretBytes) -> object:
        process = start(self, pin)
        pids.append(process.pid)
        return process

    monkeypatch.setattr(Worker, "_start", counted)
    return pids


def test_nothing_is_started_before_the_first_need(rig: _Rig, started: list[int]) -> None:
    assert started == []
    rig.supervisor.call(Op.PREPARE)
    rig.supervisor.call(Op.PREPARE)
    assert len(started) == rig.asked == 1


def test_a_wrong_pin_is_tried_once_whoever_asks(rig: _Rig, started: list[int]) -> None:
    rig.pin = "wrong-once"
    for _ in range(3):
        with pytest.raises(PinRefusedError, match=r"'test'.*hsm.pin.*tokens lock") as caught:
            rig.supervisor.call(Op.PREPARE)
        rig.now += 2 * REST
        assert rig.pin not in str(caught.value)
    another = _Rig()
    another.pin = rig.pin
    with pytest.raises(PinRefusedError):
        another.supervisor.call(Op.PREPARE)
    assert len(started) == 1


def test_a_corrected_pin_is_tried(rig: _Rig) -> None:
    rig.pin = "wrong-at-first"
    with pytest.raises(PinRefusedError):
        rig.supervisor.worker()
    rig.pin = PIN
    rig.now += 2 * REST
    assert rig.supervisor.worker().alive


def test_many_threads_share_one_worker(rig: _Rig, started: list[int]) -> None:
    threads = [threading.Thread(target=rig.supervisor.call, args=(Op.PREPARE,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(started) == 1


def test_a_worker_that_died_between_calls_is_replaced_without_anybody_noticing(rig: _Rig, started: list[int]) -> None:
    rig.supervisor.call(Op.PREPARE)
    _kill(started[0])
    rig.supervisor.call(Op.PREPARE)
    assert len(started) == 2


def test_a_worker_that_served_is_started_again_at_once_after_it_died_in_a_call(rig: _Rig, started: list[int]) -> None:
    rig.supervisor.call(Op.PREPARE)
    _die_in_a_call(rig)
    rig.supervisor.call(Op.PREPARE)
    assert len(started) == 2


def test_a_worker_that_died_of_its_first_call_is_not_started_again_for_a_while(rig: _Rig, started: list[int]) -> None:
    rig.supervisor.worker()
    _die_in_a_call(rig)
    with pytest.raises(WorkerDiedError):
        rig.supervisor.call(Op.PREPARE)
    assert len(started) == 1
    rig.now += 2 * REST
    rig.supervisor.call(Op.PREPARE)
    assert len(started) == 2


def test_a_token_that_is_not_there_is_looked_for_once_in_a_while(
    rig: _Rig, started: list[int], softhsm: SoftHsm
) -> None:
    softhsm.take_away()
    for _ in range(3):
        with pytest.raises(TokenMissingError):
            rig.supervisor.call(Op.PREPARE)
    assert len(started) == 1
    softhsm.put_back()
    rig.now += 2 * REST
    rig.supervisor.call(Op.PREPARE)
    assert len(started) == 2


def _blind(monkeypatch: pytest.MonkeyPatch, pid: int) -> None:
    """Let one worker find no key, as SoftHSM does that missed what another process made."""
    call = Worker.call

    def blind(self: Worker, op: Op, *fields: bytes, quick: bool = False) -> list[bytes]:
        if op is Op.FIND and self.pid == pid:
            raise TokenFaultError(Fault.ABSENT, "it is not there")
        return call(self, op, *fields, quick=quick)

    monkeypatch.setattr(Worker, "call", blind)


def test_a_key_that_one_worker_overlooks_is_found_by_another_that_takes_its_place(
    rig: _Rig, started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = b"overlooked-key-1"
    rig.supervisor.call(Op.GENERATE, b"Aliyun_AES_256", b"ENCRYPT/DECRYPT", key)
    _blind(monkeypatch, started[0])
    for _ in range(3):
        rig.supervisor.call(Op.FIND, key)
    assert len(started) == 2
    assert rig.supervisor.worker().pid == started[1]
    rig.supervisor.close()
    assert all(ended(pid) for pid in started)


def test_a_key_that_is_really_absent_is_looked_for_by_another_worker_once_in_a_while(
    rig: _Rig, started: list[int]
) -> None:
    rig.supervisor.call(Op.PREPARE)
    for _ in range(3):
        with pytest.raises(MaterialMissingError):
            rig.supervisor.call(Op.FIND, b"nobody-made-this")
    assert len(started) == 2
    assert rig.supervisor.worker().pid == started[0]
    assert ended(started[1])
    rig.now += 2 * REST
    with pytest.raises(MaterialMissingError):
        rig.supervisor.call(Op.FIND, b"nobody-made-this")
    assert len(started) == 3


def test_closing_ends_the_worker_and_a_later_call_starts_another(rig: _Rig, started: list[int]) -> None:
    rig.supervisor.call(Op.PREPARE)
    rig.supervisor.close()
    rig.supervisor.close()
    rig.supervisor.call(Op.PREPARE)
    assert len(started) == 2


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def _die_in_a_call(rig: _Rig) -> None:
    pid = rig.supervisor.worker().pid
    pause(pid)
    exchange = Worker._exchange

    def exchanged(*arguments: Any) -> Any:
        threading.Timer(0.05, os.kill, (pid, signal.SIGKILL)).start()
        return exchange(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Worker, "_exchange", exchanged)
        with pytest.raises(WorkerDiedError):
            rig.supervisor.call(Op.PREPARE)
