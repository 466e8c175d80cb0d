"""OpenBao's transit engine as a peer: raft storage, file audit on, TLS off."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

_CONFIGURATION = """
storage "raft" {{
  path = "{folder}/data"
  node_id = "one"
}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  tls_disable = true
}}
cluster_addr = "http://127.0.0.1:{cluster}"
api_addr = "http://127.0.0.1:{port}"
audit "file" "benchmark" {{
  options {{
    file_path = "{folder}/audit.log"
  }}
}}
log_level = "warn"
"""


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class OpenBao:
    """A running server with three transit keys: aes, ec, rsa."""

    def __init__(self, binary: str, folder: Path) -> None:
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.token = ""
        (folder / "data").mkdir(parents=True)
        configuration = folder / "bao.hcl"
        configuration.write_text(_CONFIGURATION.format(folder=folder, port=self._port, cluster=free_port()))
        with (folder / "bao.log").open("wb") as log:
            self._process = subprocess.Popen(
                [binary, "server", f"-config={configuration}"],
                stdout=log,
                stderr=log,
                env={**os.environ, "HOME": str(folder)},
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        """Initialise, unseal, and make the keys."""
        self._until(lambda: self.call("GET", "/v1/sys/health", allowed=(501,)))
        made = self.call("PUT", "/v1/sys/init", {"secret_shares": 1, "secret_threshold": 1})
        self.token = made["root_token"]
        self.call("PUT", "/v1/sys/unseal", {"key": made["keys"][0]})
        self._until(lambda: self.call("POST", "/v1/sys/mounts/transit", {"type": "transit"}))
        for name, kind in (("aes", "aes256-gcm96"), ("ec", "ecdsa-p256"), ("rsa", "rsa-3072")):
            self.call("POST", f"/v1/transit/keys/{name}", {"type": kind})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the server and the wrapper that started it: a session of their own."""
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def call(self, method: str, path: str, body: Any = None, allowed: tuple[int, ...] = ()) -> Any:
        """Make one call and return its answer.

        Raises:
            OSError: it answers with an error, or not at all.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), self._headers())
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status not in (200, 204, *allowed):
            raise OSError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text) if text else {}

    def requests(self, path: str, bodies: Iterator[dict[str, str]]) -> Iterator[bytes]:
        """Yield requests as they go over the wire; `{n}` in the path is the request's number."""
        for number, body in enumerate(bodies):
            content = json.dumps(body).encode()
            head = f"POST {path.format(n=number)} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
            headers = {**self._headers(), "Content-Length": str(len(content))}
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            yield f"{head}{lines}\r\n".encode() + content

    def _headers(self) -> dict[str, str]:
        return {"X-Vault-Token": self.token, "Content-Type": "application/json"}

    def _until(self, call: Any) -> None:
        """Repeat a call until it works, for 30 seconds."""
        end = time.monotonic() + 30
        while True:
            try:
                call()
            except (OSError, http.client.HTTPException):
                if time.monotonic() > end or self._process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return
