"""A PostgreSQL server of the tests' own: on a free port of this machine, in a temporary folder, gone afterwards."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from kmsplan.kms.secret import SecretBytes
from tests.ports import held_port, number

if TYPE_CHECKING:
    import socket

_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
_USER = "postgres"
"""Who runs it where the tests run as root, as whom PostgreSQL refuses to run."""
PASSWORD = "never-shown-4711"
# Flushes stay on, as in earnest; what is left out costs time only.
_SETTINGS = (
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=off",
    "autovacuum=off",
    "shared_buffers=32MB",
    "max_connections=100",
    "unix_socket_directories=",
    "listen_addresses=127.0.0.1",
    "log_min_messages=fatal",
)
_START_SECONDS = 60.0


@dataclass
class PostgresServer:
    """A server that can be stopped and started; each test works in a schema of its own."""

    folder: Path
    held: socket.socket = field(repr=False)
    """Its port, which nobody else is given while the server is stopped."""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @classmethod
    def create(cls) -> PostgresServer:
        """Make a cluster and start it; `remove` ends it."""
        assert _BINARIES, "install postgresql: apt-get install postgresql (tests/run does)"
        # Not in pytest's folders: those are closed to the server's user.
        folder = Path(tempfile.mkdtemp(prefix="kmsplan-postgres-"))
        server = cls(folder / "data", held_port())
        (folder / "password").write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (folder, folder / "password"):
                shutil.chown(path, _USER, _USER)
        server._run(
            "initdb", "--pgdata", str(server.folder), "--username=kmsplan", "--auth=scram-sha-256", "--encoding=UTF8",
            "--locale=C", "--no-sync", f"--pwfile={folder / 'password'}",
        )  # fmt: skip
        server.start()
        return server

    @property
    def port(self) -> int:
        """On 127.0.0.1."""
        return number(self.held)

    def _command(self, program: str, *arguments: str) -> list[str]:
        other = [f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups"] if os.geteuid() == 0 else []
        # Where the tests are killed, the server ends too.
        return ["setpriv", *other, "--pdeathsig=QUIT", str(_BINARIES[-1] / program), *arguments]

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(self._command(program, *arguments), check=True, capture_output=True, cwd="/")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = [part for setting in (*_SETTINGS, f"port={self.port}") for part in ("-c", setting)]
        command = self._command("postgres", "-D", str(self.folder), *settings)
        deadline = time.monotonic() + _START_SECONDS
        while True:
            # After a crash its port or memory may be in use for a moment: then it ends, and is started again.
            if self.process is None or self.process.poll() is not None:
                with (self.folder.parent / "log").open("ab") as log:
                    self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/")
            try:
                self.connect().close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self.folder.parent / "log").read_text()
                time.sleep(0.02)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT cuts all sessions off, SIGQUIT is as a crash."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(_START_SECONDS)
            self.process = None

    def remove(self) -> None:
        """End it and delete its files."""
        self.stop()
        self.held.close()
        shutil.rmtree(self.folder.parent)

    def url(self, schema: str = "public", **options: str) -> str:
        """Return a connection string; its tables are in this schema."""
        asked = "".join(f"&{name}={value}" for name, value in options.items())
        return f"postgresql://kmsplan:{PASSWORD}@127.0.0.1:{self.port}/postgres?options=-csearch_path%3D{schema}{asked}"

    def secret(self, schema: str) -> SecretBytes:
        """Return the connection string of a schema as the engine takes it."""
        return SecretBytes(self.url(schema).encode())

    def connect(self, schema: str = "public") -> psycopg.Connection[tuple[object, ...]]:
        """Connect past the engine."""
        return psycopg.connect(self.url(schema), autocommit=True, connect_timeout=20)

    def new_schema(self) -> str:
        """Make an empty schema, and return its name."""
        name = f"k{secrets.token_hex(6)}"
        with self.connect() as db:
            db.execute(f"CREATE SCHEMA {name}".encode())
        return name
