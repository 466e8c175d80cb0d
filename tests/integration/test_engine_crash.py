"""The engine in processes that are killed, that share a keystore, that run out of disk."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.engines import Lab, new_instance

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENVIRON = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
# Creates keys in several threads until it is killed or done; a line is an acknowledgement.
_CREATE = """
import sys, threading
from pathlib import Path
from tests.engines import Lab, new_key
lab, instance, threads, count = Lab(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
engine = lab.open()
print("ready", flush=True)
def create():
    for number in range(count):
        key = new_key(engine, instance, description="x" * 300, tags={"number": str(number)})
        sys.stdout.write(key + "\\n")
        sys.stdout.flush()
workers = [threading.Thread(target=create) for _ in range(threads)]
for worker in workers: worker.start()
for worker in workers: worker.join()
engine.close()
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    place = Lab(tmp_path / "engine")
    place.create()
    yield place
    place.close()


def _start(lab: Lab, instance: str, threads: int, count: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _CREATE, str(lab.folder), instance, str(threads), str(count)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_ENVIRON,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def _acknowledged(output: str) -> set[str]:
    """Return the keys of whole lines."""
    return set(output.split("\n")[:-1])


def test_a_killed_process_loses_no_acknowledged_key(lab: Lab) -> None:
    engine = lab.open()
    instance = new_instance(engine, key_quota=100_000)
    engine.close()
    acknowledged: set[str] = set()
    for number, delay in enumerate((0.02, 0.05, 0.1, 0.15, 0.2)):
        process = _start(lab, instance, threads=6, count=100_000)
        assert process.stdout is not None
        if number:  # the first one dies before it has answered, perhaps
            acknowledged.add(process.stdout.readline().strip())
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        acknowledged |= _acknowledged(process.stdout.read())  # with what this end of the pipe holds already
        process.communicate()
    engine = lab.open()
    engine.tick()
    rows = {row["key_id"]: row for row in engine.describe().keys}
    assert acknowledged
    assert acknowledged <= rows.keys()
    assert engine.describe().instances[0]["versions"] == len(rows)
    assert all(row["tags"].keys() == {"number"} for row in rows.values())
    for key in list(acknowledged)[:10]:
        assert engine.decrypt(engine.encrypt(key, b"x")[0])[0] == b"x"
    engine.close()
    assert lab.open(read_only=True).audit_verify().entries >= len(rows) + 2


def test_processes_that_write_at_once_share_the_keystore(lab: Lab) -> None:
    engine = lab.open()
    instance = new_instance(engine)
    processes = [_start(lab, instance, threads=2, count=50) for _ in range(3)]
    outputs = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    keys = set().union(*(_acknowledged(output) for output, _ in outputs))
    assert len(keys) == 300
    assert {row["key_id"] for row in engine.describe().keys} == keys
    engine.close()
    assert lab.open(read_only=True).audit_verify().entries == 302


def test_a_full_disk_ends_with_a_remedy_and_nothing_half_done(lab: Lab) -> None:
    engine = lab.open()
    instance = new_instance(engine)
    engine.close()

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    done = subprocess.run(
        [sys.executable, "-c", _CREATE, str(lab.folder), instance, "1", "2000"],
        preexec_fn=small_files,
        capture_output=True,
        text=True,
        check=False,
        env=_ENVIRON,
    )
    acknowledged = _acknowledged(done.stdout) - {"ready"}
    assert "KeystoreFullError" in done.stderr or "KeystoreError" in done.stderr
    assert "Free some space" in done.stderr or "check the disk" in done.stderr
    engine = lab.open()
    assert {row["key_id"] for row in engine.describe().keys} >= acknowledged
    assert engine.describe().instances[0]["versions"] == len(engine.describe().keys)
    engine.close()
    assert lab.open(read_only=True).audit_verify().entries >= len(acknowledged)
