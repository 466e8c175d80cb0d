"""A server of the protocol of Terraform's http backend: a plain one, or with GitLab's ways."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

USER, PASSWORD = "ada", "never-shown-4711"


@dataclass
class StateServer:
    """One state on a free port of this machine."""

    gitlab: bool = False
    content: bytes | None = None
    lock: dict[str, Any] | None = None
    versions: set[int] = field(default_factory=set)
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Method and path with query of each."""
    down: bool = False
    """Nobody gets an answer."""
    mute: bool = False
    """A write is kept, and its answer lost, once."""
    hold: threading.Event = field(default_factory=threading.Event)
    """Writes are answered while it is set."""
    refuse_writes: int = 0
    """The status with which every write is refused."""

    def __post_init__(self) -> None:
        server = self
        self.hold.set()
        self._guard = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                server.requests.append((self.command, self.path))
                if b"kmsplan" in body and self.command == "POST":
                    server.hold.wait()
                with server._guard:
                    server.answer(self, body)

            do_GET = do_POST = do_PUT = do_DELETE = do_LOCK = do_UNLOCK = _serve  # noqa: N815 - the library's names

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        path = "/api/v4/projects/1/terraform/state/team" if self.gitlab else "/team"
        return f"http://127.0.0.1:{self._http.server_port}{path}"

    @property
    def settings(self) -> dict[str, str]:
        """What the configuration says of it, without the password."""
        common = {"address": self.address, "username": USER}
        if not self.gitlab:
            return common
        lock = {"lock_address": f"{self.address}/lock", "unlock_address": f"{self.address}/lock"}
        return {**common, **lock, "lock_method": "POST", "unlock_method": "DELETE"}

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        if self.down:
            handler.close_connection = True
            return
        status, content = self._judge(handler, body)
        if self.mute and handler.command == "POST" and b"kmsplan" in body:
            self.mute, handler.close_connection = False, True
            return
        with suppress(BrokenPipeError):
            handler.send_response(status)
            if not self.gitlab and handler.command == "GET" and self.content is not None:
                handler.send_header("ETag", self._etag())
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content)

    def _etag(self) -> str:
        return f'"{hashlib.sha256(self.content or b"").hexdigest()}"'

    def _judge(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes]:
        wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if handler.headers.get("Authorization") != f"Basic {wanted}":
            return 401, b"who are you?"
        path, method = urlsplit(handler.path), handler.command
        identifier = parse_qs(path.query).get("ID", [""])[0]
        if self.gitlab and path.path.endswith("/lock"):
            method = {"POST": "LOCK", "DELETE": "UNLOCK"}[method]
        match method:
            case "GET":
                return (200, self.content) if self.content is not None else (204 if self.gitlab else 404, b"")
            case "LOCK":
                return self._lock(json.loads(body))
            case "UNLOCK":
                return self._unlock(json.loads(body or b"{}").get("ID") or identifier)
            case _:
                return self._write(identifier, body, handler.headers.get("If-Match"))

    def _lock(self, asked: dict[str, Any]) -> tuple[int, bytes]:
        if self.gitlab:
            assert {"ID", "Operation", "Info", "Who", "Version", "Created", "Path"} <= asked.keys()
        status = 200
        if self.lock is not None:
            status = 409 if self.gitlab else 423
        else:
            self.lock = asked
        if self.gitlab:  # it repeats the asker's words, with the holder's id and name and its own time
            told = {**asked, "ID": self.lock["ID"], "Who": "root", "Created": datetime.now(UTC).isoformat()}
        else:
            told = self.lock
        return status, json.dumps(told).encode()

    def _unlock(self, identifier: str) -> tuple[int, bytes]:
        if self.lock is not None and identifier and self.lock["ID"] != identifier:
            return 409, json.dumps(self.lock).encode()
        self.lock = None
        return 200, b""

    def _write(self, identifier: str, body: bytes, condition: str | None) -> tuple[int, bytes]:
        if self.refuse_writes:
            return self.refuse_writes, b"the disk is full"
        if self.lock is not None and self.lock["ID"] != identifier:
            return 409, json.dumps(self.lock).encode()
        if condition is not None and condition != self._etag():
            return 412, b""
        if self.gitlab:
            serial = json.loads(body)["serial"]
            if serial in self.versions:
                return 422, b"Version has already been taken"
            self.versions.add(serial)
        self.content = body
        return 200, b""
