"""A request that an engine has answered is not answered again by the engine that is restored from its backup."""

from __future__ import annotations

import contextlib
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.project import Project
from tests.running import PATIENCE, first, running
from tests.signing import Signer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.postgres import PostgresServer
    from tests.running import Running

LOCK = ("--key-file", "../backup.key")
_LISTENING = re.compile("listening on http://(.+)")


def elsewhere(root: Path, postgres: PostgresServer | None) -> Project:
    """A folder for another engine, whose keystore is a file in it, or in PostgreSQL."""
    root.mkdir()
    if postgres is None:
        project = Project(root)
        project.write("kmsplan: 1\n")
    else:
        project = Project(root, {"DATABASE": postgres.url(postgres.new_schema())})
        project.write("kmsplan: 1\nengine: {embedded: {postgres: {env: DATABASE}}}\n")
    return project


@contextlib.contextmanager
def served(project: Project) -> Iterator[str]:
    """Serve the engine in a folder; yield where."""
    process = project.start("engine", "serve", "--listen", "127.0.0.1:0", "--workers", "2", "--log", "off")
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        listening = _LISTENING.match(line)
        assert listening is not None, line + process.communicate(timeout=PATIENCE)[1]
        yield listening[1]
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


def sent(running: Running, endpoint: str, data: bytes) -> tuple[int, dict[str, Any]]:
    """Send bytes as they were recorded."""
    with running.connect(endpoint) as connection:
        connection.sendall(data)
        return first(connection)


def next_second() -> None:
    """Wait until time stamps differ from those of now."""
    now = int(time.time())
    while int(time.time()) == now:
        time.sleep(0.01)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_what_the_old_engine_answered_the_restored_one_refuses(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    there = elsewhere(tmp_path / "there", request.getfixturevalue("postgres") if kind == "postgres" else None)
    (tmp_path / "here").mkdir()
    with running(tmp_path / "here") as here:
        here.served.project.run("engine", "backup", "--output", "../b", *LOCK)
        recorded = [
            here.raw("CreateAlias", {"AliasName": "alias/x", "KeyId": here.key}),
            here.raw("Encrypt", {"KeyId": here.key, "Plaintext": "x"}),
        ]
        assert [sent(here, here.served.endpoint, data)[0] for data in recorded] == [200, 200]
        here.end()
        next_second()
        there.run("engine", "restore", "../b", *LOCK)
        if kind == "postgres":  # the server that follows is not the restore's, and does not wait for its second's end
            next_second()
        with served(there) as endpoint:
            for data in recorded:
                status, body = sent(here, endpoint, data)
                assert (status, body.get("Code")) == (400, "InvalidTimeStamp.Expired")
                assert "Sign it again" in body["Message"]
            signer = Signer(endpoint, here.signer.access_key_id, here.signer.secret)
            assert signer.call("Encrypt", {"KeyId": here.key, "Plaintext": "x"}).status == 200
