"""A shared state as it is read: the snapshot there, and the journal from wherever most of it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kmsplan.state import journal, snapshot
from kmsplan.state.error import StateCorruptError
from kmsplan.state.folding import fold

if TYPE_CHECKING:
    from kmsplan.state.cipher import Codec
    from kmsplan.state.record import Recorded
    from kmsplan.state.shared.remote import Copy


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A state with everything folded in, and what a writer must know to go on."""

    recorded: Recorded
    serial: int
    """Of the snapshot alone."""
    sequence: int
    """Sequence number of the last entry."""
    journal: bytes
    """The whole lines that were folded in."""
    fence: int
    """Of the run that wrote the last of them; 0 where there is none."""


def fold_copy(copy: Copy, local: bytes, *, name: str, codec: Codec) -> Folded:
    """Fold a state.

    Args:
        copy: What the remote place keeps.
        local: The journal that this machine keeps for the same snapshot. It is the longer one where the place failed
            in the middle of a run here, and the shorter one where another machine has gone on.
        name: Of the place, for messages.
        codec: Opens what is kept.

    Raises:
        StateError: something is not as kmsplan wrote it.
    """
    base = snapshot.decode(copy.snapshot, path=Path(f"{name}: the snapshot"), remedy=REMEDY, codec=codec)
    lines = local if local.startswith(copy.journal) else copy.journal
    place = Path(f"{name}: the journal")
    reading = journal.read(lines, path=place, lineage=base.recorded.lineage, codec=codec)
    entries = reading.entries
    if entries and entries[0].sequence != base.journal_sequence + 1:
        raise StateCorruptError(
            f"{place} begins with entry {entries[0].sequence}, but the snapshot ends with entry "
            f"{base.journal_sequence}: the two do not belong together",
            REMEDY,
        )
    return Folded(
        recorded=fold(base.recorded, entries) if entries else base.recorded,
        serial=base.recorded.serial,
        sequence=entries[-1].sequence if entries else base.journal_sequence,
        journal=lines[: reading.length],
        fence=entries[-1].fence if entries else 0,
    )


REMEDY = (
    "kmsplan does not take this for a missing state, because it would plan to create every key again. Put back what "
    "was there before (a backup of the store, or an earlier serial), or recreate the state from the KMS with `kmsplan "
    "state rebuild`."
)
