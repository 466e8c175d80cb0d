"""External keys (XKI): what their key manager's proxy and their names there look like.

The protocol is the AWS External Key Store Proxy API 1.0.3: the cloud modelled here publishes none, and its proxy
settings (address, path, certificate fingerprint, access key) are the same.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

API_PATH: Final = "/kms/xks/v1"
"""What the path of every proxy ends with; before it, a prefix may tell customers of one proxy apart."""

EXTERNAL_KEY_PATTERN: Final = r"^(?!\.{1,2}$)[A-Za-z0-9._-]{1,128}$"
"""A key's name at its key manager. `.` and `..` would be lost on the way: they are steps of a path."""
PROXY_URL_PATTERN: Final = r"^https?://[^/?#@\s]+/?$"
PROXY_PATH_PATTERN: Final = r"^(?=.{1,128}$)(/[A-Za-z0-9_-]+)*/kms/xks/v1$"
ACCESS_KEY_ID_PATTERN: Final = r"^[A-Za-z0-9]{16,128}$"
"""Wider than the specification's (20 to 30 of A-Z and 2-7): key managers hand out others, too."""
FINGERPRINT_PATTERN: Final = r"^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$"
"""SHA-256 of the proxy's certificate (DER), as `openssl x509 -fingerprint -sha256` writes it."""

_HOST: Final = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?\Z")
_EXTERNAL_KEY: Final = re.compile(EXTERNAL_KEY_PATTERN.replace("$", r"\Z"))
_PATH: Final = re.compile(PROXY_PATH_PATTERN.replace("$", r"\Z"))
_FINGERPRINT: Final = re.compile(FINGERPRINT_PATTERN.replace("$", r"\Z"))


def is_external_key(text: str) -> bool:
    """Return whether a text can be a key's name at its key manager."""
    return _EXTERNAL_KEY.match(text) is not None


def canonical_url(url: str) -> str:
    """Return a proxy's URL in the one form that is compared: lower case, without a slash at its end."""
    return url.rstrip("/").lower()


def canonical_fingerprint(fingerprint: str) -> str:
    """Return a fingerprint in the one form that is compared: 64 lower-case hexadecimal digits."""
    return fingerprint.replace(":", "").lower()


def url_problem(url: str) -> str | None:
    """Return what is wrong with a proxy's URL, or None."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "it is https://HOST or https://HOST:PORT"
    if parts.scheme not in ("http", "https") or not host or port == 0 or "@" in parts.netloc:
        return "it is https://HOST or https://HOST:PORT"
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        return f"it ends after host and port; what comes before {API_PATH} belongs into `path`"
    if not _is_host(host):
        return "it holds no host's name: that has up to 253 ASCII letters, digits, '-' and '.', and 63 between two dots"
    if parts.scheme == "http" and not is_loopback(host):
        return "http is for this machine alone (localhost): plaintext would cross the network; use https"
    return None


def _is_host(host: str) -> bool:
    """Return whether a host can be looked up: a name of DNS, or a network address."""
    if ":" in host:
        return True  # an IPv6 address, which `urlsplit` has read
    return _HOST.match(host) is not None


def path_problem(path: str) -> str | None:
    """Return what is wrong with a proxy's path, or None."""
    if _PATH.match(path):
        return None
    return f"it ends in {API_PATH}, and has at most 128 letters, digits, '/', '-' and '_'"


def fingerprint_problem(fingerprint: str) -> str | None:
    """Return what is wrong with a certificate's fingerprint, or None."""
    return (
        None
        if _FINGERPRINT.match(fingerprint)
        else "it is a SHA-256 digest: 64 hexadecimal digits, with or without ':'"
    )


def is_loopback(host: str) -> bool:
    """Return whether a host can only be this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
