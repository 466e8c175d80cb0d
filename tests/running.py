"""A served engine as a process to look at from outside, and to stop."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families

from tests.served import serve
from tests.signing import Reply, Signer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.served import Served

MARKER = "plaintext-that-nobody-logs-4711"
PATIENCE = 60.0
"""Seconds for what takes a moment on a machine with nothing else to do."""


@dataclass
class Running:
    """A served engine with one key in it, and what is asked of it by hand."""

    served: Served
    admin: str = ""
    """Where health and metrics are; the API's own address if nothing is said."""
    signer: Signer = field(init=False)
    key: str = field(init=False)

    def __post_init__(self) -> None:
        served = self.served
        self.admin = self.admin or served.endpoint
        self.signer = Signer(served.endpoint, served.access_key_id, served.access_key_secret)
        instance = served.project.call("CreateInstance", "ProductType=software", "Spec=4000", "KeyNum=1000")
        made = self.signer.call("CreateKey", {"DKMSInstanceId": instance})
        assert made.status == 200, made
        self.key = made.json["KeyMetadata"]["KeyId"]

    def page(self, path: str) -> Reply:
        return Signer(self.admin, "", "").send("GET", path)

    def ready(self) -> tuple[int, str]:
        reply = self.page("/readyz")
        return reply.status, reply.json["status"]

    def encrypt(self, text: str = MARKER) -> Reply:
        return self.signer.call("Encrypt", {"KeyId": self.key, "Plaintext": text})

    def decrypt(self, blob: str) -> Reply:
        return self.signer.call("Decrypt", {"CiphertextBlob": blob})

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that have these labels."""
        families = text_string_to_metric_families(self.page("/metrics").body.decode())
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    def count(self, action: str, code: str) -> float:
        return self.metric("kmsplan_requests_total", action=action, code=code)

    def connect(self, endpoint: str = "") -> socket.socket:
        """Connect to the API, or to another endpoint."""
        host, _, port = (endpoint or self.served.endpoint).partition(":")
        return socket.create_connection((host, int(port)), timeout=PATIENCE)

    def raw(self, action: str, parameters: dict[str, str]) -> bytes:
        """A signed request as it goes over the wire."""
        query, headers = self.signer.request(action, parameters)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST /?{query} HTTP/1.1\r\n{lines}content-length: 0\r\n\r\n".encode()

    def workers(self) -> list[int]:
        pid = self.served.process.pid
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def end(self) -> str:
        """Tell it to stop, and return what it logged; it has to end well."""
        self.served.process.terminate()
        _, log = self.served.process.communicate(timeout=PATIENCE)
        assert self.served.process.returncode == 0, log
        return log


@contextlib.contextmanager
def running(root: Path, *options: str, **engine: Any) -> Iterator[Running]:
    """Serve an engine in a folder, as `serve` does; `--admin-listen` is asked where it got."""
    with contextlib.contextmanager(serve)(root, *options, **engine) as served:
        admin = ""
        if "--admin-listen" in options:
            assert served.process.stderr is not None
            admin = served.process.stderr.readline().rpartition("http://")[2].strip()
        yield Running(served, admin)


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def received(connection: socket.socket) -> bytes:
    """Everything until the other side ends."""
    data = b""
    while part := connection.recv(65536):
        data += part
    return data


def statuses(data: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", data)]


def first(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    """Status and body of the first answer on a connection that may go on."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    body: dict[str, Any] = json.loads(response.read())
    return response.status, body
