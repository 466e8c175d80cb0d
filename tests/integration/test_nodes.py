"""Several engine processes on one keystore: killed, cut off, taking over. What was answered is there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from kmsplan.engine.keystore import version as versions
from kmsplan.kms.operation import UpdateRotationPolicy
from tests.engines import DAY, Clock, Lab, described, new_instance, new_key
from tests.postgres import PostgresServer
from tests.softhsm import SoftHsm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kmsplan.engine.service import Engine
    from kmsplan.kms.secret import SecretBytes

_PATIENCE = 60.0
_ROOT = Path(__file__).parents[2]
_NODE = """
import os, sys, threading
from datetime import UTC, datetime
from pathlib import Path
from kmsplan.engine import scheduler
from kmsplan.engine.error import EngineError
from kmsplan.engine.protection.pkcs11 import Pkcs11Protection
from kmsplan.kms.secret import SecretBytes
from tests.engines import Lab, new_key
from tests.softhsm import SoftHsm

folder, instance, task = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
database = os.environ.get("KEYSTORE")
lab = Lab(folder, postgres=SecretBytes(database.encode()) if database else None)
lab.clock = lambda: datetime.now(UTC)

def say(*words):
    os.write(1, (" ".join(words) + "\\n").encode())  # one write: a line is there whole or not at all

def use_keys(engine):
    while True:
        try:
            key = new_key(engine, instance)
            say("key", key)
            for _ in range(5):
                say("blob", engine.encrypt(key, b"plaintext")[0].hex())
        except EngineError as error:
            say("error", type(error).__name__, str(error.in_doubt))

def use_keys_in_threads(engine):
    for _ in range(3):
        threading.Thread(target=use_keys, args=(engine,), daemon=True).start()
    threading.Event().wait()

def tell(done):
    say("did", *getattr(done, "rotated", [type(done).__name__]))

def keep_schedule(engine):
    scheduler.TAKEOVER = scheduler.INTERVAL = 0.1
    engine.run_schedule(threading.Event(), tell)

def stop_in_the_hsm(engine):
    generate = Pkcs11Protection.generate
    def made(self, spec, usage, reference):
        found = generate(self, spec, usage, reference)
        say("made", reference.hex())
        threading.Event().wait()
        return found
    Pkcs11Protection.generate = made
    new_key(engine, instance)

token = SoftHsm(Path(sys.argv[4])) if len(sys.argv) > 4 else None
options = {"hardware": lambda *_: token.protection()} if token else {}
engine = lab.open(**options)
say("open")
{"use": use_keys_in_threads, "schedule": keep_schedule, "hsm": stop_in_the_hsm}[task](engine)
"""


@dataclass
class Node:
    """An engine process, and what it has answered."""

    process: subprocess.Popen[bytes]
    stderr: IO[bytes]
    lines: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.decode().split())

    def said(self, word: str) -> list[str]:
        """What it has said of a kind so far."""
        return [line[1] if len(line) > 1 else "" for line in list(self.lines) if line[0] == word]

    def wait(self, word: str, count: int = 1) -> list[str]:
        """Wait until it has said so much."""
        wait_until(lambda: len(self.said(word)) >= count or self.process.poll() is not None)
        assert len(self.said(word)) >= count, self.errors()
        return self.said(word)

    def errors(self) -> str:
        """What it wrote on standard error."""
        self.stderr.seek(0)
        return self.stderr.read().decode()

    def kill(self) -> None:
        """Kill it as a crash would, and take in what it still had answered."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.stderr.close()


def wait_until(happened: Callable[[], bool]) -> None:
    """Wait for something."""
    deadline = time.monotonic() + _PATIENCE
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture(params=["sqlite", "postgres"])
def secret(request: pytest.FixtureRequest) -> SecretBytes | None:
    """Connection string of an empty database; None for SQLite."""
    if request.param == "sqlite":
        return None
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.secret(server.new_schema())


@pytest.fixture
def lab(tmp_path: Path, secret: SecretBytes | None) -> Iterator[Lab]:
    """A place with a new engine in it."""
    place = Lab(tmp_path / "engine", postgres=secret, clock=Clock(datetime.now(UTC)))
    place.create()
    yield place
    place.close()


@pytest.fixture
def start(lab: Lab) -> Iterator[Callable[..., Node]]:
    """Starts engine processes, and ends them."""
    nodes: list[Node] = []

    def started(instance: str, task: str, *more: str) -> Node:
        node = _start(lab, instance, task, *more)
        nodes.append(node)
        return node

    yield started
    for node in nodes:
        node.kill()


def _start(lab: Lab, instance: str, task: str, *more: str) -> Node:
    environ = {**os.environ, "PYTHONPATH": str(_ROOT)}
    if lab.postgres is not None:
        environ["KEYSTORE"] = lab.postgres.reveal().decode()
    command = [sys.executable, "-c", _NODE, str(lab.folder), instance, task, *more]
    stderr = (lab.folder.parent / f"stderr-{time.monotonic_ns()}").open("w+b")
    return Node(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, env=environ), stderr)


