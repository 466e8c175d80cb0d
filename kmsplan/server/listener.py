"""Listening addresses: parsed, bound once for all workers, accepted from by each of them in turn."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Final, NamedTuple

from kmsplan.server import descriptor

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from kmsplan.server.limits import Limits
    from kmsplan.server.metrics import Metrics
    from kmsplan.server.site import Site

BACKLOG: Final = 1024
_TURN: Final = 0.002
"""Seconds for which a connection is left to a worker that has fewer."""
_BREATH: Final = 0.1
"""Seconds without accepting after the system had no descriptor to give, or only one of the reserve."""


class Address(NamedTuple):
    """Host and port."""

    host: str
    port: int


def parse(text: str) -> Address:
    """Read HOST:PORT or [IPv6]:PORT; without a host it is this machine alone.

    Raises:
        ValueError: it is neither.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004 - the largest port
        raise ValueError(f"an address is written HOST:PORT, not {text!r}")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"an IPv6 address is written [ADDRESS]:PORT, not {text!r}")
    return Address(host or "127.0.0.1", int(port))


def bind(address: Address) -> socket.socket:
    """Bind a socket and listen.

    Raises:
        OSError: the address cannot be had.
    """
    family, kind, protocol, _, place = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(place)
        bound.listen(BACKLOG)
        bound.setblocking(False)  # noqa: FBT003 - the socket module's signature
    except OSError:
        bound.close()
        raise
    return bound


def url(bound: socket.socket, *, tls: bool) -> str:
    """Return where a bound socket is reached."""
    host, port = bound.getsockname()[:2]
    shown = f"[{host}]" if bound.family == socket.AF_INET6 else host
    return f"{'https' if tls else 'http'}://{shown}:{port}"


class Door:
    """Accepts connections for one worker.

    All workers wait at one socket, and whoever comes first gets a connection; so that not one worker gets most of them,
    each leaves a connection for a moment to those that have fewer.
    """

    def __init__(
        self, bound: socket.socket, site: Site, tls: ssl.SSLContext | None, metrics: Metrics, limits: Limits
    ) -> None:
        self._bound = bound
        self._site = site
        self._tls = tls
        self._metrics = metrics
        self._limits = limits
        self._left = False
        self._loop = asyncio.get_running_loop()
        self._begun: set[asyncio.Task[None]] = set()
        self._open = True
        self._listen()

    def close(self) -> None:
        """Accept nothing more."""
        self._open = False
        self._loop.remove_reader(self._bound)

    def _listen(self) -> None:
        if self._open:
            self._loop.add_reader(self._bound, self._accept)

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._bound)
        self._loop.call_later(seconds, self._listen)

    def _accept(self) -> None:
        if not self._left and self._metrics.has_more_than_others():
            self._left = True
            self._pause(_TURN)
            return
        self._left = False
        try:
            accepted, _ = self._bound.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:
            self._pause(_BREATH)
            return
        if accepted.fileno() >= descriptor.reserved_from():
            accepted.close()
            self._pause(_BREATH)
            return
        task = self._loop.create_task(self._begin(accepted))
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)

    async def _begin(self, accepted: socket.socket) -> None:
        factory: Callable[[], asyncio.BaseProtocol] = self._site.connection
        timeout = {} if self._tls is None else {"ssl_handshake_timeout": self._limits.handshake_seconds}
        with contextlib.suppress(OSError, asyncio.TimeoutError):  # a client that cannot do TLS, or has gone
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(factory, accepted, ssl=self._tls, **timeout)
