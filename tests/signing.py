"""Signed requests by hand, for what no SDK would send."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error's code; empty where there is none."""
        return str(self.json.get("Code", ""))


@dataclass
class Signer:
    """Signs with ACS3-HMAC-SHA256 as the API reference says; whatever is overridden is signed as it is."""

    endpoint: str
    access_key_id: str
    secret: str
    timeout: float = 60.0
    tls: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def call(self, action: str, parameters: dict[str, str] | None = None, /, **overrides: str) -> Reply:
        """Call an action; overrides replace or add headers before they are signed."""
        query, headers = self.request(action, parameters or {}, **overrides)
        return self.send("POST", f"/?{query}", headers)

    def request(self, action: str, parameters: dict[str, str], /, **overrides: str) -> tuple[str, dict[str, str]]:
        """Return query and headers of a signed request."""
        query = "&".join(f"{name}={quote(value, safe='~')}" for name, value in sorted(parameters.items()))
        headers = {
            "host": self.endpoint,
            "x-acs-action": action,
            "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
            "x-acs-date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "x-acs-signature-nonce": os.urandom(16).hex(),
            "x-acs-version": "2016-01-20",
            **self.headers,
            **{name.replace("_", "-"): value for name, value in overrides.items()},
        }
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
        canonical = f"POST\n/\n{query}\n{lines}\n{names}\n{headers['x-acs-content-sha256']}"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        mac = hmac.digest(self.secret.encode(), f"ACS3-HMAC-SHA256\n{digest}".encode(), "sha256").hex()
        credential = f"Credential={self.access_key_id},SignedHeaders={names},Signature={mac}"
        return query, {**headers, "Authorization": f"ACS3-HMAC-SHA256 {credential}"}

    def send(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> Reply:
        """Send a request as it is."""
        made = http.client.HTTPConnection if self.tls is None else http.client.HTTPSConnection
        options = {} if self.tls is None else {"context": self.tls}
        connection = made(self.endpoint, timeout=self.timeout, **options)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()
