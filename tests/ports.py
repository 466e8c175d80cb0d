"""Ports that are the tests' own for as long as they need them."""

from __future__ import annotations

import socket


def held_port() -> socket.socket:
    """Bind a free port of 127.0.0.1, and never listen there: until this is closed, nobody else is given the port.

    A server that sets this option too, as most do, can listen on it all the same. While none does, nobody answers:
    whoever connects is refused, and does not by chance get that very port for its own end, and so itself.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


def number(held: socket.socket) -> int:
    """Return which port it is."""
    port: int = held.getsockname()[1]
    return port
