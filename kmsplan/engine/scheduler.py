"""The schedule inside a server: what is due is done when it is due, by one of all processes that have the engine open.

Everything that it goes by is in the database. So it goes on where it was after a restart, and with another process
after one has died: that one's lead goes with it, and the others ask for it every few seconds.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from kmsplan.engine.error import EngineError
from kmsplan.engine.keystore import key as keys
from kmsplan.engine.schedule import Ticked, tick

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from kmsplan.engine.core import Core

INTERVAL: Final = 60.0
"""Seconds between two looks at most; what could not be done is tried again then."""
TAKEOVER: Final = 5.0
"""Seconds between two tries to take the lead, and after a failure."""
_SHORTEST: Final = 1.0
"""Times in the database are whole seconds."""


def run(core: Core, stop: Event, tell: Callable[[Ticked | EngineError], None]) -> None:
    """Do what is due until `stop` is set; see `Engine.run_schedule`."""
    while not stop.is_set():
        stop.wait(step(core, tell))


def step(core: Core, tell: Callable[[Ticked | EngineError], None]) -> float:
    """Do what is due, if it is this process's to do; return in how many seconds to look again."""
    presence = core.presence
    try:
        # A sealed engine can do nothing, so it leaves the lead to others.
        if presence is None or core.keyring is None or not presence.lead():
            return TAKEOVER
        done = tick(core)
        if done != Ticked():
            tell(done)
        return _until_next(core)
    except EngineError as error:
        tell(error)
        return TAKEOVER


def _until_next(core: Core) -> float:
    with core.store.look() as db:
        due = keys.next_due(db, core.now())
    if due is None:
        return INTERVAL
    seconds = (datetime.fromisoformat(due) - core.world.clock()).total_seconds()
    return min(max(seconds, _SHORTEST), INTERVAL)
