from __future__ import annotations

import os
import signal
import sysconfig
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.hsm import client
from kmsplan.engine.hsm.client import LANES, TokenName, Worker, environment
from kmsplan.engine.hsm.error import HsmError, WorkerDiedError, WorkerTimeoutError
from kmsplan.engine.hsm.message import Fault, Op, Stream, TokenFaultError
from kmsplan.kms.secret import SecretBytes
from tests.softhsm import LABEL, MODULE, PIN, ended, pause, random_reference

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.hsm, pytest.mark.usefixtures("softhsm")]
_PIN = SecretBytes(PIN.encode())
_NAME = TokenName(module=MODULE, label=LABEL)


@pytest.fixture
def worker() -> Iterator[Worker]:
    started = Worker(_NAME, _PIN)
    yield started
    started.close()


def test_the_pin_is_in_no_argument_and_no_variable_of_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSM_PIN", PIN)
    worker = Worker(_NAME, _PIN)
    process = Path(f"/proc/{worker.pid}")
    seen = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    worker.close()
    assert b"SOFTHSM2_CONF" in seen
    assert PIN.encode() not in seen


def test_the_workers_environment_keeps_everything_but_the_pin() -> None:
    kept = environment({"PATH": "/bin", "HSM_PIN": PIN, "NOTE": f"not {PIN} alone", "PYTHONPATH": "/lib"}, _PIN)
    assert kept.keys() == {"PATH", "NOTE", "PYTHONPATH"}


def test_the_package_is_on_the_workers_path_unless_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PACKAGE_PARENT", "/checkout")
    assert environment({}, _PIN) == {"PYTHONPATH": "/checkout"}
    monkeypatch.setattr(client, "_PACKAGE_PARENT", sysconfig.get_path("purelib"))
    assert environment({}, _PIN) == {}


def test_the_working_directory_provides_no_modules_to_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pkcs11.py").write_text("raise SystemExit('imported from the working directory')")
    monkeypatch.chdir(tmp_path)
    worker = Worker(_NAME, _PIN)
    assert worker.alive
    worker.close()


def test_closing_ends_the_process_and_may_be_repeated(worker: Worker) -> None:
    worker.close()
    worker.close()
    assert not worker.alive
    assert not Path(f"/proc/{worker.pid}").exists()
    with pytest.raises(WorkerDiedError):
        worker.call(Op.REPORT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_meant_for_the_client_leaves_the_worker_alone(worker: Worker, number: signal.Signals) -> None:
    os.kill(worker.pid, number)
    worker.call(Op.PREPARE)
    assert worker.alive


def test_the_worker_is_in_no_process_group_of_the_clients_terminal(worker: Worker) -> None:
    assert os.getpgid(worker.pid) == worker.pid


def test_a_worker_killed_in_the_middle_of_a_call_is_reported_with_the_signal(worker: Worker) -> None:
    pause(worker.pid)
    threading.Timer(0.1, os.kill, (worker.pid, signal.SIGKILL)).start()
    with pytest.raises(WorkerDiedError, match=r"killed by SIGKILL.*starts it again"):
        worker.call(Op.PREPARE)
    assert not worker.alive


def test_a_worker_that_does_not_answer_is_stopped_when_the_time_is_over(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_SECONDS", {Op.PREPARE: 0.1})
    pause(worker.pid)
    with pytest.raises(WorkerTimeoutError, match="did not answer PREPARE within"):
        worker.call(Op.PREPARE)
    assert ended(worker.pid)


def test_more_callers_than_lanes_wait_and_are_told_when_none_comes_free(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[HsmError] = []

    def call() -> None:
        try:
            worker.call(Op.PREPARE)
        except HsmError as error:
            errors.append(error)

    pause(worker.pid)
    callers = [threading.Thread(target=call) for _ in range(LANES)]
    for caller in callers:
        caller.start()
    while worker._lanes._free.qsize():
        pass
    monkeypatch.setattr(client, "_SECONDS", {Op.PREPARE: 0.05})
    with pytest.raises(WorkerTimeoutError, match=f"all {LANES} sessions"):
        worker.call(Op.PREPARE)
    os.kill(worker.pid, signal.SIGCONT)
    for caller in callers:
        caller.join()
    assert errors == []


@pytest.mark.parametrize("quick", [True, False])
def test_a_worker_whose_call_was_interrupted_is_asked_no_more(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, *, quick: bool
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Stream, "read", interrupted)
        patched.setattr(client, "receive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            worker.call(Op.SIGN, random_reference(), b"ECDSA_SHA_256", bytes(32), quick=quick)
    assert not worker.alive


def test_a_request_that_makes_no_sense_is_refused_without_repeating_it(worker: Worker) -> None:
    with pytest.raises(TokenFaultError) as caught:
        worker.call(Op.SIGN, random_reference(), b"secret-algorithm", b"secret-digest")
    assert caught.value.fault is Fault.INTERNAL
    assert "KeyError at" in caught.value.reason
    assert "secret" not in caught.value.reason
    worker.call(Op.PREPARE)


def test_an_interpreter_that_is_not_there_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(WorkerDiedError, match=r"does not start: .*No such file"):
        Worker(_NAME, _PIN)


def test_a_worker_that_cannot_even_import_shows_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('a broken json')")
    monkeypatch.setattr(client, "_PACKAGE_PARENT", f"{tmp_path}:{client._PACKAGE_PARENT}")
    with pytest.raises(WorkerDiedError, match="exit status 1: a broken json"):
        Worker(_NAME, _PIN)


def test_a_missing_binding_is_named_with_the_extra_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pkcs11.py").write_text("raise ImportError('No module named pkcs11')")
    monkeypatch.setattr(client, "_PACKAGE_PARENT", f"{tmp_path}:{client._PACKAGE_PARENT}")
    with pytest.raises(TokenFaultError) as caught:
        Worker(_NAME, _PIN)
    assert (caught.value.fault, caught.value.reason) == (Fault.BINDING_MISSING, "No module named pkcs11")
