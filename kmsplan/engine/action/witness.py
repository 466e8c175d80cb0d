"""Noting what a client's state has come to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.engine.execution import admitted, commit
from kmsplan.engine.witness import Witnessed, keep

if TYPE_CHECKING:
    from kmsplan.engine.caller import Caller
    from kmsplan.engine.core import Core


def witness(core: Core, caller: Caller, lineage: str, serial: int) -> None:
    """Keep a state's newest serial; see `Engine.witness`."""
    request = core.request(caller, "NoteState", lineage)
    with admitted(core, request):
        request.parameters = {"Serial": serial}
        seen = Witnessed(serial=serial, by=caller.actor, at=request.time)
        commit(core, request, lambda transaction: keep(transaction.db, lineage, seen))
