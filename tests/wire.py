"""The whole server without a network: bytes in, bytes out, over the engine of a lab."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Queue
from typing import TYPE_CHECKING, Any, cast

from kmsplan.engine.access.role import Role
from kmsplan.kms.error import ERRORS
from kmsplan.server.action.table import ROWS
from kmsplan.server.application import Application
from kmsplan.server.limits import Limits
from kmsplan.server.log import Log, Style
from kmsplan.server.metrics import Metrics
from kmsplan.server.nonce import Nonces
from kmsplan.server.site import House, Site
from kmsplan.server.threads import Pool, Returns
from tests.engines import Lab
from tests.signing import Reply, Signer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kmsplan.engine.access.known import AccessKey
    from kmsplan.engine.service import Engine

HOST = "kms.test"
_PATIENCE = 20.0
_FEW = 64


@dataclass
class Wire:
    """A transport that keeps what is written."""

    written: bytes = b""
    ended: bool = False
    closed: bool = False
    reading: bool = True
    half: bool = True

    def get_extra_info(self, name: str) -> Any:
        return ("192.0.2.1", 4711) if name == "peername" else None

    def write(self, data: bytes) -> None:
        self.written += data

    def can_write_eof(self) -> bool:
        return self.half

    def write_eof(self) -> None:
        self.ended = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        self.closed = True


class Turns:
    """As much of an event loop as an API needs: what is handed over is run by whoever waits for it."""

    def __init__(self) -> None:
        self._handed: Queue[Callable[[], None]] = Queue()

    def call_soon_threadsafe(self, callback: Callable[[], None]) -> None:
        self._handed.put(callback)

    def call_soon(self, callback: Callable[[], None]) -> None:
        self._handed.put(callback)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        raise context["exception"]

    def turn(self) -> None:
        self._handed.get(timeout=_PATIENCE)()


@dataclass
class Api:
    """The API of an engine, and an administrator's access key for it."""

    lab: Lab
    engine: Engine
    log: Path
    site: Site
    turns: Turns
    key: AccessKey

    def signer(self, key: AccessKey | None = None) -> Signer:
        """What signs with an access key; with the administrator's unless another is given."""
        key = key or self.key
        return Signer(HOST, key.access_key_id, key.secret.reveal().decode())

    def call(
        self, action: str, parameters: dict[str, str] | None = None, /, *, key: AccessKey | None = None, **headers: str
    ) -> Reply:
        """Call an action; headers replace or add to those that are signed."""
        query, signed = self.signer(key).request(action, parameters or {}, **headers)
        return self.request(query, signed)

    def ok(self, action: str, **parameters: str) -> dict[str, Any]:
        """Call an action that has to succeed; return what it answers but for the request's id."""
        reply = self.call(action, parameters)
        assert reply.status == 200, reply.json
        answer: dict[str, Any] = reply.json
        assert answer.pop("RequestId")
        return answer

    def request(self, query: str, headers: dict[str, str], body: bytes = b"", method: str = "POST") -> Reply:
        """Send a request as it is."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        length = f"content-length: {len(body)}\r\n" if body else ""
        (reply,) = self.exchange(f"{method} /?{query} HTTP/1.1\r\n{lines}{length}\r\n".encode() + body)
        return reply

    def exchange(self, *data: bytes) -> list[Reply]:
        """Send bytes over a connection, piece by piece; return all answers once nothing is left to be answered."""
        wire, connection = Wire(), self.site.connection()
        connection.connection_made(cast("asyncio.Transport", wire))
        for piece in data:
            connection.data_received(piece)
            while connection.busy:
                self.turns.turn()
        connection.connection_lost(None)
        return list(_replies(wire.written))


def _replies(written: bytes) -> Iterator[Reply]:
    while written:
        head, _, rest = written.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if not first.startswith("HTTP/1.1 100 "):
            yield Reply(int(first.split()[1]), headers, rest[:length])
        written = rest[length:]


@contextmanager
def api(folder: Path, limits: Limits | None = None) -> Iterator[Api]:
    """Make an engine in a folder, and the whole server over it."""
    lab, log_file = Lab(folder / "engine"), folder / "log"
    lab.create()
    engine = lab.open()
    descriptor = os.open(log_file, os.O_CREAT | os.O_WRONLY)
    metrics, log = Metrics(tuple(ROWS), tuple(ERRORS), 1), Log(Style.OFF, descriptor, time.time)
    metrics.begin(0)
    turns, nonces = Turns(), Nonces(folder / "nonces", buckets=_FEW)
    engine.attend(turns.call_soon, time.monotonic)
    returns = Returns(cast("asyncio.AbstractEventLoop", turns))
    pool = Pool(returns, 4, _FEW)
    house = House(limits or Limits(), metrics, log, clock=time.time, time=time.monotonic)
    application = Application(engine, ROWS, house, nonces=nonces, returns=returns, pool=pool)
    site = Site(house, {b"/": application.handle})
    try:
        yield Api(lab, engine, log_file, site, turns, engine.access.create(role=Role.ADMINISTRATOR))
    finally:
        pool.close()
        nonces.close()
        log.close()
        os.close(descriptor)
        lab.close()
