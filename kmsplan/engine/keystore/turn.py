"""Processes that write to one SQLite file, one after another.

SQLite itself would let them try, sleep and try again. Here they wait in a line. Those that record answers in spools
write beside each other, but not beside a transaction: it changes what keys are and who may use them, and nobody may be
answered with what was true before it, and recorded after it. To bring spools in changes nothing of that, so it may take
its time beside those who fill them.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from kmsplan.engine.keystore.line import Line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

_WRITER: Final = "writer"
_GATE: Final = "gate"


class Turn:
    """This process's place among those that write to the file.

    Args:
        folder: the engine's.
    """

    def __init__(self, folder: Path) -> None:
        self._writer = Line(folder, _WRITER)
        self._gate = Line(folder, _GATE)

    @contextmanager
    def __call__(self, *, wait: bool = True) -> Iterator[None]:
        """Wait for the turn, and have it until the context ends; `wait` and errors as `Line.alone`."""
        with self._writer.alone(wait=wait), self._gate.alone(wait=wait):
            yield

    def beside(self) -> AbstractContextManager[None]:
        """Wait for a turn beside those that fill spools."""
        return self._writer.alone()

    def close(self) -> None:
        """Leave."""
        self._writer.close()
        self._gate.close()


def gate(folder: Path) -> Line:
    """Return the line of those that fill spools; they are in it together."""
    return Line(folder, _GATE)