def _check_answers(engine: Engine, *nodes: Node) -> None:
    """Check that everything that was answered is there, can be used, and is in the audit trail, once."""
    keys = [key for node in nodes for key in node.said("key")]
    blobs = [blob for node in nodes for blob in node.said("blob")]
    entries = [entry for entry in engine.audit_entries() if entry["result"] == "OK"]
    made = [entry["resource"] for entry in entries if entry["action"] == "CreateKey"]
    used = [entry for entry in entries if entry["action"] == "Encrypt"]
    assert len(set(made)) == len(made)
    assert set(keys) <= set(made)
    assert {row["key_id"] for row in engine.describe().keys} == set(made)
    assert len(used) >= len(blobs)
    assert all(engine.decrypt(bytes.fromhex(blob))[0] == b"plaintext" for blob in blobs)
    assert engine.describe().instances[0]["versions"] == len(made)
    assert engine.audit_verify().entries >= len(keys) + len(blobs)


def test_a_node_that_is_killed_loses_no_answer_and_the_other_goes_on(lab: Lab, start: Callable[..., Node]) -> None:
    with_one = lab.open()
    instance = new_instance(with_one, key_quota=10_000)
    lab.close()
    first, second = start(instance, "use"), start(instance, "use")
    for node in (first, second):
        node.wait("key", 10)
    first.kill()
    second.wait("key", len(second.said("key")) + 10)
    second.kill()
    assert first.said("error") + second.said("error") == []
    _check_answers(lab.open(), first, second)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["restart", "crash"])
def test_a_database_that_restarts_is_told_and_loses_no_answer(tmp_path: Path, how: signal.Signals) -> None:
    server = PostgresServer.create()
    try:
        lab = Lab(tmp_path / "engine", postgres=server.secret(server.new_schema()), clock=Clock(datetime.now(UTC)))
        lab.create()
        instance = new_instance(lab.open(), key_quota=10_000)
        lab.close()
        nodes = [_start(lab, instance, "use") for _ in range(2)]
        for node in nodes:
            node.wait("key", 5)
        server.stop(how)
        time.sleep(0.3)
        server.start()
        for node in nodes:
            node.wait("key", len(node.said("key")) + 5)
            node.kill()
            assert set(node.said("error")) <= {"KeystoreGoneError"}
        _check_answers(lab.open(), *nodes)
        lab.close()
    finally:
        server.remove()


def _let_a_rotation_be_due(lab: Lab, key: str) -> None:
    """Turn rotation on, so long ago that it is due now."""
    engine = lab.open()
    engine.execute(UpdateRotationPolicy(key=key, rotation=7 * 86400))
    engine.close()


def test_one_node_at_a_time_keeps_the_schedule_and_another_takes_over(lab: Lab, start: Callable[..., Node]) -> None:
    lab.clock.move(-8 * DAY)  # the nodes have the real time
    engine = lab.open()
    instance = new_instance(engine)
    keys = [new_key(engine, instance) for _ in range(3)]
    engine.close()
    nodes = [start(instance, "schedule"), start(instance, "schedule")]
    for node in nodes:
        node.wait("open")
    _let_a_rotation_be_due(lab, keys[0])
    wait_until(lambda: any(node.said("did") for node in nodes))
    leader, other = sorted(nodes, key=lambda node: len(node.said("did")), reverse=True)
    assert (leader.said("did"), other.said("did")) == ([keys[0]], [])
    _let_a_rotation_be_due(lab, keys[1])
    leader.wait("did", 2)
    leader.kill()
    _let_a_rotation_be_due(lab, keys[2])
    assert other.wait("did") == [keys[2]]
    assert leader.said("did") == keys[:2]
    assert lab.open().audit_verify().entries > len(keys)


@pytest.mark.hsm
def test_what_a_killed_node_was_making_in_the_hsm_is_destroyed_by_another(
    lab: Lab, start: Callable[..., Node], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = SoftHsm.create(tmp_path, monkeypatch)
    engine = lab.open(hardware=lambda *_: token.protection())
    vault = new_instance(engine, "hardware")
    kept = new_key(engine, vault)
    node = start(vault, "hsm", str(tmp_path))
    reference = bytes.fromhex(node.wait("made")[0])
    protection = token.protection()
    engine.tick()
    assert protection.missing([reference]) == frozenset(), "its node is alive"
    node.kill()

    def destroyed() -> bool:
        engine.tick()
        return protection.missing([reference]) == {reference}

    wait_until(destroyed)  # the database takes a moment to notice that its client is gone
    protection.close()
    with engine._core.store.look() as db:
        assert versions.unsettled(db) == []
    assert described(engine, kept, check_material=True)["state"] == "Enabled"
    assert engine.describe().instances[0]["versions"] == 1
