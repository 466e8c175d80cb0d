"""What a row of the action table says."""

from __future__ import annotations

from binascii import b2a_base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.dataplane.answer import Answer
    from kmsplan.engine.dataplane.crypto import Crypto
    from kmsplan.engine.service import Engine
    from kmsplan.server.parameters import Parameter

Values = dict[str, Any]
"""By name on the wire what `parameters.read` returned."""
Shape = dict[str, Any]
"""An answer's fields by name on the wire, without the request id."""


@dataclass(frozen=True, slots=True)
class Cryptographic:
    """An action of the data plane."""

    parameters: tuple[Parameter, ...]
    key: Callable[[Values], tuple[str, str | None] | None]
    """The key and version that decide whether it takes microseconds; None where it does whatever the key."""
    begin: Callable[[Crypto, Values], Answer[Any]]
    shape: Callable[[Any], Shape]
    """The answer's value to the wire."""


@dataclass(frozen=True, slots=True)
class Managing:
    """An action that reads or changes what there is; it waits for the database, so it has a thread."""

    parameters: tuple[Parameter, ...]
    call: Callable[[Engine, Values], Shape]


Row = Cryptographic | Managing


def text64(content: bytes) -> str:
    """Return Base64 text."""
    return b2a_base64(content, newline=False).decode()
