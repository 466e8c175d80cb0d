"""HTTP connections whose every step ends by one deadline: lookup, connect, handshake, each byte sent and received.

`http.client` speaks HTTP; a time limit of sockets alone would begin anew with every byte that a slow server sends.
"""

from __future__ import annotations

import hashlib
import hmac
import select
import socket
import ssl
from collections import deque
from http.client import HTTPConnection, HTTPException
from threading import Event, Lock, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.engine.xks.address import ProxyAddress

ANSWER_BYTES: Final = 64 * 1024
"""Longer than any answer of the API."""
IDLE: Final = 32
"""Connections kept open for the next calls."""
_IDLE_SECONDS: Final = 30.0
_LOOKUP_SECONDS: Final = 60.0


class PinError(OSError):
    """The proxy shows another certificate than the pinned one."""


class TooMuchError(HTTPException):
    """The answer is longer than any of the API's."""


def _left(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Socket(socket.socket):
    """A TCP socket with a deadline."""

    deadline: float = 0.0

    def sendall(self, *arguments: Any) -> None:
        self.settimeout(_left(self.deadline))
        super().sendall(*arguments)

    def recv_into(self, *arguments: Any) -> int:
        self.settimeout(_left(self.deadline))
        return super().recv_into(*arguments)


class _TlsSocket(ssl.SSLSocket):
    """The same within TLS, where `sendall` sends record by record."""

    deadline: float = 0.0

    def send(self, *arguments: Any) -> int:
        self.settimeout(_left(self.deadline))
        return super().send(*arguments)

    def recv_into(self, *arguments: Any) -> int:
        self.settimeout(_left(self.deadline))
        return super().recv_into(*arguments)


class Lookup:
    """The network addresses of a host. A lookup takes no time limit, so a thread of its own does it, now and then."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._lock = Lock()
        self._done: Event | None = None
        self._found: list[tuple[Any, ...]] = []
        self._fresh_until = 0.0
        self._error: OSError | None = None
        self._preferred: tuple[Any, ...] | None = None

    def prefer(self, address: tuple[Any, ...]) -> None:
        """Name the one that answered last, to be tried first."""
        self._preferred = address

    def addresses(self, deadline: float) -> list[tuple[Any, ...]]:
        """Return what `getaddrinfo` returned, a minute ago at most; older where the newest is still being looked up.

        Raises:
            TimeoutError: the lookup has not ended.
            OSError: it failed.
        """
        return sorted(self._known(deadline), key=lambda address: address != self._preferred)

    def _known(self, deadline: float) -> list[tuple[Any, ...]]:
        with self._lock:
            if monotonic() < self._fresh_until:
                return self._found
            if self._done is None:
                self._done = Event()
                Thread(target=self._look_up, args=(self._done,), daemon=True).start()
            done, known = self._done, self._found
        if known:
            return known
        if not done.wait(_left(deadline)):
            raise TimeoutError
        if not self._found:
            raise self._error or OSError(f"no address is known for {self._host}")
        return self._found

    def _look_up(self, done: Event) -> None:
        try:
            self._found = list(socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM))
            self._fresh_until = monotonic() + _LOOKUP_SECONDS
        except OSError as error:
            self._error = error
        except UnicodeError:  # what it cannot be encoded to
            self._error = OSError(f"{self._host} is no host's name")
        finally:
            with self._lock:
                self._done = None
            done.set()


class _Connection(HTTPConnection):
    """A keep-alive connection to a proxy."""

    sock: Any

    def __init__(self, address: ProxyAddress, lookup: Lookup, context: ssl.SSLContext | None) -> None:
        super().__init__(address.host, address.port)
        self._address, self._lookup, self._context = address, lookup, context
        self.deadline = 0.0
        self.used_at = 0.0

    def connect(self) -> None:
        """Connect to the first network address that answers; none takes the time of those behind it."""
        error: OSError | None = None
        addresses = self._lookup.addresses(self.deadline)
        for waiting, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            family, kind, protocol, _, place = address
            plain = _Socket(family, kind, protocol)
            try:
                self.sock = self._connected(plain, place, waiting)
            except OSError as failed:
                plain.close()
                error = failed
            else:
                self._lookup.prefer(address)
                return
        raise error or OSError("the host has no address")

    def _connected(self, plain: _Socket, place: Any, waiting: int) -> _Socket | _TlsSocket:
        plain.settimeout(_left(self.deadline) / waiting)
        plain.connect(place)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.deadline = self.deadline
        if self._context is None:
            return plain
        plain.settimeout(_left(self.deadline))
        secured = self._context.wrap_socket(plain, server_hostname=self._address.host)
        pin = self._address.fingerprint
        shown = hashlib.sha256(secured.getpeercert(binary_form=True) or b"").digest()
        if pin is not None and not hmac.compare_digest(shown, pin):
            secured.close()
            raise PinError(f"its certificate has the fingerprint {shown.hex()}, not the pinned {pin.hex()}")
        assert isinstance(secured, _TlsSocket)  # noqa: S101 - what the context was told to make
        secured.deadline = self.deadline
        return secured

    @property
    def is_quiet(self) -> bool:
        """Whether it is open, idle, and nothing came in since: what came unasked would be taken for the next answer."""
        if self.sock is None or monotonic() - self.used_at > _IDLE_SECONDS:
            return False
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)

    def exchange(self, deadline: float, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Send a POST; return status and body of the answer."""
        self.deadline = deadline
        if self.sock is not None:
            self.sock.deadline = deadline
        self.request("POST", path, body, dict(headers))
        response = self.getresponse()
        if response.length is not None and response.length > ANSWER_BYTES:
            raise TooMuchError
        content = response.read() if response.length is not None else response.read(ANSWER_BYTES + 1)
        if len(content) > ANSWER_BYTES:
            raise TooMuchError
        self.used_at = monotonic()
        return response.status, content


class Connections:
    """Connections to one proxy; threads take turns with them.

    Args:
        address: of the proxy.
    """

    def __init__(self, address: ProxyAddress) -> None:
        self._address = address
        self._lookup = Lookup(address.host, address.port)
        self._context = _tls_context(address) if address.scheme == "https" else None
        self._idle: deque[_Connection] = deque()

    def exchange(self, budget: float, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Send a POST that may safely arrive twice; return status and body of the answer.

        A kept connection may have been closed by the proxy just now. So a failure there is tried again on a new one.

        Args:
            budget: seconds until the answer is there as a whole.
            path: of the URL.
            headers: of the request.
            body: of the request.

        Raises:
            TimeoutError: the budget was used up.
            PinError: the proxy's certificate is another one.
            OSError, HTTPException: there is no connection, or what came is no HTTP.
        """
        deadline = monotonic() + budget
        kept = self._take()
        if kept is not None:
            try:
                return self._exchange(kept, deadline, path, headers, body)
            except TimeoutError:
                self.close()  # the others may lead to the same machine that is there no more
                raise
            except (OSError, HTTPException):
                pass  # the new connection tells what is wrong, if anything is
        fresh = _Connection(self._address, self._lookup, self._context)
        return self._exchange(fresh, deadline, path, headers, body)

    def _exchange(
        self, connection: _Connection, deadline: float, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        try:
            answer = connection.exchange(deadline, path, headers, body)
        except BaseException:
            connection.close()
            raise
        if len(self._idle) < IDLE:
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def _take(self) -> _Connection | None:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.is_quiet:
                return connection
            connection.close()

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop().close()


def _tls_context(address: ProxyAddress) -> ssl.SSLContext:
    """Return TLS 1.2 or later; with a pin, the one certificate is trusted and no authority is asked."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _TlsSocket
    if address.fingerprint is not None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
