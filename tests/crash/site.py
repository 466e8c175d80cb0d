"""Where a scenario's engine is and keeps its keys: in its folder, a token beside it, a database, or behind a server."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.crash.tracer import wait_until_gone
from tests.postgres import PASSWORD, PostgresServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.crash.forked import Place
    from tests.crash.tracer import Fault

CONFIGURATION: Final = "kmsplan.yaml"
HOME: Final = "home"
"""Where in a folder the engine is that it is served from, with a configuration of its own."""
TOKEN_LABEL: Final = "test"
PIN: Final = "4711-0815"
_TOKENS: Final = "tokens"
_TOKEN_CONFIGURATION: Final = "softhsm2.conf"


class Site:
    """In the folder alone. It is open while its scenario is swept."""

    secrets: Mapping[str, bytes] = {}
    """Name -> what no file may hold."""
    tokens = False
    """Whether there is a token in the folder."""
    alone = False
    """Whether only one folder can be in use at a time."""
    spares: frozenset[Fault] = frozenset()
    """What cannot go wrong here."""
    elsewhere: tuple[str, ...] = ()
    """Names in the folder of what is another machine in earnest, so that a power cut spares it."""

    def open(self) -> None:
        """Start what all copies of the folder share."""

    def close(self) -> None:
        """End it."""

    def found(self, root: Path) -> None:
        """Make what a new folder needs."""

    def copy(self, prepared: Path, root: Path) -> None:
        """Make the same for a copy of a folder."""

    def remove(self, root: Path) -> None:
        """Take away what a folder needed."""

    def environ(self, root: Path) -> dict[str, str]:
        """Return what leads there."""
        del root
        return {}

    def written(self, root: Path, text: str) -> str:
        """Return a configuration as it is for a folder."""
        del root
        return text

    def program(self, place: Place, arguments: Sequence[str]) -> Callable[[], int]:
        """Return `kmsplan ARGUMENTS` as it is traced."""
        return place.program(*arguments)

    def wrongs(self, root: Path) -> tuple[list[str], list[str], list[str]]:
        """Return what else was lost, what is there too often, and what differs; called in the folder."""
        del root
        return [], [], []

    def settle(self, root: Path) -> None:
        """Make what a folder needs after its traced program."""

    def kill(self, root: Path) -> None:
        """Kill the server that a folder needs, and return when it is gone."""

    def revive(self, root: Path) -> None:
        """Start it again where it was killed."""


class Token(Site):
    """Hardware keys in a SoftHSM2 token of the folder's own."""

    secrets: Mapping[str, bytes] = {"the PIN": PIN.encode()}
    tokens = True
    elsewhere = (_TOKENS,)

    def found(self, root: Path) -> None:
        """Initialise a token."""
        (root / _TOKENS).mkdir()
        self.copy(root, root)
        subprocess.run(
            ["softhsm2-util", "--init-token", "--free", "--label", TOKEN_LABEL, "--so-pin", "12345678", "--pin", PIN],
            env={**os.environ, **self.environ(root)},
            check=True,
            capture_output=True,
        )

    def copy(self, prepared: Path, root: Path) -> None:
        """Let the configuration name the copy's token."""
        del prepared
        (root / _TOKEN_CONFIGURATION).write_text(
            f"directories.tokendir = {root / _TOKENS}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )

    def environ(self, root: Path) -> dict[str, str]:
        """Return what leads to the token."""
        return {"SOFTHSM2_CONF": str(root / _TOKEN_CONFIGURATION), "HSM_PIN": PIN}


class Database(Site):
    """A keystore in PostgreSQL: a server for all, and a database for each folder."""

    secrets: Mapping[str, bytes] = {"the database's password": PASSWORD.encode()}

    def __init__(self) -> None:
        self._server: Any = None

    def open(self) -> None:
        """Start the server."""
        self._server = PostgresServer.create()

    def close(self) -> None:
        """End the server, also one that was started in a fork."""
        self.kill()
        self._server.process.wait()
        self._server.process = None
        self._server.remove()

    def found(self, root: Path) -> None:
        """Make an empty database."""
        self._run(f"CREATE DATABASE {_name(root)}")

    def copy(self, prepared: Path, root: Path) -> None:
        """Copy a database."""
        self._run(f"CREATE DATABASE {_name(root)} TEMPLATE {_name(prepared)}")

    def remove(self, root: Path) -> None:
        """Drop the database."""
        self._run(f"DROP DATABASE {_name(root)} WITH (FORCE)")

    def environ(self, root: Path) -> dict[str, str]:
        """Return what leads to the database."""
        return {"KEYSTORE": f"postgresql://kmsplan:{PASSWORD}@127.0.0.1:{self._server.port}/{_name(root)}"}

    def kill(self, root: Path | None = None) -> None:
        """Stop the server at once, as a crash does; its sessions end with it."""
        del root
        with suppress(FileNotFoundError, ProcessLookupError):  # it has gone already
            number = int((self._server.folder / "postmaster.pid").read_text().split()[0])
            if Path(f"/proc/{number}/cwd").readlink() == self._server.folder:
                os.kill(number, signal.SIGQUIT)
                wait_until_gone(number)

    def revive(self, root: Path) -> None:
        """Start the server again; it recovers."""
        del root
        self._server.start()

    def _run(self, command: str) -> None:
        with self._server.connect() as db:
            db.execute(command.encode())


def _name(root: Path) -> str:
    return f"c{hashlib.sha256(bytes(root)).hexdigest()[:20]}"
