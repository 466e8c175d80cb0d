"""What the engine's sides, each a class with methods of its own, stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.engine.error import ReadOnlyEngineError

if TYPE_CHECKING:
    from kmsplan.engine.caller import Caller
    from kmsplan.engine.core import Core


class Facet:
    """An open engine, and whom it works for."""

    __slots__ = ("_caller", "_core")

    def __init__(self, core: Core, caller: Caller) -> None:
        """Take an open core and whom it works for; `Engine.open` makes one."""
        self._core = core
        self._caller = caller

    def _require_writable(self) -> None:
        if self._core.presence is None:
            raise ReadOnlyEngineError(
                "the engine was opened for reading. Using a key and changing something both write to its audit trail: "
                "open it for writing"
            )
