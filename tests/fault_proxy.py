"""A proxy on 127.0.0.1 that passes calls of the API on, and does to each what a plan says: the network at its worst."""

from __future__ import annotations

import http.client
import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType


class Fault(StrEnum):
    """What is done to one request or its answer."""

    RESET_BEFORE = "the connection is reset before the request is passed on"
    RESET_AFTER = "the request is passed on, and the connection is reset in place of the answer"
    TRUNCATED = "half of the answer comes, and the connection ends"
    DUPLICATED = "the request is passed on twice, and the first answer comes"
    ECHOED = "the request is passed on twice, and the second answer comes"
    LATE = "no answer comes, and the request is passed on when nobody waits for it any more"
    SLOW = "the answer comes late, and not too late"
    THROTTLED = "429 comes, and the request is not passed on"
    FAILED_BEFORE = "500 comes in the KMS's words, and the request is not passed on"
    FAILED_AFTER = "the request is passed on, and 503 comes in the KMS's words"
    GATEWAY_BEFORE = "502 comes in a gateway's words, and the request is not passed on"
    GATEWAY_AFTER = "the request is passed on, and 504 comes in a gateway's words"
    NONSENSE_AFTER = "the request is passed on, and 200 comes with something that is no JSON"


Plan = Callable[[str, int], Fault | None]
"""From the action, and how often this very request came before, to what happens to it."""

_SLOW = 0.13
_WORDS: dict[Fault, tuple[int, str, str]] = {
    Fault.THROTTLED: (429, "Rejected.Throttling", "QPS Limit Exceeded"),
    Fault.FAILED_BEFORE: (500, "InternalFailure", "Internal Failure"),
    Fault.FAILED_AFTER: (503, "ServiceUnavailableTemporary", "Service Unavailable Temporary"),
}
_GATEWAYS: dict[Fault, int] = {Fault.GATEWAY_BEFORE: 502, Fault.GATEWAY_AFTER: 504, Fault.NONSENSE_AFTER: 200}
_PASSED_ON = frozenset(
    {Fault.RESET_AFTER, Fault.TRUNCATED, Fault.FAILED_AFTER, Fault.GATEWAY_AFTER, Fault.NONSENSE_AFTER, Fault.SLOW}
)
_CHANGES = ("Create", "Update", "Set", "Tag", "Untag", "Enable", "Disable", "Schedule", "Cancel", "Delete", "Modify")


def no_fault(action: str, attempt: int) -> Fault | None:
    del action, attempt
    return None


def first_attempts(fault: Fault, *, changes_only: bool = False) -> Plan:
    """Do this to the first attempt of every request, or of every one that changes something."""

    def plan(action: str, attempt: int) -> Fault | None:
        return fault if attempt == 0 and (not changes_only or action.startswith(_CHANGES)) else None

    return plan


def at_random(seed: int, share: float) -> Plan:
    """Do anything to a share of the requests; never three times in a row to the same one."""
    dice, lock = random.Random(seed), threading.Lock()  # noqa: S311 - to be repeated, not to be secret

    def plan(action: str, attempt: int) -> Fault | None:
        del action
        with lock:
            return dice.choice(list(Fault)) if attempt < 2 and dice.random() < share else None

    return plan


@dataclass(frozen=True)
class Request:
    """One request, as it came."""

    action: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class FaultProxy:
    """Listens until the `with` block ends. `passed` counts what reached the KMS, `done` what was done to requests."""

    upstream: str
    plan: Plan = no_fault
    patience: float = 60.0
    """Seconds after which nobody waits for an answer any more; few where faults are `LATE`, for each takes longer."""
    came: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    done: Counter[Fault] = field(default_factory=Counter)
    nonces: dict[str, set[str]] = field(default_factory=dict)
    """Of every request, apart from signature and time, the nonces that it came with."""

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        self._late: list[threading.Thread] = []
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.settle()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def settle(self) -> None:
        """Wait until everything that is late has arrived."""
        while self._late:
            self._late.pop().join()

    def fault(self, request: Request) -> Fault | None:
        """Decide what happens to a request, and count it."""
        content = f"{request.action} {request.path}"
        with self._lock:
            attempt = self.came[content]
            self.came[content] += 1
            self.nonces.setdefault(content, set()).add(request.headers["x-acs-signature-nonce"])
            fault = self.plan(request.action, attempt)
            if fault is not None:
                self.done[fault] += 1
        return fault

    def pass_on(self, request: Request) -> tuple[int, bytes]:
        """Send a request as it came, signature and all; return the status and the body of the answer."""
        with self._lock:
            self.passed[request.action] += 1
        connection = http.client.HTTPConnection(self.upstream, timeout=30)
        try:
            connection.request("POST", request.path, body=request.body, headers=request.headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def pass_on_late(self, request: Request) -> None:
        """Pass a request on when nobody waits for it any more."""

        def later() -> None:
            time.sleep(self.patience * 1.3)
            self.pass_on(request)

        thread = threading.Thread(target=later)
        self._late.append(thread)
        thread.start()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that have gone, which is what this is about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        request = Request(headers["x-acs-action"], self.path, headers, body)
        self._apply(self.server.proxy.fault(request), request)

    def _apply(self, fault: Fault | None, request: Request) -> None:
        proxy = self.server.proxy
        if fault is None:
            self._answer(*proxy.pass_on(request))
            return
        if fault in _PASSED_ON:
            status, body = proxy.pass_on(request)
        if fault in (Fault.RESET_BEFORE, Fault.RESET_AFTER):
            self._reset()
        elif fault is Fault.TRUNCATED:
            self._answer(status, body[: len(body) // 2], length=len(body))
            self.close_connection = True
        elif fault is Fault.SLOW:
            time.sleep(min(proxy.patience / 3, _SLOW))
            self._answer(status, body)
        elif fault in (Fault.DUPLICATED, Fault.ECHOED):
            answers = [proxy.pass_on(request), proxy.pass_on(request)]
            self._answer(*answers[fault is Fault.ECHOED])
        elif fault is Fault.LATE:
            proxy.pass_on_late(request)
            time.sleep(proxy.patience * 2)
            self.close_connection = True
        elif fault in _WORDS:
            self._answer(*_in_the_kms_words(fault))
        else:
            self._answer(_GATEWAYS[fault], b"<html><h1>Bad day</h1></html>")

    def _answer(self, status: int, body: bytes, *, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def _reset(self) -> None:
        """Close with RST: what is sent to a socket with data unread or with this option set is lost."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Print nothing."""


def _in_the_kms_words(fault: Fault) -> tuple[int, bytes]:
    status, code, message = _WORDS[fault]
    body = {"Code": code, "Message": message, "RequestId": "00000000-0000-0000-0000-000000000000"}
    return status, json.dumps(body).encode()
