"""A state that a team shares, on its way to another key: with real stores, and killed on the way."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.objects import CREDENTIALS
from tests.project import BASIC, KMSPLAN, Project
from tests.state_server import PASSWORD, StateServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.objects import ObjectServer
    from tests.postgres import PostgresServer

KEYS: Final = {f"KEY_{name}": base64.b64encode(name.encode() * 32).decode() for name in "AB"}
REKEY: Final = ("state", "rekey", "--from-env", "KEY_A")


@dataclass
class Shared:
    """A project whose state is under key A, in a store; its newest serial has lost a record."""

    project: Project
    state: dict[str, Any]
    beyond: str
    """What is said of that which the store keeps out of reach."""
    kills: tuple[int, int]
    """Requests at which a rekey is in the middle of writing, and about where it makes the new key count."""

    def under(self, name: str) -> Project:
        """The project, its configuration naming a key."""
        state = json.dumps({**self.state, "encryption": {"env": f"KEY_{name}"}})
        self.project.write(f"{BASIC}state: {state}\n")
        return self.project


def of_postgres(folder: Path, server: PostgresServer) -> Shared:
    environ = {**KEYS, "STATE_URL": server.url(server.new_schema())}
    state = {"postgres": {"url": {"env": "STATE_URL"}, "name": "team"}}
    return Shared(Project(folder, environ), state, "VACUUM FULL kmsplan_state", (22, 28))


def of_http(folder: Path, server: StateServer) -> Shared:
    state = {"http": {**server.settings, "password": {"env": "STATE_PASSWORD"}}}
    environ = {**KEYS, "STATE_PASSWORD": PASSWORD}
    return Shared(Project(folder, environ), state, "glab opentofu state delete NAME VERSION", (8, 13))


def of_s3(folder: Path, server: ObjectServer) -> Shared:
    state = {"s3": server.options(server.new_bucket())}
    return Shared(Project(folder, {**KEYS, **CREDENTIALS}), state, "a lifecycle rule", (17, 27))


@pytest.fixture(params=["postgres", "http", "s3"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shared]:
    server = StateServer(gitlab=True)
    match request.param:
        case "postgres":
            found = of_postgres(tmp_path, request.getfixturevalue("postgres"))
        case "s3":
            found = of_s3(tmp_path, request.getfixturevalue("objects"))
        case _:
            found = of_http(tmp_path, server)
    project = found.under("A")
    project.apply()
    project.run("state", "rm", "key.signer")
    yield found
    server.close()


def killed(project: Project, count: int) -> int:
    """Rekey, and be killed at the request with this number; return how it ended."""
    inject = f"inject=sendto:signal=KILL:when={count}"
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=sendto", "-e", inject, KMSPLAN, *REKEY]
    environ = project.environment()
    return subprocess.run(command, cwd=project.root, env=environ, capture_output=True, check=False).returncode


def test_killed_on_its_way_a_state_goes_on_under_the_new_key_with_all_that_it_has_been(shared: Shared) -> None:
    history = shared.project.run("state", "history").out
    for count in shared.kills:
        assert killed(shared.under("B"), count) in {0, -signal.SIGKILL}
        opened = shared.project.run("state", "history", code=None)
        if opened.code:
            assert "(S120)" in opened.err
            opened = shared.under("A").run("state", "history")
        assert opened.out == history, "all of it, under one key"
    project = shared.under("B")
    said = project.run(*REKEY)
    assert shared.beyond in said.err
    del project.environ["KEY_A"]
    assert project.run("state", "history").out == history
    assert project.run("state", "show", "--serial", "1", "key.signer").json()["address"] == "key.signer"
    assert "key.signer" in project.run("state", "diff", "1").out
    project.run("state", "restore", "1", "--auto-approve")
    project.run("plan", "--detailed-exitcode", code=0)


def test_a_rekey_in_the_middle_is_killed_with_nothing_changed(shared: Shared) -> None:
    before = shared.project.run("state", "show", "--json").out
    assert killed(shared.under("B"), shared.kills[0]) == -signal.SIGKILL
    assert shared.under("A").run("state", "show", "--json").out == before
    assert "Of the state, 5 parts are under the key that" in shared.under("B").run(*REKEY).out
    assert shared.project.run("state", "show", "--json").out == before
    assert "Nothing to do" in shared.project.run(*REKEY).out
