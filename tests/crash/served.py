"""Sites whose engine is served over the API of Alibaba Cloud KMS, by another process."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kmsplan.cli.main import run as command
from tests.crash.forked import Place
from tests.crash.hastened import forked
from tests.crash.ptrace import die_with_parent
from tests.crash.site import HOME, Site
from tests.crash.tracer import Fault, wait_until_gone
from tests.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PORTS: Final = range(20_000, 32_000)
"""Below those that the kernel gives to whoever connects: a server that was killed finds its own free again."""
_IN_USE: Final = "already in use"
_TRIES, _REST = 40, 0.05


class Served(Site):
    """An engine that is served over the API of Alibaba Cloud KMS; each folder has one below it.

    A state belongs to the address of its KMS, so that the copies are served in turn, at one address. The configuration
    says ENDPOINT where it belongs.
    """

    alone = True
    elsewhere: tuple[str, ...] = (HOME,)
    workers = 1

    def __init__(self) -> None:
        self.key: dict[str, str] = {}
        self.server = 0
        """Its process, and that of all that it forks."""
        self.endpoint = ""

    def adapt(self) -> None:
        """Change what the server is like, in its process."""

    def found(self, root: Path) -> None:
        """Make an engine with an access key, and serve it."""
        home = root / HOME
        home.mkdir()
        project = Project(home)
        project.write("kmsplan: 1\n")
        project.run("engine", "init")
        self.key = project.run("engine", "access-key", "create", "--role", "administrator", "--json").json()
        self.revive(root)

    def copy(self, prepared: Path, root: Path) -> None:
        """Serve the copy, and nothing else any more."""
        del prepared
        self.kill(root)
        self.revive(root)

    def written(self, root: Path, text: str) -> str:
        """Return a configuration that names the server."""
        del root
        return text.replace("ENDPOINT", self.endpoint)

    def remove(self, root: Path) -> None:
        """End the server."""
        self.kill(root)

    def close(self) -> None:
        """End the server."""
        self.kill(Path())

    def environ(self, root: Path) -> dict[str, str]:
        """Return the credentials, where the SDK looks first."""
        del root
        return {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": self.key["access_key_id"],
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": self.key["access_key_secret"],
            "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
        }

    def kill(self, root: Path) -> None:
        """Kill the server and its worker."""
        del root
        if self.server:
            with suppress(ProcessLookupError):
                os.killpg(self.server, signal.SIGKILL)
            wait_until_gone(self.server)
            with suppress(ChildProcessError):  # a process that this one was forked from started it
                os.waitpid(self.server, 0)
            self.server = 0

    def revive(self, root: Path) -> None:
        """Serve, at the same address as before."""
        place = Place(root / HOME, root.with_name(f"{root.name}.served"))
        line = _IN_USE
        for _ in range(_TRIES):
            if _IN_USE not in line:
                break
            # What was killed may hold the address for a moment, and a new one may be somebody's.
            endpoint = self.endpoint or f"127.0.0.1:{random.choice(_PORTS)}"  # noqa: S311 - no secret
            self.server, line = self._started(place, endpoint)
            time.sleep(_REST if _IN_USE in line else 0)
        assert "listening on" in line, line
        self.endpoint = line.split("//")[1].strip()

    def _started(self, place: Place, endpoint: str) -> tuple[int, str]:
        """Serve the engine of a folder; return the process and what it says first."""

        def serve() -> None:
            os.setsid()
            die_with_parent()
            place.enter()
            self.adapt()
            command(["engine", "serve", "--listen", endpoint, "--workers", str(self.workers), "--log", "off"])

        reading, writing = os.pipe()
        with open(reading, encoding="utf-8") as said:  # noqa: PTH123 - a descriptor
            server = forked(serve, {0: None, 1: writing, 2: writing})
            os.close(writing)
            return server, said.readline()


class Serving(Served):
    """The same, and what the server does is traced, too: it is started by the program, and ends with it."""

    spares = frozenset({Fault.SERVER})
    elsewhere = ()

    def copy(self, prepared: Path, root: Path) -> None:
        """Let nothing be served yet."""
        del prepared
        self.kill(root)

    def program(self, place: Place, arguments: Sequence[str]) -> Callable[[], int]:
        """Serve, and run the command."""
        run = self.command(place, arguments)

        def both() -> int:
            self.revive(place.root)
            try:
                return run()
            finally:
                self.kill(place.root)

        return both

    def command(self, place: Place, arguments: Sequence[str]) -> Callable[[], int]:
        """Return what is run beside the server."""
        return place.program(*arguments)

    def settle(self, root: Path) -> None:
        """Serve again."""
        self.kill(root)
        self.revive(root)
