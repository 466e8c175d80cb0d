"""The schedule inside a server: what is due is done when it is due, by one of all processes that have the engine open.

Everything that it goes by is in the database. So it goes on where it was after a restart, and with another process
after one has died: that one's lead goes with it, and the others ask for it every few seconds.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from kmsplan.engine.error import EngineError
from kmsplan.engine.keystore import key as keys
from kmsplan.engine.schedule import Ticked, is_awake, tick

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from kmsplan.engine.core import Core
    from kmsplan.engine.pace import Pace

INTERVAL: Final = 60.0
"""Seconds between two looks at most; what could not be done is tried again then."""
TAKEOVER: Final = 5.0
"""Seconds between two tries to take the lead, and to keep it, and after a failure."""
_SHORTEST: Final = 1.0
"""Times in the database are whole seconds."""


def run(core: Core, stop: Event, tell: Callable[[Ticked | Exception], None], pace: Pace | None) -> None:
    """Do what is due until `stop` is set; see `Engine.run_schedule`."""
    told = False
    while not stop.is_set():
        leap = pace.leap() if pace is not None else 0.0
        if leap and not told:
            tell(_leapt(leap))
        told = leap > 0
        left = step(core, tell, leads=not leap)
        while left > 0 and not stop.wait(min(left, TAKEOVER)):
            left = left - TAKEOVER if _leads_on(core) else 0


def _leads_on(core: Core) -> bool:
    """Return whether nothing has changed for who leads.

    Another process may have sealed the engine, or the database's server, started again, have forgotten who leads.
    """
    try:
        return core.presence is not None and is_awake(core) and core.presence.lead()
    except EngineError:  # the next step meets it, too, and tells
        return False


def _leapt(seconds: float) -> EngineError:
    return EngineError(
        f"this machine's clock went ahead by {timedelta(seconds=int(seconds))} at once. Set it right; what is due by "
        "it waits for a day. Where it is right and nothing may wait, start the server again"
    )


def step(core: Core, tell: Callable[[Ticked | Exception], None], *, leads: bool = True) -> float:
    """Do what is due, if it is this process's to do; return in how many seconds to look again.

    Args:
        core: the engine.
        tell: see `Engine.run_schedule`.
        leads: whether it may be this process's.
    """
    presence = core.presence
    if presence is None:
        return TAKEOVER
    try:
        # Who can do nothing leaves the lead to others: they may have the seal that opens the engine now.
        if not leads or not is_awake(core):
            presence.follow()
            return TAKEOVER
        if not presence.lead():
            return TAKEOVER
        done = tick(core)
        if done != Ticked():
            tell(done)
        return _until_next(core)
    except Exception as error:  # noqa: BLE001 - whatever it is: what is due tomorrow must still be done
        tell(error)
        with suppress(EngineError):
            presence.follow()
        return TAKEOVER


def _until_next(core: Core) -> float:
    with core.store.look() as db:
        due = keys.next_due(db, core.now())
    if due is None:
        return INTERVAL
    seconds = (datetime.fromisoformat(due) - core.world.clock()).total_seconds()
    return min(max(seconds, _SHORTEST), INTERVAL)
