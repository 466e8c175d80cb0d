"""One connection: bytes to calls, answers to bytes, within the limits on size and time.

httptools (llhttp) reads HTTP/1.1 strictly. A request of a connection is handed on once the one before it is answered;
meanwhile nothing more is read, so that a client that does not take its answers cannot make the server grow. Whatever is
refused here is answered in JSON too, and then the connection ends.
"""

from __future__ import annotations

import asyncio
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol, cast

import httptools

from kmsplan.server.call import Call
from kmsplan.server.head import named, origin
from kmsplan.server.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.server.limits import Limits

JSON: Final = b"application/json;charset=utf-8"
_FRAMING: Final = 2
"""How many times as long as its content a body may be on the wire: chunks have sizes, extensions and trailers, which
the parser gathers without a limit of its own."""
_NOWHERE: Final[deque[tuple[bytes, bytes]]] = deque(maxlen=0)
"""Where trailers go: what they say is left alone."""
_HEADS: Final = {
    status.value: b"HTTP/1.1 %d %b\r\ncontent-type: " % (status.value, status.phrase.encode()) for status in HTTPStatus
}


class Site(Protocol):
    """What a connection belongs to."""

    limits: Limits

    @property
    def date(self) -> bytes:
        """The Date header's value (RFC 9110, 6.6.1)."""

    def arrived(self, connection: Connection) -> Refusal | None:
        """Note a new connection; return why it cannot be served, or None."""

    def left(self, connection: Connection) -> None:
        """Note that a connection has ended."""

    def handle(self, call: Call, connection: Connection) -> None:
        """Answer a call, now or later, once, with `Connection.answer`."""

    def refuse(self, refusal: Refusal, connection: Connection) -> None:
        """Answer what is no call with `Connection.answer`."""


