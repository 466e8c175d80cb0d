"""Who holds a lock: what the lock file says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

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
    command: str
    acquired: datetime
    heartbeat: datetime
    fence: int
    """Counts the holdings of this lock; it only grows."""

    def __str__(self) -> str:
        return (
            f"{self.owner}, pid {self.pid}, since {self.acquired:%Y-%m-%d %H:%M:%S} UTC, "
            f"last heartbeat {self.heartbeat:%H:%M:%S}, command {self.command!r}, lock id {self.id}"
        )


@dataclass(frozen=True, slots=True)
class LockFile:
    """The content of a lock file: the number of the last holding, and its holder while there is one."""

    fence: int
    holder: Holder | None

    def encode(self) -> bytes:
        """Return exactly `SIZE` bytes: one line of JSON."""
        holder = self.holder
        content: dict[str, Any] = {"fence": self.fence}
        if holder is not None:
            content |= {
                "id": holder.id,
                "owner": holder.owner[:_TEXT_LIMIT],
                "pid": holder.pid,
                "command": holder.command[:_TEXT_LIMIT],
                "acquired": holder.acquired,
                "heartbeat": holder.heartbeat,
            }
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
            return cls(fence, _holder(values))
        except (KeyError, TypeError, ValueError):
            return cls(fence, None)


def _holder(values: dict[str, Any]) -> Holder:
    return Holder(
        id=values["id"],
        owner=values["owner"],
        pid=values["pid"],
        command=values["command"],
        acquired=datetime.fromisoformat(values["acquired"]),
        heartbeat=datetime.fromisoformat(values["heartbeat"]),
        fence=values["fence"],
    )
