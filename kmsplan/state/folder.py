"""A state folder as it is read: kmsplan.state.json, journal.jsonl and history/.

1. The snapshot is replaced atomically, and is always there once the state has been made.
2. Reading takes the journal before the snapshot: a snapshot written in between is newer and says, by
   `journal_sequence`, which entries it already holds. So readers need no lock, and a crash between writing a snapshot
   and putting its journal away loses nothing.
3. Nothing is ever taken for "no state" but the absence of snapshot, journal and history together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from kmsplan.state import durable, journal, snapshot
from kmsplan.state.cipher import PLAIN
from kmsplan.state.error import StateCorruptError, StateMissingError
from kmsplan.state.folding import fold

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.state.cipher import Codec
    from kmsplan.state.entry import Entry
    from kmsplan.state.record import Recorded

_SERIAL: Final = re.compile(r"([0-9]+)\.state\.json")
_SHOWN: Final = 5
"""So many earlier serials are named in a message."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An earlier serial."""

    serial: int
    path: Path
    written: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The state as it is on disk, and what a writer must know to go on."""

    recorded: Recorded
    serial: int
    """Of the snapshot alone."""
    stamp: durable.Stamp
    """Of the snapshot's file."""
    folded: int
    """Sequence number of the last entry that the snapshot holds."""
    sequence: int
    """Sequence number of the last entry."""
    kept: bytes
    """The journal's whole lines."""
    check: str
    """Of the last of them, or the lineage."""


class Folder:
    """One state folder."""

    def __init__(self, path: Path, codec: Codec = PLAIN) -> None:
        self.path = path
        self.codec = codec
        self.snapshot = path / "kmsplan.state.json"
        self.journal = path / "journal.jsonl"
        self.lock = path / "kmsplan.lock"
        self.history = path / "history"

    def load(self) -> Loaded | None:
        """Read snapshot and journal; None where there is no state.

        Raises:
            StateError: it is there, and cannot be read as it should.
        """
        found = durable.read(self.journal)
        entries = found.content if found else b""
        file = durable.read(self.snapshot)
        if file is None:
            self._check_absent(journal_exists=found is not None)
            return None
        base = snapshot.decode(file.content, path=self.snapshot, remedy=self.remedy(), codec=self.codec)
        reading = journal.read(entries, path=self.journal, lineage=base.recorded.lineage, codec=self.codec)
        newer = self._newer(reading.entries, base.journal_sequence)
        return Loaded(
            recorded=fold(base.recorded, newer) if newer else base.recorded,
            serial=base.recorded.serial,
            stamp=file.stamp,
            folded=base.journal_sequence,
            sequence=newer[-1].sequence if newer else base.journal_sequence,
            kept=entries[: reading.length],
            check=reading.check,
        )

    def _check_absent(self, *, journal_exists: bool) -> None:
        """Raise unless there is nothing that a state leaves behind."""
        found = [self.journal] if journal_exists else []
        found += [kept.path for kept in self.kept()]
        if found:
            raise StateMissingError(
                f"{self.snapshot} is missing, but {found[-1]} is there: this is a lost state, not a new one",
                self.remedy(),
            )

    def _newer(self, entries: tuple[Entry, ...], folded: int) -> tuple[Entry, ...]:
        """Return the entries that the snapshot does not hold yet.

        Raises:
            StateCorruptError: some between the snapshot and the journal are missing.
        """
        if entries and entries[0].sequence > folded + 1:
            raise StateCorruptError(
                f"{self.journal} begins with entry {entries[0].sequence}, but {self.snapshot.name} ends with entry "
                f"{folded}: the two do not belong together",
                "One of them is older than the other. Put the newest snapshot back, or the journals from "
                f"{self.history} that stand between them.",
            )
        if not entries or entries[-1].sequence <= folded:
            return ()
        return entries[folded + 1 - entries[0].sequence :]

    def kept(self) -> list[Kept]:
        """Return the earlier serials, the oldest first."""
        found = [
            Kept(int(match[1]), path, datetime.fromtimestamp(path.stat().st_mtime, UTC))
            for path in durable.names(self.history)
            if (match := _SERIAL.fullmatch(path.name))
        ]
        return sorted(found, key=lambda kept: kept.serial)

    def remedy(self) -> str:
        """Return what to do about a lost or damaged snapshot."""
        serials = [str(kept.serial) for kept in self.kept()]
        earlier = (
            f"Earlier serials ({', '.join(serials[-_SHOWN:])}) are in {self.history}: copy N.state.json back as "
            f"{self.snapshot.name} and N.journal.jsonl as {self.journal.name}"
            if serials
            else f"There is no earlier serial in {self.history}: restore the file from a backup"
        )
        return (
            "kmsplan does not take this for a missing state, because it would plan to create every key again. "
            f"{earlier}, or recreate the state from the KMS with `kmsplan state rebuild`."
        )
