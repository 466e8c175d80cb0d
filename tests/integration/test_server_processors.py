"""Where a served engine's threads and processes may run, as the kernel tells it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kmsplan.cli.serve import _WORKERS
from tests.running import running, wait_until
from tests.softhsm import MODULE, SoftHsm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.running import Running

pytestmark = pytest.mark.hsm
_PROCESSORS = len(os.sched_getaffinity(0))
_VAULT = f"""\
kmsplan: 1
instances:
  vault: {{type: hardware, hsm: {{module: {MODULE}, token: test, pin: {{env: HSM_PIN}}}}}}
"""


def _where(pid: int) -> tuple[set[int], list[set[int]]]:
    """The processors of a process's main thread, and those of each other one."""
    threads = {int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()}
    return os.sched_getaffinity(pid), [os.sched_getaffinity(thread) for thread in threads - {pid}]


def _children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        yield from map(int, (task / "children").read_text().split())


def _use_hardware(server: Running) -> None:
    """Make a key in the token, and sign with it, over connections that any worker may take."""
    project = server.served.project
    project.apply()
    instance = project.identity("instance.vault")
    asked = {"DKMSInstanceId": instance, "KeySpec": "EC_P256", "KeyUsage": "SIGN/VERIFY"}
    key = server.signer.call("CreateKey", asked).json["KeyMetadata"]["KeyId"]
    versions = server.signer.call("ListKeyVersions", {"KeyId": key}).json["KeyVersions"]["KeyVersion"]
    digest = "TR6ZvYW2XkZFcJxbtGYhKpbfQSxTVbZMxSHnLDqUKnU="
    for _ in range(8):
        signing = {"KeyId": key, "KeyVersionId": versions[0]["KeyVersionId"], "Algorithm": "ECDSA_SHA_256"}
        assert server.signer.call("AsymmetricSign", {**signing, "Digest": digest}).status == 200


@pytest.mark.skipif(_PROCESSORS > _WORKERS, reason="more processors than a server has workers by itself")
def test_each_event_loop_has_a_processor_of_its_own_and_what_takes_long_goes_where_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HSM_PIN", "4711-0815")
    token = tmp_path / "token"
    token.mkdir()
    SoftHsm.create(token, monkeypatch)
    every = os.sched_getaffinity(0)
    with running(tmp_path, "--workers", str(_PROCESSORS), configuration=_VAULT) as server:
        _use_hardware(server)
        workers = server.workers()
        places = [_where(pid) for pid in workers]
        hardware = [child for pid in workers for child in _children(pid)]
        kept = [{number} for number in sorted(every)] if _PROCESSORS > 1 else [every]
        assert sorted((loop for loop, _ in places), key=sorted) == kept
        assert all(others for _, others in places)
        # One that has just been started may not have left its parent's processor yet.
        wait_until(lambda: all(other == every for pid in workers for other in _where(pid)[1]))
        assert hardware
        assert all(os.sched_getaffinity(child) == every for child in hardware)
        assert os.sched_getaffinity(server.served.process.pid) == every


@pytest.mark.parametrize("workers", [1, min(_PROCESSORS, _WORKERS) + 1], ids=["fewer", "more"])
def test_workers_that_are_not_as_many_as_the_processors_go_where_they_like(tmp_path: Path, workers: int) -> None:
    with running(tmp_path, "--workers", str(workers)) as server:
        assert len(server.workers()) == workers
        for pid in server.workers():
            loop, others = _where(pid)
            assert all(place == os.sched_getaffinity(0) for place in [loop, *others])
