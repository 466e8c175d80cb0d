"""The parts of a state on their way to another key: which key each is under, and what it is under the other one.

Every part says itself which key it is under, so that a rekey never asks what was done before: it takes what is not
under the new key yet. A part under a key that nobody has named stays as it is, and is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from kmsplan.state import journal, snapshot
from kmsplan.state.cipher import key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmsplan.state.cipher import Codec


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A part that stays as it was."""

    name: str
    key: str | None
    """Id of the key that it is under; None where it is plain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rekeyed:
    """What a rekey has done."""

    changed: int
    """So many snapshots and journals are under another key than before."""
    left: tuple[Left, ...] = ()
    """Under a key that was not named."""
    gone: tuple[int, ...] = ()
    """Earlier serials that the place has no room for any more, now that they are encrypted."""
    beyond: str = ""
    """Where the place itself may still have what was there before, and what to do about it."""


class Recoding:
    """Puts the parts of one state under another codec, and keeps count of them.

    Args:
        before: how parts may be kept now.
        after: how they are to be kept.
        lineage: of the state.
        remedy: what to do about a damaged part.
    """

    def __init__(self, before: Sequence[Codec], after: Codec, *, lineage: str, remedy: str) -> None:
        self._before = tuple(before)
        self._after = after
        self._lineage = lineage
        self._remedy = remedy
        self.changed = 0
        self.left: list[Left] = []

    def snapshot(self, content: bytes, path: Path) -> bytes:
        """Return a snapshot as it is to be kept: the very same object where that is as it is kept now.

        Raises:
            StateError: it is not what kmsplan wrote.
        """
        if (codec := self._codec(content, path)) is None:
            return content
        recoded = snapshot.recode(content, path=path, remedy=self._remedy, before=codec, after=self._after)
        self.changed += 1
        return recoded

    def journal(self, content: bytes, path: Path) -> bytes:
        """Return a journal as it is to be kept, as `snapshot` does; one without a line is under any key."""
        if not content.strip() or (codec := self._codec(content, path)) is None:
            return content
        recoded = journal.recode(content, path=path, lineage=self._lineage, before=codec, after=self._after)
        self.changed += 1
        return recoded

    def serial(self, snapshot: bytes, journal: bytes, *, name: str, number: int) -> tuple[bytes, bytes]:
        """Return an earlier serial and the journal that led away from it as they are to be kept, as `snapshot` does.

        Args:
            snapshot: of the serial.
            journal: as it is kept with it.
            name: of the place, for messages.
            number: of the serial.
        """
        path = Path(f"{name}: serial {number}")
        return self.snapshot(snapshot, path), self.journal(journal, Path(f"{name}: the journal after serial {number}"))

    def _codec(self, content: bytes, path: Path) -> Codec | None:
        """Return what opens a part, or else says what is wrong with it; None where it stays."""
        try:
            key = _key(content)
        except orjson.JSONDecodeError:
            return self._before[0]
        if key == self._after.key_id:
            return None
        found = next((codec for codec in self._before if codec.key_id == key), None)
        if found is None:
            self.left.append(Left(name=str(path), key=key))
        return found


def codec_for(content: bytes, codecs: Sequence[Codec]) -> Codec:
    """Return the codec that a snapshot says it is under; the last one, which says what is wrong with it, for none."""
    try:
        key = _key(content)
    except orjson.JSONDecodeError:
        return codecs[-1]
    return next((codec for codec in codecs if codec.key_id == key), codecs[-1])


def _key(content: bytes) -> Any:
    """Return the id of the key that a snapshot is under, or a journal by its first line; None where it is plain."""
    line = content.partition(b"\n")[0] if content.startswith(b'{"') else content
    document = orjson.loads(line)
    return key_of(document) if isinstance(document, dict) else None
