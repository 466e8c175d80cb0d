"""The one object of an object store that is ever changed: who has the lease, which snapshot counts, and the journal.

Every change of it is made from the version that was read, and the store refuses it where there is a newer one. All
other objects are written once, under names of their own, and count only where the head names them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from kmsplan.state.error import StateCorruptError, StateVersionError
from kmsplan.state.holder import Holder
from kmsplan.state.shared.folded import REMEDY

FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the object says."""

    fence: int = 0
    """Of the newest holding of the lease."""
    holder: Holder | None = None
    lease: float = 0.0
    """Seconds for which that holder may be silent."""
    version: str | None = None
    """Names the snapshot that counts; None before the first."""
    segments: tuple[str, ...] = ()
    """Objects with the journal's earlier lines."""
    tail: str = ""
    """Its newest lines."""
    past: tuple[tuple[int, str], ...] = ()
    """Serial and version of every earlier snapshot, the oldest first."""
    mark: str = ""
    """Another one with every change, so that a change whose answer was lost is known again."""

    def encode(self) -> bytes:
        """Return the text."""
        return orjson.dumps(
            {
                "format": FORMAT,
                "fence": self.fence,
                "holder": self.holder.members() if self.holder else None,
                "lease": self.lease,
                "version": self.version,
                "segments": self.segments,
                "tail": self.tail,
                "past": self.past,
                "mark": self.mark,
            }
        )

    def free(self, *, fence: int) -> Head:
        """Return it without a holder."""
        return replace(self, holder=None, fence=fence)


def decode(content: bytes, name: str) -> Head:
    """Read a head.

    Args:
        content: the object.
        name: of the place, for messages.

    Raises:
        StateCorruptError: kmsplan did not write it.
        StateVersionError: a newer kmsplan did.
    """
    try:
        values: dict[str, Any] = orjson.loads(content)
        if values.pop("format") > FORMAT:
            raise StateVersionError(
                f"{name} has a form that this version of kmsplan does not know",
                "A newer kmsplan wrote it. Use that version; nothing was changed.",
            )
        return Head(
            **{
                **values,
                "holder": Holder.of(values["holder"]) if values["holder"] else None,
                "segments": tuple(values["segments"]),
                "past": tuple((serial, version) for serial, version in values["past"]),
            }
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StateCorruptError(f"{name} holds something that kmsplan has not written there", REMEDY) from error
