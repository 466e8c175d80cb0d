"""What a client may take of the server: size, time, connections."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bytes, seconds and numbers, for each worker process.

    The SDKs send every parameter in the URL, also of a POST, percent-encoded: a policy of 32 KiB may need three times
    as much.
    """

    url: int = 256 * KIB
    headers: int = 32 * KIB
    header_count: int = 100
    body: int = 256 * KIB
    """Older SDKs send in a form what others do in the URL. It is read, decoded and encoded again (some 600 ns for each
    character) before anybody knows who sent it, so it is no longer than it needs to be.
    """
    header_seconds: float = 10.0
    """From a request's first byte to the end of its headers."""
    body_seconds: float = 30.0
    idle_seconds: float = 75.0
    """Between two requests of a connection, and until it takes the answer to one."""
    linger_seconds: float = 2.0
    """How long a refused client may go on sending, so that it reads why rather than a reset connection."""
    handshake_seconds: float = 10.0
    connections: int = 4096
    threads: int = 64
    """Requests that wait for something slow (RSA, an HSM, a change) at the same time."""
    waiting: int = 1024
    """Requests that wait for such a thread."""
    grace_seconds: float = 30.0
    """What is in flight when the server is told to stop may take this long."""
