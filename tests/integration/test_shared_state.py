"""A state that a team shares: real processes in two folders, as on two machines, with one KMS and one store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.objects import CREDENTIALS
from tests.project import BASIC, Project
from tests.state_server import PASSWORD, StateServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.objects import ObjectServer
    from tests.postgres import PostgresServer

KEYS = 100
LEASE = 3


@dataclass
class Team:
    """One configuration, in as many folders as there are machines."""

    folder: Path
    state: dict[str, Any]
    environ: dict[str, str]
    stall: Callable[[], None]
    """No write is answered from now on."""
    resume: Callable[[], None]
    cut: Callable[[], None]
    """Nobody reaches the store from now on."""
    heal: Callable[[], None]
    stalls_first: bool = False
    """Whether a run writes to the store at its beginning and end alone."""
    expires: bool = True

    def machine(self, name: str) -> Project:
        """A folder with the configuration."""
        root = self.folder / name
        if not root.exists():
            root.mkdir()
            document = {
                "kmsplan": 1,
                "engine": {"embedded": {"path": str(self.folder / "engine")}},
                "state": self.state,
                "instances": {"core": {"type": "software"}},
                "keys": {f"k{number}": {"instance": "core"} for number in range(KEYS)},
            }
            (root / "kmsplan.yaml").write_text(json.dumps(document))
        return Project(root, dict(self.environ))


@pytest.fixture
def postgres_team(tmp_path: Path, postgres: PostgresServer) -> Team:
    schema = postgres.new_schema()
    blockers: list[Any] = []

    def stall() -> None:
        blocker = postgres.connect(schema)
        blocker.execute("BEGIN")
        blocker.execute("SELECT 1 FROM kmsplan_state FOR UPDATE")
        blockers.append(blocker)

    state = {"postgres": {"url": {"env": "STATE_URL"}, "name": "team", "lease": f"{LEASE}s"}}
    return Team(
        tmp_path, state, {"STATE_URL": postgres.url(schema)}, stall, lambda: blockers.pop().close(),
        postgres.stop, postgres.start,
    )  # fmt: skip


@pytest.fixture
def http_team(tmp_path: Path) -> Iterator[Team]:
    server = StateServer(gitlab=True)
    state = {"http": {**server.settings, "password": {"env": "STATE_PASSWORD"}}}
    yield Team(
        tmp_path, state, {"STATE_PASSWORD": PASSWORD}, server.hold.clear, server.hold.set,
        lambda: setattr(server, "down", True), lambda: setattr(server, "down", False), stalls_first=True, expires=False,
    )  # fmt: skip
    server.close()


@pytest.fixture
def s3_team(tmp_path: Path, objects: ObjectServer) -> Team:
    settings = {**objects.options(objects.new_bucket()), "lease": f"{LEASE}s"}
    return Team(
        tmp_path, {"s3": settings}, CREDENTIALS,
        lambda: objects.process.send_signal(signal.SIGSTOP), lambda: objects.process.send_signal(signal.SIGCONT),
        objects.down, objects.up,
    )  # fmt: skip


@pytest.fixture(params=["postgres", "http", "s3"])
def team(request: pytest.FixtureRequest) -> Team:
    found: Team = request.getfixturevalue(f"{request.param}_team")
    return found


def journal_size(project: Project) -> int:
    return sum(path.stat().st_size for path in (project.root / ".kmsplan").rglob("*.journal.jsonl"))


def wait_until(true: Callable[[], bool], process: subprocess.Popen[bytes], project: Project) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert process.poll() is None, (project.root / "printed").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def applying(project: Project, *options: str) -> subprocess.Popen[bytes]:
    return project.background("apply", "--auto-approve", *options)


def finish(project: Project, process: subprocess.Popen[bytes]) -> tuple[int, str]:
    code = process.wait(60)
    return code, (project.root / "printed").read_text()


def complete(project: Project) -> None:
    """Everything is as declared, each key once, and every object is recorded."""
    project.run("plan", "--detailed-exitcode", code=0)
    project.run("drift", code=0)
    assert len(project.run("state", "list").out.split()) == KEYS + 1


@pytest.mark.parametrize("team", ["postgres", "http"], indirect=True)
def test_two_machines_that_apply_at_once_make_every_key_once(team: Team) -> None:
    one, two = team.machine("one"), team.machine("two")
    first, second = applying(one), applying(two, "--lock-timeout", "60")
    codes = {finish(one, first)[0], finish(two, second)[0]}
    assert codes <= {0, 6}
    assert 0 in codes
    complete(two)
    assert [line.split()[0] for line in two.run("state", "history").out.splitlines()][-1] == "1"


@pytest.mark.parametrize("team", ["postgres"], indirect=True)
def test_whoever_does_not_wait_is_told_who_holds_the_lock(team: Team) -> None:
    one, two = team.machine("one"), team.machine("two")
    first = applying(one)
    wait_until(lambda: journal_size(one) > 0, first, one)
    first.send_signal(signal.SIGSTOP)
    try:
        refused = two.apply(code=6)
        two.run("plan", code=None)  # takes no lock
    finally:
        first.send_signal(signal.SIGCONT)
    assert "kmsplan unlock" in refused.err
    assert "S110" in refused.err
    assert finish(one, first)[0] == 0
    complete(two)


def test_a_paused_process_whose_lock_was_taken_does_nothing_when_it_wakes(team: Team) -> None:
    one, two = team.machine("one"), team.machine("two")
    two.run("plan", "-o", "any.plan")  # makes the state, so that the first write of a run is its journal
    if team.stalls_first:
        team.stall()
    first = applying(one, "--parallelism", "1")
    wait_until(lambda: journal_size(one) > (0 if team.stalls_first else 4000), first, one)
    team.stall()
    try:
        time.sleep(0.5)
        pause(team, first)
    finally:
        team.resume()
    take_over(team, two)
    complete(two)
    before = two.run("show", "--json").out
    first.send_signal(signal.SIGCONT)
    code, printed = finish(one, first)
    assert code in {1, 8}
    assert "S112" in printed
    assert two.run("show", "--json").out == before
    complete(two)


def pause(team: Team, process: subprocess.Popen[bytes]) -> None:
    """Stop a process where it does not write to the KMS they share: nobody else could, until it goes on."""
    for _ in range(1000):
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        if (
            subprocess.run(
                ["flock", "--nonblock", team.folder / "engine" / "writer.lock", "true"], check=False
            ).returncode
            == 0
        ):
            return
        process.send_signal(signal.SIGCONT)
        time.sleep(0.01)
    raise AssertionError("it writes whenever one looks")


def take_over(team: Team, project: Project) -> None:
    """Go on where another machine has stopped: the lock runs out, or is broken by its id."""
    if team.expires:
        project.apply("--lock-timeout", "60")
        return
    for told, code in (("S110", 6), ("S107", 1)):
        refused = project.apply(code=code)
        assert told in refused.err
        identifier = refused.err.partition("kmsplan unlock ")[2].split(".")[0]
        project.run("unlock", identifier)
    project.apply()


def test_a_store_that_fails_in_the_middle_loses_nothing(team: Team) -> None:
    one, two = team.machine("one"), team.machine("two")
    first = applying(one, "--parallelism", "2")
    wait_until(lambda: journal_size(one) > 8000, first, one)
    team.cut()
    try:
        code, printed = finish(one, first)
    finally:
        team.heal()
    assert code in {1, 8, 10}  # nothing, a part, or a part with an operation whose end could not be written down
    assert "S101" in printed
    one.apply("--lock-timeout", "60")
    complete(two)


@pytest.mark.parametrize("team", ["http"], indirect=True)
def test_a_killed_run_is_finished_on_its_machine_at_once(team: Team) -> None:
    one, two = team.machine("one"), team.machine("two")
    first = applying(one)
    wait_until(lambda: journal_size(one) > 8000, first, one)
    os.kill(first.pid, signal.SIGKILL)
    first.wait(10)
    one.apply()
    complete(two)


@pytest.mark.parametrize("team", ["postgres", "http"], indirect=True)
def test_a_killed_run_is_finished_by_another_machine(team: Team) -> None:
    one, two = team.machine("one"), team.machine("two")
    first = applying(one)
    wait_until(lambda: journal_size(one) > 8000, first, one)
    os.kill(first.pid, signal.SIGKILL)
    first.wait(10)
    take_over(team, two)
    complete(two)
    one.apply()
    complete(one)


def test_terraforms_variables_name_the_state_server(tmp_path: Path) -> None:
    server = StateServer(gitlab=True)
    try:
        variables = {f"TF_HTTP_{name.upper()}": value for name, value in server.settings.items()}
        project = Project(tmp_path, {**variables, "TF_HTTP_PASSWORD": PASSWORD})
        project.write(BASIC + "state: {http: {}}\n")
        project.apply()
        project.run("plan", "--detailed-exitcode", code=0)
        project.run("state", "rm", "key.signer")
        assert [line.split()[0] for line in project.run("state", "history").out.splitlines()][-1] == "2"
        assert "nobody holds" in project.run("unlock", "0" * 16, code=1).err
        project.environ["TF_HTTP_PASSWORD"] = "another-4711"
        refused = project.run("plan", code=1)
        assert "HTTP 401" in refused.err
        assert "another-4711" not in refused.text
        project.environ["TF_HTTP_ADDRESS"] = "http://state.example.com/team"
        assert "plain http" in project.run("plan", code=1).err
    finally:
        server.close()


def test_a_database_that_cannot_be_reached_is_told_without_its_password(tmp_path: Path) -> None:
    project = Project(tmp_path, {"STATE_URL": "postgresql://ada:never-shown-4711@127.0.0.1:1/kmsplan"})
    project.write(BASIC + "state: {postgres: {url: {env: STATE_URL}, name: team}}\n")
    refused = project.run("plan", code=1)
    assert "127.0.0.1:1/kmsplan cannot be used" in refused.err
    assert "never-shown" not in refused.text
