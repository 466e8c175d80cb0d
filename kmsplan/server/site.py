"""What a listening address serves: its connections, and requests that are answered, counted and logged."""

from __future__ import annotations

import os
from email.utils import formatdate
from typing import TYPE_CHECKING, Final

from kmsplan.server import answer
from kmsplan.server.connection import JSON, Connection
from kmsplan.server.metrics import CONNECTIONS, DROPPED, IN_FLIGHT, OK
from kmsplan.server.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kmsplan.server.action.row import Shape
    from kmsplan.server.call import Call
    from kmsplan.server.limits import Limits
    from kmsplan.server.log import Log
    from kmsplan.server.metrics import Metrics

NO_ACTION: Final = "-"
"""The action of what never became a call of one."""


class House:
    """What the sites of one worker process share.

    Args:
        limits: what clients may take.
        metrics: where requests are counted.
        log: where they are logged.
        clock: seconds since 1970.
        time: a monotonic clock in seconds.
    """

    def __init__(
        self, limits: Limits, metrics: Metrics, log: Log, *, clock: Callable[[], float], time: Callable[[], float]
    ) -> None:
        self.limits = limits
        self.metrics = metrics
        self.log = log
        self.clock = clock
        self.time = time
        self.date = b""
        self.draining = False
        self.in_flight = 0
        self.connections: set[Connection] = set()
        # Random once, counted on: unique among all workers and starts, and as cheap as a number.
        tail = os.urandom(10).hex().upper()
        self._prefix = f"{tail[:8]}-{tail[8:12]}-{tail[12:16]}-{tail[16:20]}-"
        self._number = 0
        self.sweep()

    def next_id(self) -> str:
        """Return a new request id, in the form of the cloud's."""
        self._number += 1
        return f"{self._prefix}{self._number:012X}"

    def sweep(self) -> None:
        """End connections whose time is over, and note what changes with the seconds; to be called every second."""
        self.date = formatdate(self.clock(), usegmt=True).encode()
        now = self.time()
        for connection in [each for each in self.connections if now > each.deadline and not each.busy]:
            connection.expire()
        self.metrics.set(DROPPED, self.log.dropped)
        self.metrics.set(IN_FLIGHT, self.in_flight)

    def drain(self) -> None:
        """Answer what is in flight and nothing else; connections that wait for nothing end."""
        self.draining = True
        for connection in [each for each in self.connections if each.idle]:
            connection.close()


class Exchange:
    """A request and its answer, which is given once."""

    __slots__ = ("_connection", "_house", "access_key_id", "action", "call", "request_id")

    def __init__(self, house: House, connection: Connection, call: Call | None) -> None:
        self._house = house
        self._connection = connection
        self.call = call
        self.request_id = house.next_id()
        self.action = NO_ACTION
        self.access_key_id: str | None = None
        house.in_flight += 1

    def succeed(self, shape: Shape) -> None:
        """Answer with an action's result."""
        self._answer(200, answer.body(shape, self.request_id), OK)

    def show(self, status: int, body: bytes, kind: bytes = JSON) -> None:
        """Answer with a document."""
        self._answer(status, body, OK if status == 200 else "ServiceUnavailableTemporary", kind)  # noqa: PLR2004 - HTTP

    def fail(self, error: BaseException) -> None:
        """Answer with an error."""
        failure = answer.failure(error)
        body = answer.error_body(failure.status, failure.code, failure.message, self.request_id)
        if failure.unexpected:
            self._house.log.write(
                "error", "failure", request_id=self.request_id, action=self.action, code=failure.code,
                error=failure.detail, where=_where(error),
            )  # fmt: skip
        self._answer(failure.status, body, failure.code, JSON, failure.retry_after, failure.detail)

    def refuse(self, refusal: Refusal) -> None:
        """Answer what is not carried out."""
        body = answer.error_body(refusal.status, refusal.code, refusal.message, self.request_id)
        self._answer(refusal.status, body, refusal.code)

    def _answer(
        self,
        status: int,
        body: bytes,
        code: str,
        kind: bytes = JSON,
        retry_after: int | None = None,
        detail: str = "",
    ) -> None:
        house, call = self._house, self.call
        self._connection.answer(status, body, self.request_id.encode(), kind=kind, retry_after=retry_after)
        house.in_flight -= 1
        seconds = 0.0 if call is None else house.time() - call.begun
        house.metrics.count(self.action, code, seconds)
        if house.log.requests:
            fields = {"error": detail} if detail else {}
            house.log.write(
                "info", "request", request_id=self.request_id, action=self.action, status=status, code=code,
                access_key_id=self.access_key_id, peer=self._connection.peer, ms=round(seconds * 1000, 3), **fields,
            )  # fmt: skip


def _where(error: BaseException) -> str:
    """Return the line of code that raised, without anything that it worked on."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        place = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"  # noqa: PTH119 - a name
        trace = trace.tb_next
    return place


class Site:
    """One listening address: which paths it has.

    Args:
        house: what it shares with others.
        pages: by path what answers it.
    """

    def __init__(self, house: House, pages: Mapping[bytes, Callable[[Exchange], None]]) -> None:
        self._house = house
        self._pages = pages
        self.limits = house.limits

    @property
    def date(self) -> bytes:
        """The Date header's value."""
        return self._house.date

    def connection(self) -> Connection:
        """Return what serves a new connection."""
        return Connection(self, self._house.time)

    def arrived(self, connection: Connection) -> Refusal | None:
        """Note a new connection; return why it cannot be served."""
        house = self._house
        house.connections.add(connection)
        house.metrics.set(CONNECTIONS, len(house.connections))
        if house.draining:
            return Refusal.DRAINING
        return Refusal.TOO_MANY if len(house.connections) > self.limits.connections else None

    def left(self, connection: Connection) -> None:
        """Note that a connection has ended."""
        house = self._house
        house.connections.discard(connection)
        house.metrics.set(CONNECTIONS, len(house.connections))

    def handle(self, call: Call, connection: Connection) -> None:
        """Answer a call, now or later."""
        exchange = Exchange(self._house, connection, call)
        page = self._pages.get(call.path)
        if page is None:
            exchange.refuse(Refusal.NOT_FOUND)
            return
        try:
            page(exchange)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is answered, and never as it is
            exchange.fail(error)

    def refuse(self, refusal: Refusal, connection: Connection) -> None:
        """Answer what is no call."""
        Exchange(self._house, connection, None).refuse(refusal)
