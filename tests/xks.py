"""Proxies for tests: one made of scripted answers, and a small one written from the specification."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kmsplan.engine.xks.address import ProxyAddress

Script = Callable[[socket.socket, bytes], None]
"""Answers one request, given as it came, in its own way."""


def http(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


def says(body: bytes, status: str = "200 OK") -> Script:
    """An answer as it should be."""
    return lambda connection, _request: connection.sendall(http(body, status))


@dataclass
class ScriptedProxy:
    """Listens on a port; each request is answered by the next script, the last one for ever."""

    scripts: list[Script] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        port = self._listener.getsockname()[1]
        self.address = ProxyAddress(scheme="http", host="127.0.0.1", port=port)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            while request := _request(connection):
                self.requests.append(request)
                script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
                script(connection, request)
        except OSError:
            return
        finally:
            connection.close()

    def close(self) -> None:
        if self._listener.fileno() >= 0:
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone would leave the accepting thread one more client
        self._listener.close()
        for connection in self._open:
            connection.close()


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    wanted = int(lengths[0].split(b":")[1])
    while len(body) < wanted:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


class KeyManager:
    """A key manager and its proxy in one, written from the specification and from nothing of ours.

    It is a script: `ScriptedProxy(scripts=[KeyManager()])`. What `alter` is set to changes its answers.
    """

    def __init__(self, *names: str) -> None:
        self.keys = {name: AESGCM(os.urandom(32)) for name in names}
        self.spec = "AES_256"
        self.usages = ["ENCRYPT", "DECRYPT"]
        self.status = "ENABLED"
        self.health = "ACTIVE"
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.error: str | None = None
        """The `errorName` of every answer."""
        self.alter: Callable[[dict[str, Any]], dict[str, Any]] = lambda answer: answer

    def __call__(self, connection: socket.socket, request: bytes) -> None:
        head, _, body = request.partition(b"\r\n\r\n")
        path = head.split()[1].decode().removeprefix("/kms/xks/v1")
        fields = json.loads(body)
        self.calls.append((path, fields))
        error, answer = self.error, {}
        if error is None:
            try:
                answer = self.alter(self._answer(path.split("/"), fields))
            except KeyError:
                error = "KeyNotFoundException"
            except InvalidTag:
                error = "InvalidCiphertextException"
        if error is None:
            connection.sendall(http(json.dumps(answer).encode()))
        else:
            connection.sendall(http(json.dumps({"errorName": error}).encode(), f"{_STATUS[error]} X"))

    def _answer(self, path: list[str], fields: dict[str, Any]) -> dict[str, Any]:
        if path[1] == "health":
            return {"ekmFleetDetails": [{"id": "1", "model": "m", "healthStatus": self.health}]}
        key = self.keys[path[2]]
        if path[3] == "metadata":
            return {"keySpec": self.spec, "keyUsage": self.usages, "keyStatus": self.status}
        given = {
            name: base64.b64decode(value)
            for name, value in fields.items()
            if isinstance(value, str) and name in _BINARY
        }
        aad = given.get("additionalAuthenticatedData", b"")
        metadata = given.get("ciphertextMetadata", b"version 1")
        bound = len(aad).to_bytes(2) + aad + len(metadata).to_bytes(1) + metadata
        if path[3] == "decrypt":
            sealed = given["ciphertext"] + given["authenticationTag"]
            return {"plaintext": _base64(key.decrypt(given["initializationVector"], sealed, bound))}
        iv = os.urandom(12)
        sealed = key.encrypt(iv, given["plaintext"], bound)
        digest = hashlib.sha256(aad + metadata + iv + sealed).digest()
        return {
            "ciphertext": _base64(sealed[:-16]),
            "ciphertextMetadata": _base64(metadata),
            "initializationVector": _base64(iv),
            "authenticationTag": _base64(sealed[-16:]),
            "ciphertextDataIntegrityValue": _base64(digest),
        }


_BINARY = {
    "plaintext",
    "ciphertext",
    "ciphertextMetadata",
    "initializationVector",
    "authenticationTag",
    "additionalAuthenticatedData",
}
_STATUS = {
    "AccessDeniedException": 403,
    "AuthenticationFailedException": 401,
    "DependencyTimeoutException": 503,
    "InternalException": 500,
    "InvalidCiphertextException": 400,
    "InvalidKeyUsageException": 400,
    "InvalidStateException": 400,
    "InvalidUriPathException": 404,
    "KeyNotFoundException": 404,
    "ThrottlingException": 429,
    "UnsupportedOperationException": 501,
    "ValidationException": 400,
}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
