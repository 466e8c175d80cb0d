"""Where a proxy is: its settings as the engine keeps them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from kmsplan.kms.external import API_PATH

if TYPE_CHECKING:
    from collections.abc import Mapping

_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyAddress:
    """A proxy's address; who may call it is configuration."""

    scheme: str
    host: str
    port: int
    path: str = API_PATH
    """What comes before `/health` and `/keys/...`."""
    fingerprint: bytes | None = None
    """SHA-256 of its certificate. With it, that certificate alone is trusted; without it, the system's authorities."""

    @property
    def authority(self) -> str:
        """The header `Host`: with the port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


def proxy_address(settings: Mapping[str, str]) -> ProxyAddress:
    """Return the address that valid settings (url, path, fingerprint) mean."""
    parts, fingerprint = urlsplit(settings["url"]), settings.get("fingerprint")
    return ProxyAddress(
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=parts.port or _PORTS[parts.scheme],
        path=settings.get("path", API_PATH),
        fingerprint=bytes.fromhex(fingerprint) if fingerprint else None,
    )


def kept(settings: Mapping[str, str]) -> str:
    """Return settings as the keystore keeps them."""
    return json.dumps(dict(settings), sort_keys=True, separators=(",", ":"))


def read_kept(settings: str) -> dict[str, str]:
    """Return settings that `kept` wrote."""
    return dict(json.loads(settings))
