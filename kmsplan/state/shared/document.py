"""The one document that a state server keeps: a snapshot, who is running, and the newest serials before it.

`version`, `serial` and `lineage` stand where servers for Terraform's states look for them: GitLab names its versions
after `serial` and takes none twice, so that it counts writes here; the state's own serial is in the snapshot.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from kmsplan.state.error import StateCorruptError, StateVersionError
from kmsplan.state.holder import Holder
from kmsplan.state.shared.folded import REMEDY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmsplan.state.recoding import Recoding

FORMAT: Final = 1
_TERRAFORM: Final = 4
"""The version of Terraform's form of states, which servers may look for."""
_KEPT: Final = 20
_KEPT_BYTES: Final = 1 << 20
"""So many earlier serials at most, and so many bytes of them; the server may keep more versions of the whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A serial before the current one."""

    serial: int
    snapshot: str
    """Compressed, in Base64; so is the journal that led away from it."""
    journal: str

    @classmethod
    def of(cls, serial: int, snapshot: bytes, journal: bytes) -> Past:
        """Return what is kept of a serial."""
        return cls(serial=serial, snapshot=_packed(snapshot), journal=_packed(journal))

    def recoded(self, recoding: Recoding, name: str) -> Past:
        """Return it as it is to be kept: the same one where that is as it is kept now.

        Args:
            recoding: gets both parts.
            name: of the place, for messages.

        Raises:
            StateError: it is not what kmsplan wrote.
        """
        found = unpacked(self.snapshot), unpacked(self.journal)
        after = recoding.serial(*found, name=name, number=self.serial)
        return self if after == found else Past.of(self.serial, *after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What the server keeps."""

    writes: int
    """How often it was written."""
    fence: int
    """The highest number of a lock's holding that has written."""
    snapshot: bytes
    running: Holder | None = None
    """Whose run has begun and not ended; its journal is on its machine."""
    past: tuple[Past, ...] = ()

    def following(self, *, fence: int, **changes: Any) -> Document:
        """Return the document that is written after this one."""
        return replace(self, writes=self.writes + 1, fence=max(self.fence, fence), **changes)

    def encode(self) -> bytes:
        """Return the text."""
        return orjson.dumps(
            {
                "version": _TERRAFORM,
                "serial": self.writes,
                "lineage": orjson.loads(self.snapshot)["lineage"],
                "kmsplan": {
                    "format": FORMAT,
                    "fence": self.fence,
                    "running": self.running.members() if self.running else None,
                    "snapshot": self.snapshot.decode(),
                    "past": _limited(self.past),
                },
            }
        )


def decode(content: bytes, name: str) -> Document:
    """Read a document.

    Args:
        content: what the server keeps.
        name: of the place, for messages.

    Raises:
        StateCorruptError: kmsplan did not write it.
        StateVersionError: a newer kmsplan did.
    """
    try:
        values = orjson.loads(content)
        inner = values["kmsplan"]
        if inner["format"] > FORMAT:
            raise StateVersionError(
                f"{name} has format {inner['format']}; this version of kmsplan knows formats up to {FORMAT}",
                "A newer kmsplan wrote it. Use that version; nothing was changed.",
            )
        return Document(
            writes=values["serial"],
            fence=inner["fence"],
            snapshot=inner["snapshot"].encode(),
            running=Holder.of(inner["running"]) if inner["running"] else None,
            past=tuple(Past(**past) for past in inner["past"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StateCorruptError(f"{name} holds something that kmsplan has not written there", REMEDY) from error


def unpacked(text: str) -> bytes:
    """Return what a part of the past was made from."""
    return zlib.decompress(base64.b64decode(text))


def _packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content)).decode()


def _limited(past: Sequence[Past]) -> list[Past]:
    """Return the newest ones within the limits, the oldest first."""
    found: list[Past] = []
    size = 0
    for each in reversed(past[-_KEPT:]):
        size += len(each.snapshot) + len(each.journal)
        if size > _KEPT_BYTES:
            break
        found.append(each)
    return found[::-1]
