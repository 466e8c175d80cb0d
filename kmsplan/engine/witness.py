"""What the engine has seen of its clients' states: the newest serial of each, so that an older one is noticed.

A state that was put back from a backup knows nothing of what was made since. The engine does: whoever carries out a
plan tells it the serial that this has led to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson

from kmsplan.engine.keystore import setting

if TYPE_CHECKING:
    from kmsplan.engine.keystore.connection import Connection

_PREFIX: Final = "state:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed:
    """The newest serial of one state."""

    serial: int
    by: str
    """Who told of it."""
    at: str
    """When."""


def witnessed(db: Connection) -> dict[str, Witnessed]:
    """Return the newest serial of every state, by lineage."""
    return {
        name.removeprefix(_PREFIX): Witnessed(**orjson.loads(value))
        for name, value in setting.load_all(db).items()
        if name.startswith(_PREFIX)
    }


def keep(db: Connection, lineage: str, seen: Witnessed) -> None:
    """Keep a state's newest serial; one that is not newer than what is kept changes nothing."""
    known = witnessed(db).get(lineage)
    if known is None or known.serial < seen.serial:
        setting.store(db, _PREFIX + lineage, orjson.dumps(seen))
