"""Who holds a lock: what the lock file says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

SIZE: Final = 4096
"""Bytes of a lock file. Always the same, so that a heartbeat is one write in place that needs no space on the disk."""
_TEXT_LIMIT: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """One holding of a lock."""

    id: str
    owner: str
    """user@host."""
    pid: int
    """0 where it is not told."""
    command: str
    acquired: datetime
    heartbeat: datetime
    fence: int
    """Counts the holdings of this lock; it only grows."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Holder:
        """Read a holder as it is written down.

        Raises:
            KeyError, TypeError, ValueError: it has another form.
        """
        return cls(
            id=values["id"],
            owner=values["owner"],
            pid=values["pid"],
            command=values["command"],
            acquired=datetime.fromisoformat(values["acquired"]),
            heartbeat=datetime.fromisoformat(values["heartbeat"]),
            fence=values["fence"],
        )

    def members(self) -> dict[str, Any]:
        """Return it as JSON has it, for `of`."""
        return {
            "id": self.id,
            "owner": self.owner[:_TEXT_LIMIT],
            "pid": self.pid,
            "command": self.command[:_TEXT_LIMIT],
            "acquired": self.acquired.isoformat(),
            "heartbeat": self.heartbeat.isoformat(),
            "fence": self.fence,
        }

    def __str__(self) -> str:
        return (
            f"{self.owner}{f', pid {self.pid}' if self.pid else ''}, since {self.acquired:%Y-%m-%d %H:%M:%S} UTC, "
            f"last heartbeat {self.heartbeat:%H:%M:%S}, command {self.command!r}, lock id {self.id}"
        )


@dataclass(frozen=True, slots=True)
class LockFile:
    """The content of a lock file: the number of the last holding, and its holder while there is one."""

    fence: int
    holder: Holder | None

    def encode(self) -> bytes:
        """Return exactly `SIZE` bytes: one line of JSON."""
        members = self.holder.members() if self.holder is not None else {}
        content = {**members, "fence": self.fence}
        return orjson.dumps(content)[: SIZE - 1].ljust(SIZE - 1) + b"\n"

    @classmethod
    def decode(cls, content: bytes) -> LockFile:
        """Read a lock file; one that cannot be read names no holder and starts the count again.

        That is harmless: a lock is held by flock and recognised by its inode, never by this content.
        """
        try:
            values = orjson.loads(content)
            fence = int(values["fence"])
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            return cls(0, None)
        try:
            return cls(fence, Holder.of(values))
        except (KeyError, TypeError, ValueError):
            return cls(fence, None)
