"""The served engine as processes that are told to stop, or are killed: what was answered is there."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from tests.running import MARKER, first, received, running, statuses, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.running import Running
    from tests.served import Served

ROOT = Path(__file__).parents[2]
DRAINING = (503, "ServiceUnavailableTemporary")


@contextlib.contextmanager
def keystore_busy(served: Served) -> Iterator[None]:
    """Hold the keystore's writing transaction, as a shell might: what has to commit waits."""
    database = next(served.project.root.rglob("keystore.db"))
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")


def test_what_is_in_flight_when_it_is_told_to_stop_is_answered_and_nothing_else(tmp_path: Path) -> None:
    with running(tmp_path, "--admin-listen", "127.0.0.1:0") as server:
        asked = server.raw("Encrypt", {"KeyId": server.key, "Plaintext": MARKER})
        late = server.raw("Encrypt", {"KeyId": server.key, "Plaintext": MARKER})
        with (
            server.connect() as idle,
            server.connect() as begun,
            server.connect() as busy,
            server.connect(server.admin) as health,
        ):
            with keystore_busy(server.served):
                begun.sendall(late[:100])
                health.sendall(b"GET /readyz HTTP/1.1\r\n")
                busy.sendall(asked + server.raw("ListKeys", {}))
                # One is the question for the metrics itself.
                wait_until(lambda: server.metric("kmsplan_requests_in_flight") == 2)
                server.served.process.terminate()
                assert received(idle) == b""  # by its end one knows that the server drains
                begun.sendall(late[100:])
                health.sendall(b"host: here\r\n\r\n")
                status, refused = first(begun)
                assert (status, refused["Code"]) == DRAINING
                assert first(health) == (503, {"status": "draining"})
                with server.connect() as new:
                    assert statuses(received(new)) == [503]
                assert server.served.process.poll() is None
            assert statuses(received(busy)) == [200, 503]
        server.end()
        server.served.project.run("engine", "audit", "verify")


def test_a_killed_worker_is_replaced_and_no_answer_is_lost(tmp_path: Path) -> None:
    with running(tmp_path, "--workers", "2") as server:
        blobs, stop = list[str](), Event()

        def use() -> None:
            while not stop.is_set():
                # A request whose worker dies is not answered, and an SDK would ask again.
                with contextlib.suppress(OSError, http.client.HTTPException):
                    blobs.append(server.encrypt().json["CiphertextBlob"])

        with ThreadPoolExecutor(3) as threads:
            users = [threads.submit(use) for _ in range(3)]
            try:
                for _ in range(2):
                    _wait_for_more(blobs)
                    _kill_a_worker(server)
                _wait_for_more(blobs)
            finally:
                stop.set()
            for user in users:
                user.result()
        assert server.metric("kmsplan_worker_starts_total") == 4
        assert server.count("Encrypt", "OK") >= len(blobs)  # a counter does not go back
        assert {server.decrypt(blob).status for blob in blobs} == {200}
        server.end()
        server.served.project.run("engine", "audit", "verify")
        trail = server.served.project.run("engine", "audit", "export").out
        assert trail.count('"Encrypt"') >= len(blobs)


def test_what_a_server_that_is_killed_whole_has_answered_is_read_by_an_auditor_without_its_keys(tmp_path: Path) -> None:
    with running(tmp_path, "--workers", "2") as server:
        project, workers = server.served.project, server.workers()
        answered = {server.encrypt().json["RequestId"] for _ in range(20)}
        server.served.process.kill()
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        wait_until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
        next(project.root.rglob("root.key")).unlink()
        trail = project.run("engine", "audit", "export").out.splitlines()
        assert answered <= {json.loads(line)["request_id"] for line in trail}
        assert f"{len(trail)} entries" in project.run("engine", "audit", "verify").out


def _wait_for_more(blobs: list[str]) -> None:
    seen = len(blobs)
    wait_until(lambda: len(blobs) >= seen + 50)


def _kill_a_worker(server: Running) -> None:
    victim = server.workers()[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in server.workers() and len(server.workers()) == 2)


def test_a_machine_with_nothing_left_for_another_worker_goes_on_with_those_that_live(tmp_path: Path) -> None:
    with running(tmp_path, "--workers", "2") as server:
        supervisor = server.served.process.pid
        limits = resource.prlimit(supervisor, resource.RLIMIT_NOFILE)
        resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (3, limits[1]))
        killed, other = server.workers()
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: server.workers() == [other])
        assert server.encrypt().status == 200
        assert server.served.process.stderr is not None
        while "Too many open files" not in (line := server.served.process.stderr.readline()):
            assert line
        assert server.encrypt().status == 200
        resource.prlimit(supervisor, resource.RLIMIT_NOFILE, limits)
        wait_until(lambda: len(server.workers()) == 2)
        server.end()


def test_workers_end_with_their_supervisor(tmp_path: Path) -> None:
    with running(tmp_path, "--workers", "2") as server:
        workers = server.workers()
        assert len(workers) == 2
        server.served.process.kill()
        wait_until(lambda: not any(_runs(worker) for worker in workers))
        server.served.project.run("engine", "audit", "verify")


_STARTED_IN_VAIN = """
import os, sys
from pathlib import Path
from kmsplan.server import listener, worker
from kmsplan.server.serving import prepare
from tests.engines import Lab

lab = Lab(Path(sys.argv[1]))
lab.create()
bound = listener.bind(listener.Address("127.0.0.1", 0))
serving = prepare(bound, None, tls=None, open_engine=lab.open, folder=lab.folder, style="off", workers=1)
(reading, ready), (alive, held) = os.pipe(), os.pipe()
os.close(reading)
os.close(held)
worker.run(serving, 0, ready=ready, alive=alive)
"""


def test_a_worker_whose_supervisor_is_killed_while_it_starts_ends_as_others_do(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _STARTED_IN_VAIN, str(tmp_path / "engine")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def _runs(process: int) -> bool:
    """Whether a process is there and is not only waiting to be buried."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
