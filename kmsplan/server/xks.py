"""Serving the External Key Store Proxy API: connections to calls, calls to threads, answers back."""

from __future__ import annotations

import asyncio
import signal
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import orjson

from kmsplan.engine.xks import fault
from kmsplan.engine.xks.fault import STATUS, plain
from kmsplan.engine.xks.signature import Signable
from kmsplan.server import descriptor
from kmsplan.server.connection import Connection
from kmsplan.server.limits import KIB, Limits
from kmsplan.server.refusal import Refusal

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Mapping, Sequence

    from kmsplan.engine.xks.proxy import Proxy, Reply
    from kmsplan.server.call import Call
    from kmsplan.server.log import Log

LIMITS: Final = Limits(
    url=2 * KIB,
    headers=16 * KIB,
    body=64 * KIB,
    header_seconds=5.0,
    body_seconds=5.0,
    connections=1024,
    threads=16,
    waiting=256,
    grace_seconds=10.0,
)
"""A request of the API has at most 30 KiB, and whoever sent it waits for 250 ms."""
_REFUSALS: Final[Mapping[Refusal, str]] = MappingProxyType(
    {
        Refusal.BODY_TOO_LARGE: fault.UNSUPPORTED_OPERATION,
        Refusal.URL_TOO_LONG: fault.INVALID_URI_PATH,
        Refusal.TOO_MANY: fault.THROTTLING,
        Refusal.BUSY: fault.THROTTLING,
        Refusal.DRAINING: fault.DEPENDENCY_TIMEOUT,
    }
)
"""What is answered to what never becomes a call; all else is no valid request."""
_TICK: Final = 1.0
"""Seconds between two looks at connections that have had their time."""


class ProxyConnection(Connection):
    """A connection that ends with the handshake where the client's certificate is for somebody else."""

    __slots__ = ("_proxy_site",)

    def __init__(self, site: ProxySite, time: Callable[[], float]) -> None:
        super().__init__(site, time)
        self._proxy_site = site

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or end before a byte is read."""
        super().connection_made(transport)
        if not self._proxy_site.lets_in(_names(transport.get_extra_info("peercert") or {}), self.peer):
            self.close()


def _names(certificate: Mapping[str, Any]) -> list[str]:
    """Return whom a certificate is for: common names, and DNS names."""
    subject = [value for part in certificate.get("subject", ()) for name, value in part if name == "commonName"]
    return subject + [value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"]


class ProxySite:
    """What connections of a proxy belong to.

    Args:
        proxy: answers calls, in threads.
        log: of requests.
        limits: on clients.
        client: whom their certificates have to be for; None for anybody.
    """

    def __init__(self, proxy: Proxy, log: Log, limits: Limits = LIMITS, *, client: str | None = None) -> None:
        self.limits = limits
        self._client = client
        self.date = _date()
        self._proxy = proxy
        self._log = log
        self._connections: set[Connection] = set()
        self._threads = ThreadPoolExecutor(limits.threads, thread_name_prefix="xks-proxy")
        self._waiting = 0
        self._draining = False
        self._made = 0

    def lets_in(self, names: Sequence[str], peer: str) -> bool:
        """Return whether a certificate with these names is the client's; note it where it is not."""
        if self._client is None or self._client.lower() in map(str.lower, names):
            return True
        shown = plain(", ".join(names)) or "nobody"
        reason = f"the client's certificate is for {shown}, and not for {self._client}"
        self._log.write("info", "refused", reason=reason, peer=peer)
        return False

    def arrived(self, connection: Connection) -> Refusal | None:
        """Note a new connection; return why it cannot be served, or None."""
        self._connections.add(connection)
        if self._draining:
            return Refusal.DRAINING
        return Refusal.TOO_MANY if len(self._connections) > self.limits.connections else None

    def left(self, connection: Connection) -> None:
        """Note that a connection has ended."""
        self._connections.discard(connection)

    def handle(self, call: Call, connection: Connection) -> None:
        """Answer a call in a thread."""
        if self._waiting >= self.limits.waiting:
            self.refuse(Refusal.BUSY, connection)
            return
        self._waiting += 1
        loop = asyncio.get_running_loop()
        begun = loop.time()
        request = Signable(
            method=call.method.decode("latin-1"),
            path=call.path.decode("latin-1"),
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in call.headers.items()},
            body=call.body,
        )
        query, peer = call.query.decode("latin-1"), call.peer
        answered = loop.run_in_executor(self._threads, self._proxy.answer, request, query, peer)

        def reply(done: asyncio.Future[Reply]) -> None:
            self._waiting -= 1
            answer = done.result()
            if answer.log:
                seconds = loop.time() - begun
                self._log.write("info", "request", **answer.log, peer=peer, status=answer.status, ms=_ms(seconds))
            self._answer(connection, answer.status, answer.body)

        answered.add_done_callback(reply)

    def refuse(self, refusal: Refusal, connection: Connection) -> None:
        """Answer what is no call."""
        name = _REFUSALS.get(refusal, fault.VALIDATION)
        body = orjson.dumps({"errorName": name, "errorMessage": refusal.message})
        self._log.write("info", "refused", error=name, reason=refusal.message)
        self._answer(connection, STATUS[name], body)

    def _answer(self, connection: Connection, status: int, body: bytes) -> None:
        self._made += 1
        connection.answer(status, body, b"%d" % self._made, kind=b"application/json")

    def tick(self, now: float) -> None:
        """End connections that have had their time."""
        self.date = _date()
        for connection in [each for each in self._connections if each.deadline < now and not each.busy]:
            connection.expire()

    async def drain(self) -> None:
        """Take nothing new, finish what is in flight, and end."""
        self._draining = True
        loop = asyncio.get_running_loop()
        end = loop.time() + self.limits.grace_seconds
        while self._connections and loop.time() < end:
            for connection in [each for each in self._connections if each.idle]:
                connection.close()
            await asyncio.sleep(0.02)
        self._threads.shutdown(wait=False, cancel_futures=True)


def _date() -> bytes:
    return formatdate(usegmt=True).encode("ascii")


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


async def serve(
    site: ProxySite, listener: socket.socket, tls: ssl.SSLContext | None, ready: Callable[[], None]
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        site: whose connections they are.
        listener: bound; it is listened on here.
        tls: the certificate; None for plain HTTP.
        ready: called once calls are answered.
    """
    descriptor.provide(site.limits.connections)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    options: dict[str, Any] = {} if tls is None else {"ssl_handshake_timeout": site.limits.handshake_seconds}
    server = await loop.create_server(lambda: ProxyConnection(site, loop.time), sock=listener, ssl=tls, **options)
    ready()
    while not stop.is_set():
        site.tick(loop.time())
        try:
            await asyncio.wait_for(stop.wait(), _TICK)
        except TimeoutError:
            continue
    server.close()
    await site.drain()
