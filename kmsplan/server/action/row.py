"""What a row of the action table says."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kmsplan.engine.dataplane.answer import Answer
    from kmsplan.engine.dataplane.crypto import Crypto
    from kmsplan.engine.service import Engine
    from kmsplan.server.parameters import Parameter

Values = dict[str, Any]
"""By name on the wire what `parameters.read` returned."""
Shape = dict[str, Any]
"""An answer's fields by name on the wire, without the request id."""
Done = Callable[[Callable[[], Shape]], None]
"""Called from whatever thread once all is on disk, with what returns the answer or raises why there is none."""


@dataclass(frozen=True, slots=True)
class Cryptographic:
    """An action of the data plane."""

    parameters: tuple[Parameter, ...]
    begin: Callable[[Crypto, Values], Answer[Any]]
    shape: Callable[[Any], Shape]
    """The answer's value to the wire."""
    slow: bool = False
    """Whether it takes its time whatever the key; else the key decides."""


@dataclass(frozen=True, slots=True)
class Managing:
    """An action that reads or changes what there is; as a rule it waits for the database, so it has a thread."""

    parameters: tuple[Parameter, ...]
    call: Callable[[Engine, Values], Shape]
    begin: Callable[[Engine, Values, Done], bool] | None = None
    """Begins it without waiting, or returns False where it has to be waited for."""


Row = Cryptographic | Managing


def text64(content: bytes) -> str:
    """Return Base64 text."""
    return b2a_base64(content, newline=False).decode()