class Connection(asyncio.Protocol):
    """See the module.

    Args:
        site: where calls go.
        time: a monotonic clock, in seconds.
    """

    __slots__ = (
        "_asked",
        "_body",
        "_body_size",
        "_busy",
        "_closing",
        "_handing",
        "_headers",
        "_headers_done",
        "_held",
        "_limits",
        "_lines",
        "_parser",
        "_paused",
        "_refusal",
        "_site",
        "_size",
        "_time",
        "_transport",
        "_url",
        "_waiting",
        "begun",
        "deadline",
        "peer",
    )

    def __init__(self, site: Site, time: Callable[[], float]) -> None:
        self._site = site
        self._limits = site.limits
        self._time = time
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self.peer = ""
        self._waiting: deque[tuple[Call, bool]] = deque()
        """Read and not handed on yet; whether the connection goes on after it."""
        self._busy: tuple[Call, bool] | None = None
        """The call that is being answered."""
        self._refusal: Refusal | None = None
        """What comes after the last answer; nothing more is read."""
        self._handing = False
        self._held = False
        """Whether reading is paused."""
        self._asked = False
        """Whether a client waits to be told that it may send a body."""
        self._paused = False
        """Whether writing is."""
        self._closing = False
        self.deadline: float = 0.0
        """When the connection has had its time; see `expire`."""
        self.begun = False
        """Whether a request has come in part."""
        self._size = 0
        """Bytes of a head that has no end yet, or of what came after it in later packets."""
        self._reset()

    def _reset(self) -> None:
        self._url = b""
        self._lines: deque[tuple[bytes, bytes]] = deque(maxlen=self._limits.header_count + 1)
        self._headers: dict[bytes, bytes] = {}
        self._headers_done = False
        self._body: list[bytes] | None = None
        self._body_size = 0

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class, with the same methods
        peer = transport.get_extra_info("peername")
        self.peer = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else "local"
        self.deadline = self._time() + self._limits.header_seconds
        refusal = self._site.arrived(self)
        if refusal is not None:
            self._refuse(refusal)

    def connection_lost(self, exc: Exception | None) -> None:
        """End; what is being answered is answered to nobody."""
        del exc
        self._transport = None
        self._closing = True
        self._waiting.clear()
        del self._parser  # it knows this connection, and nothing is to be left to the collector of garbage
        self._site.left(self)

    def data_received(self, data: bytes) -> None:
        """Read some bytes; those of a client that was refused are thrown away."""
        if self._closing or self._refusal is not None:
            return
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._close_after_answer()  # an offer of another protocol, which is not taken up (RFC 9110, 7.8)
        except httptools.HttpParserError:
            self._refuse(Refusal.MALFORMED)
        else:
            limits = self._limits
            if not self._headers_done:
                if self._size > limits.url + limits.headers:
                    self._refuse(Refusal.HEADERS_TOO_LARGE)
            elif self._size > _FRAMING * limits.body + limits.headers:
                self._refuse(Refusal.BODY_TOO_LARGE)

    def eof_received(self) -> bool:
        """Answer what was asked before a client closed its side; TLS has no such half."""
        transport = self._transport
        if transport is None or not transport.can_write_eof() or (self._busy is None and not self._waiting):
            return False
        self._close_after_answer()
        return True

    def pause_writing(self) -> None:
        """Hand on nothing more: the client does not read."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on."""
        self._paused = False
        self._hand_on()

    # What the parser calls

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._reset()
        self.begun = True
        self.deadline = self._time() + self._limits.header_seconds

    def on_url(self, url: bytes) -> None:
        """Take a piece of the URL."""
        self._url += url
        if len(self._url) > self._limits.url:
            self._refuse(Refusal.URL_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; one more than is allowed is kept at most, and they are refused at their end."""
        self._lines.append((name, value))

    def on_headers_complete(self) -> None:
        """Look at what the headers announce."""
        self._headers_done = True
        self._size = 0
        lines, self._lines = self._lines, _NOWHERE
        headers = self._headers = named(lines)
        limits = self._limits
        if (
            len(lines) > limits.header_count
            or sum(map(len, headers)) + sum(map(len, headers.values())) > limits.headers
        ):
            self._refuse(Refusal.HEADERS_TOO_LARGE)
            return
        length = headers.get(b"content-length", b"0")
        if length == b"0" and b"transfer-encoding" not in headers:
            return
        self.deadline = self._time() + limits.body_seconds
        if int(length) > limits.body:
            self._refuse(Refusal.BODY_TOO_LARGE)
        elif headers.get(b"expect", b"").lower() == b"100-continue" and self._parser.get_http_version() == "1.1":
            self._asked = True
            self._encourage()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._body_size += len(body)
        if self._body_size > self._limits.body:
            self._refuse(Refusal.BODY_TOO_LARGE)
        elif self._refusal is not None:
            return
        elif self._body is None:
            self._body = [body]
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """Hand the request on, or let it wait for the one before it."""
        self.begun = self._asked = False
        self._size, self._headers_done = 0, False
        if self._refusal is not None:
            return
        current = self._parser.get_http_version() == "1.1"
        if current and b"host" not in self._headers:
            self._refuse(Refusal.MALFORMED)  # RFC 9112, 3.2
            return
        path, _, query = origin(self._url).partition(b"?")
        body = b"".join(self._body) if self._body else b""
        method, begun = self._parser.get_method(), self._time()
        call = Call(method, path, query, self._headers, body, self.peer, begun)
        read = call, current and self._parser.should_keep_alive()
        if self._busy is None and not (self._waiting or self._handing or self._paused or self._closing):
            self._busy = read
            self._site.handle(call, self)
        else:
            self._waiting.append(read)
            self._hand_on()

    # What the site calls

    def answer(
        self, status: int, body: bytes, request_id: bytes, *, kind: bytes = JSON, retry_after: int | None = None
    ) -> None:
        """Write the answer to the call that was handed on, and go on with the next.

        Args:
            status: of HTTP.
            body: its content.
            request_id: shown in a header too.
            kind: of the content.
            retry_after: milliseconds after which to try again, as the SDKs read it.
        """
        busy, self._busy = self._busy, None
        transport = self._transport
        if transport is None:
            return
        keep = busy is not None and busy[1] and not self._closing
        transport.write(
            b"%b%b\r\ncontent-length: %d\r\ncache-control: no-store\r\ndate: %b\r\nx-acs-request-id: %b\r\n%b%b\r\n%b"
            % (
                _HEADS[status],
                kind,
                len(body),
                self._site.date,
                request_id,
                b"" if keep else b"connection: close\r\n",
                b"" if retry_after is None else b"x-acs-retry-after: %d\r\n" % retry_after,
                b"" if busy is not None and busy[0].method == b"HEAD" else body,
            )
        )
        if not keep:
            self._linger()
            return
        limits = self._limits
        self.deadline = self._time() + (limits.header_seconds if self.begun else limits.idle_seconds)
        if self._waiting or self._asked or self._refusal is not None:
            self._hand_on()

    def expire(self) -> None:
        """End a connection that has had its time: say so in the middle of a request, just close it between two."""
        if self.begun and not self._closing and not self._paused:
            self._refuse(Refusal.SLOW)
        else:
            self.close()

    @property
    def idle(self) -> bool:
        """Whether nothing has been asked that is not answered."""
        return self._busy is None and not self._waiting and not self.begun

    @property
    def busy(self) -> bool:
        """Whether a call is being answered; it takes the time it takes."""
        return self._busy is not None

    def close(self) -> None:
        """End it once what was written is sent."""
        self._closing = True
        if self._transport is not None:
            self._transport.close()

    def _hand_on(self) -> None:
        """Hand on what waits, one after the other, and then refuse where that is due.

        A loop, because an answer that comes at once calls this again: a thousand requests in one packet would be as
        many calls deep.
        """
        if self._handing:
            return
        self._handing = True
        while self._waiting and self._busy is None and not self._paused and not self._closing:
            self._busy = self._waiting.popleft()
            self._site.handle(self._busy[0], self)
        self._handing = False
        if self._busy is None and not self._waiting and self._refusal is not None and not self._closing:
            self._closing = True
            self._site.refuse(self._refusal, self)
        self._encourage()
        self._hold(wanted=bool(self._waiting))

    def _encourage(self) -> None:
        """Tell a client that asked first to go on, once what came before is answered (RFC 9110, 10.1.1)."""
        before = self._busy is not None or self._waiting
        if self._asked and not (before or self._closing or self._refusal) and self._transport is not None:
            self._asked = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _hold(self, *, wanted: bool) -> None:
        """Pause reading, or go on."""
        if wanted is not self._held and self._transport is not None:
            self._held = wanted
            if wanted:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _refuse(self, refusal: Refusal) -> None:
        """Read no more; answer why once what was asked before is answered."""
        if self._refusal is None:
            self._refusal = refusal
            self._hand_on()

    def _close_after_answer(self) -> None:
        """Make the last request that was read the connection's last."""
        if self._waiting:
            self._waiting[-1] = (self._waiting[-1][0], False)
        elif self._busy is not None:
            self._busy = (self._busy[0], False)
        else:
            self.close()

    def _linger(self) -> None:
        """Say that nothing more will come; closing at once would reset a client that still sends."""
        self._closing = True
        transport = self._transport
        if transport is None:
            return
        if transport.can_write_eof():
            transport.write_eof()
            self._hold(wanted=False)
            self.deadline = self._time() + self._limits.linger_seconds
        else:
            transport.close()
