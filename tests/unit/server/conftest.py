"""A connection without a network, and requests that real SDKs sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from kmsplan.kms.lifecycle import KeyState
from kmsplan.server.connection import Connection
from kmsplan.server.limits import Limits
from tests.calls import Stage
from tests.wire import Api, Wire, api

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from kmsplan.server.call import Call
    from kmsplan.server.refusal import Refusal

SENT = Path(__file__).parents[2] / "case" / "server"


@dataclass
class Visited:
    """A site that keeps its calls, and answers when it is told to."""

    limits: Limits = field(default_factory=Limits)
    date: bytes = b"Thu, 01 Jan 2026 00:00:00 GMT"
    calls: list[Call] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    at_once: bool = True
    full: Refusal | None = None
    here: int = 0

    def arrived(self, connection: Connection) -> Refusal | None:
        del connection
        self.here += 1
        return self.full

    def left(self, connection: Connection) -> None:
        del connection
        self.here -= 1

    def handle(self, call: Call, connection: Connection) -> None:
        self.calls.append(call)
        if self.at_once:
            connection.answer(200, b"%d" % len(self.calls), b"id")

    def refuse(self, refusal: Refusal, connection: Connection) -> None:
        self.refusals.append(refusal)
        connection.answer(refusal.status, refusal.code.encode(), b"id")


@dataclass
class Visit:
    """A connection, both of its ends, and a clock that is set by hand."""

    site: Visited = field(default_factory=Visited)
    wire: Wire = field(default_factory=Wire)
    now: float = 100.0

    def __post_init__(self) -> None:
        self.connection = Connection(self.site, lambda: self.now)
        self.connection.connection_made(cast("asyncio.Transport", self.wire))

    def send(self, data: bytes) -> None:
        self.connection.data_received(data)


@pytest.fixture
def visit() -> Visit:
    return Visit()


@pytest.fixture(scope="session")
def visiting() -> Callable[..., Visit]:
    """Make a visit to a site with other limits, or in another mood."""

    def make(*, half: bool = True, limits: dict[str, Any] | None = None, **site: Any) -> Visit:
        return Visit(Visited(limits=Limits(**(limits or {})), **site), Wire(half=half))

    return make


@pytest.fixture
def sent() -> Callable[[str], Call]:
    """Return a request that an SDK sent, as the server reads it."""

    def read(name: str) -> Call:
        made = Visit()
        made.send((SENT / f"{name}.http").read_bytes())
        (call,) = made.site.calls
        return call

    return read


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The whole server over an engine of its own; whatever was asked of it, nothing failed in a way that it logs."""
    with api(tmp_path_factory.mktemp("served")) as made:
        yield made
        assert made.log.read_text() == ""


@pytest.fixture(scope="module")
def stages(served: Api) -> dict[KeyState, Stage]:
    """Keys in every state."""
    return {state: Stage(served, state) for state in KeyState}


@pytest.fixture(scope="module")
def stage(stages: dict[KeyState, Stage]) -> Stage:
    """Keys that are enabled."""
    return stages[KeyState.ENABLED]
