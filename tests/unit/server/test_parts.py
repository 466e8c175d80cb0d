"""The server's small parts: answers, log, counters, addresses, threads, the memory of access keys."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.engine.error import KeystoreLockedError, MaterialCorruptError
from kmsplan.engine.protection.protocol import InvalidCiphertextError, NotOfferedError, ProtectionUnavailableError
from kmsplan.kms.error import KmsError
from kmsplan.server import answer, listener
from kmsplan.server.log import KEPT, Log, Style
from kmsplan.server.metrics import CONNECTIONS, Metrics
from kmsplan.server.threads import Pool, Returns
from tests.engines import Lab, new_instance, new_key

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "/usr/lib/hsm.so says 4711"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (KmsError("Forbidden.KeyNotFound"), 404, "Forbidden.KeyNotFound"),
        (KmsError("Rejected.Disabled"), 409, "Rejected.Disabled"),
        (KmsError("Nobody.KnowsThis", "x"), 400, "Nobody.KnowsThis"),
        (InvalidCiphertextError(), 400, "InvalidParameter"),
        (NotOfferedError(SECRET), 400, "UnsupportedOperation"),
        (ProtectionUnavailableError(SECRET), 409, "Rejected.Unavailable"),
        (KmsError("Rejected.Unavailable", SECRET), 409, "Rejected.Unavailable"),
        (KeystoreLockedError(SECRET), 503, "ServiceUnavailableTemporary"),
        (MaterialCorruptError(SECRET), 500, "InternalFailure"),
        (ZeroDivisionError(SECRET), 500, "InternalFailure"),
        (KmsError("InternalFailure", SECRET), 500, "InternalFailure"),
    ],
)
def test_every_error_has_its_answer_and_none_tells_what_is_inside(error: Exception, status: int, code: str) -> None:
    failure = answer.failure(error)
    assert (failure.status, failure.code) == (status, code)
    assert SECRET not in failure.message
    assert SECRET in failure.detail or SECRET not in str(error)


def test_whatever_is_wrong_with_a_ciphertext_the_answer_is_the_same() -> None:
    failure = answer.failure(InvalidCiphertextError())
    assert failure.message == 'The specified parameter "CiphertextBlob" is not valid.'


def test_a_throttled_client_is_told_for_how_long() -> None:
    assert answer.failure(KmsError("Rejected.Throttling")).retry_after == answer.RETRY_AFTER


def test_an_error_is_json_whatever_stands_in_its_message() -> None:
    body = json.loads(answer.error_body(400, "InvalidParameter", 'half \ud800 a "pair"', "id"))
    assert body == {"RequestId": "id", "HttpStatus": 400, "Code": "InvalidParameter", "Message": 'half ? a "pair"'}


def logged(style: Style, *lines: tuple[str, str, dict[str, Any]]) -> list[str]:
    """Return what is read after some lines were written."""
    reading, writing = os.pipe()
    log = Log(style, writing, lambda: 1_767_225_600.25)
    for level, event, fields in lines:
        log.write(level, event, **fields)
    log.close()
    os.close(writing)
    with os.fdopen(reading) as file:
        return file.read().splitlines()


def test_a_line_is_json() -> None:
    (line,) = logged(Style.JSON, ("info", "request", {"action": "Encrypt", "ms": 1.5}))
    assert json.loads(line) == {
        "time": "2026-01-01T00:00:00.250000Z",
        "level": "info",
        "event": "request",
        "action": "Encrypt",
        "ms": 1.5,
    }


def test_a_line_of_text_holds_nothing_that_a_terminal_obeys() -> None:
    (line,) = logged(Style.TEXT, ("error", "failure", {"error": "\x1b[31mred\nnext", "code": "X"}))
    assert line == r"00:00:00.250 error failure error='\x1b[31mred\nnext' code=X"


def test_lines_come_in_their_order() -> None:
    lines = logged(Style.JSON, *(("info", "request", {"n": number}) for number in range(1000)))
    assert [json.loads(line)["n"] for line in lines] == list(range(1000))


def test_lines_that_nobody_takes_are_dropped_and_counted() -> None:
    reading, writing = os.pipe()
    log = Log(Style.JSON, writing, lambda: 0.0)
    for _ in range(12):
        log.write("info", "request", error="x" * (KEPT // 10))
    assert log.dropped > 0
    os.close(reading)
    log.close()
    os.close(writing)


def test_a_log_goes_on_once_its_disk_has_space_again(tmp_path: Path) -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    log = Log(Style.JSON, descriptor, lambda: 0.0)
    log.write("info", "request", n=1)
    for _ in range(1000):
        if log.dropped:
            break
        time.sleep(0.005)
    file = os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY)
    os.dup2(file, descriptor)
    log.write("info", "request", n=2)
    log.close()
    os.close(file)
    os.close(descriptor)
    assert log.dropped == 1
    assert [json.loads(line)["n"] for line in (tmp_path / "log").read_text().splitlines()] == [2]


def test_a_line_that_was_cut_by_a_full_disk_is_not_the_beginning_of_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    disk, room = bytearray(), [5, 1000]

    def write(descriptor: int, data: bytes) -> int:
        assert descriptor == -1
        if not room[0]:
            room.pop(0)
            raise OSError(errno.ENOSPC, "full")
        part = bytes(data[: room[0]])
        room[0] -= len(part)
        disk.extend(part)
        return len(part)

    monkeypatch.setattr("kmsplan.server.log.os.write", write)
    log = Log(Style.TEXT, -1, lambda: 0.0)
    log._put([b"first line\n", b"second\n"])
    log._put([b"third\n"])
    assert bytes(disk) == b"first\nthird\n"
    assert log.dropped == 2


def test_a_log_waits_for_a_pipe_that_somebody_else_made_not_wait() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    log = Log(Style.TEXT, writing, lambda: 0.0)
    for _ in range(3):
        log.write("info", "request", error="x" * (1 << 16))
    with os.fdopen(reading) as file:
        lines = [len(file.readline()) for _ in range(3)]
    log.close()
    os.close(writing)
    assert len(set(lines)) == 1
    assert log.dropped == 0


def test_counters_of_all_workers_are_added_up() -> None:
    metrics = Metrics(("Encrypt",), ("Rejected.Disabled",), 2)
    for worker in (0, 1):
        metrics.begin(worker)
        metrics.count("Encrypt", "OK", 0.0007)
        metrics.count("Encrypt", "Rejected.Disabled", 20.0)
        metrics.count("EvilName", "EvilCode", 0.0)
        metrics.set(CONNECTIONS, 3 + worker)
    text = metrics.text(sealed=True, draining=False).decode().splitlines()
    assert 'kmsplan_requests_total{action="Encrypt",code="OK"} 2' in text
    assert 'kmsplan_requests_total{action="Encrypt",code="Rejected.Disabled"} 2' in text
    assert 'kmsplan_requests_total{action="other",code="other"} 2' in text
    assert 'kmsplan_request_duration_seconds_bucket{action="Encrypt",le="0.0005"} 0' in text
    assert 'kmsplan_request_duration_seconds_bucket{action="Encrypt",le="0.001"} 2' in text
    assert 'kmsplan_request_duration_seconds_bucket{action="Encrypt",le="10.0"} 2' in text
    assert 'kmsplan_request_duration_seconds_bucket{action="Encrypt",le="+Inf"} 4' in text
    assert 'kmsplan_request_duration_seconds_sum{action="Encrypt"} 40.0014' in text
    assert 'kmsplan_connections{worker="1"} 4' in text
    assert "kmsplan_sealed 1" in text
    assert not any("Evil" in line for line in text)


def test_a_worker_that_is_started_again_goes_on_counting() -> None:
    metrics = Metrics(("Encrypt",), (), 1)
    for _ in range(2):
        metrics.begin(0)
        metrics.count("Encrypt", "OK", 0.0)
    text = metrics.text(sealed=False, draining=False).decode()
    assert 'kmsplan_requests_total{action="Encrypt",code="OK"} 2' in text
    assert 'kmsplan_worker_starts_total{worker="0"} 2' in text


def test_connections_are_left_to_workers_with_fewer() -> None:
    metrics = Metrics((), (), 2)
    metrics.begin(1)
    metrics.set(CONNECTIONS, 1)
    assert metrics.has_more_than_others()
    metrics.begin(0)
    metrics.set(CONNECTIONS, 1)
    assert not metrics.has_more_than_others()


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:0", "127.0.0.1", 0),
        (":8443", "127.0.0.1", 8443),
        ("[::1]:1", "::1", 1),
        ("kms.local:65535", "kms.local", 65535),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, host: str, port: int) -> None:
    assert listener.parse(text) == (host, port)


@pytest.mark.parametrize("text", ["", "8443", "host:", "host:x", "host:65536", "::1:80", "host:-1", "host:٣"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="address is written"):
        listener.parse(text)


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "http://127.0.0.1:{}"), ("::1", "http://[::1]:{}")])
def test_port_0_takes_a_free_one_and_says_which(host: str, shown: str) -> None:
    try:
        bound = listener.bind(listener.Address(host, 0))
    except OSError:
        pytest.skip(f"this machine has no {host}")
    with bound:
        port = bound.getsockname()[1]
        assert port > 0
        assert listener.url(bound, tls=False) == shown.format(port)
        with socket.create_connection((host, port)):
            pass


def test_calls_come_back_to_the_loop_in_their_order_and_all_of_them() -> None:
    async def scenario() -> list[int]:
        returns, seen, done = Returns(asyncio.get_running_loop()), list[int](), asyncio.Event()

        def note(number: int) -> None:
            seen.append(number)
            if len(seen) == 2000:
                done.set()

        def call() -> None:
            for number in range(2000):
                returns.call(note, number)

        thread = threading.Thread(target=call)
        thread.start()
        await asyncio.wait_for(done.wait(), 60)
        thread.join()
        return seen

    assert asyncio.run(scenario()) == list(range(2000))


def test_a_call_from_the_loop_is_made_at_once_and_one_that_fails_is_no_others_loss() -> None:
    async def scenario() -> tuple[list[int], list[str]]:
        loop, seen, told, done = asyncio.get_running_loop(), list[int](), list[str](), asyncio.Event()
        loop.set_exception_handler(lambda _, context: told.append(str(context["exception"])))
        returns = Returns(loop)

        def note(number: int) -> None:
            if number % 2:
                raise ValueError(number)
            seen.append(number)
            if number == 4:
                done.set()

        def call() -> None:
            for number in range(1, 5):
                returns.call(note, number)

        returns.call(note, 0)
        assert seen == [0]
        thread = threading.Thread(target=call)
        thread.start()
        await asyncio.wait_for(done.wait(), 60)
        thread.join()
        return seen, told

    assert asyncio.run(scenario()) == ([0, 2, 4], ["1", "3"])


def test_what_is_answered_after_the_loop_has_ended_does_not_keep_the_engine_from_closing(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "engine")
    lab.create()
    engine, loop, may_commit = lab.open(), asyncio.new_event_loop(), threading.Event()
    key = new_key(engine, new_instance(engine))
    engine._core.store.submit(lambda _: may_commit.wait(60), touches=False)
    ticket = engine.begin.encrypt(key, b"").ticket
    returns = Returns(loop)
    ticket.then(lambda _: returns.call(print))
    loop.close()
    may_commit.set()
    closing = threading.Thread(target=engine.close, daemon=True)
    closing.start()
    closing.join(60)
    assert ticket.done
    assert not closing.is_alive()


def test_a_pool_that_gets_no_further_thread_does_what_it_took_with_those_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refusing(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def scenario() -> list[Any]:
        returns, seen, done = Returns(asyncio.get_running_loop()), list[Any](), asyncio.Event()
        pool, gate = Pool(returns, 8, 8), threading.Event()

        def note(result: Any, error: BaseException | None) -> None:
            seen.append(error or result)
            if len(seen) == 3:
                done.set()

        monkeypatch.setattr(threading.Thread, "start", refusing)
        assert all(pool.take(lambda: gate.wait(60), note) for _ in range(3))
        gate.set()
        await asyncio.wait_for(done.wait(), 60)
        pool.close()
        return seen

    assert asyncio.run(scenario()) == [True] * 3


def test_a_pool_returns_results_and_errors_and_says_when_it_is_full() -> None:
    async def scenario() -> tuple[list[Any], bool]:
        returns, seen, done = Returns(asyncio.get_running_loop()), list[Any](), asyncio.Event()
        pool, gate = Pool(returns, 1, 1), threading.Event()

        def note(result: Any, error: BaseException | None) -> None:
            seen.append(error or result)
            if len(seen) == 2:
                done.set()

        def fail() -> None:
            raise KmsError("Rejected.Disabled")

        assert pool.take(lambda: gate.wait(60), note)
        assert pool.take(fail, note)
        full = not pool.take(fail, note)
        gate.set()
        await asyncio.wait_for(done.wait(), 60)
        assert pool.take(fail, note)
        pool.close()
        return seen, full

    seen, full = asyncio.run(scenario())
    assert full
    assert seen[0] is True
    assert isinstance(seen[1], KmsError)
