"""A served engine over time and size: memory under lasting load, and with 100,000 keys."""

from __future__ import annotations

import base64
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.benchmark import load
from tests.benchmark.served import Served

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TEXT: Final = base64.b64encode(bytes(range(32))).decode()
_ENCRYPT: Final = {"KeyId": "alias/aes", "Plaintext": _TEXT}
_TURN: Final = 10
"""Seconds of load between two looks at the memory."""
_MOST: Final = 16_000
_CONNECTIONS: Final = 32
_CALLS: Final = 300


@dataclass(frozen=True, slots=True)
class Soaked:
    """Memory of all processes of the server, MiB."""

    minutes: float
    requests: int
    early: float
    """After the first tenth."""
    late: float
    """Median of the last tenth."""


@dataclass(frozen=True, slots=True)
class Sized:
    """One size of a keystore."""

    keys: int
    start: float
    """Seconds from the command to its first answer."""
    unloaded: float
    """Median of one Encrypt after the other, milliseconds."""
    describe: float
    """The same of DescribeKey."""


def soak(root: Path, program: str, environ: Mapping[str, str], minutes: float) -> Soaked:
    """Load a served engine for some minutes; look at its memory every few seconds."""
    seen: list[float] = []
    requests = 0
    with Served(program, root / "soaked", environ, workers=2) as served:
        for _ in range(max(10, int(minutes * 60 / _TURN))):
            file = root / "requests"
            load.write(file, served.requests("Encrypt", [_ENCRYPT], _MOST * _TURN))
            requests += int(load.run(served.url, file, connections=_CONNECTIONS, seconds=_TURN).rate * _TURN)
            seen.append(served.memory())
    tenth = max(1, len(seen) // 10)
    return Soaked(len(seen) * _TURN / 60, requests, seen[tenth - 1], statistics.median(seen[-tenth:]))


def size(root: Path, program: str, environ: Mapping[str, str], keys: int) -> Sized:
    """Serve an engine with so many more keys."""
    with Served(program, root / f"sized-{keys}", environ, workers=2, more_keys=keys) as served:
        key = {"KeyId": served.identities["key.aes"]}
        return Sized(
            keys,
            served.start,
            served.unloaded("Encrypt", _ENCRYPT, _CALLS),
            served.unloaded("DescribeKey", key, _CALLS),
        )
