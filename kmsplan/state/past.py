"""The serials of a state: each can be read again, and says who made it, when and how; whatever store keeps them.

A run that was interrupted has made a serial that got no snapshot of its own: it is in the journal that leads from the
snapshot before it to the next one, and is read from there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kmsplan.state import folding, journal, snapshot
from kmsplan.state.error import StateCorruptError, StateKeyError, StateMissingError
from kmsplan.state.snapshot import Snapshot

if TYPE_CHECKING:
    from kmsplan.state.cipher import Codec
    from kmsplan.state.record import Made, Recorded

_SHOWN: Final = 20
"""So many serials are named in a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serial:
    """One serial of a state."""

    number: int
    made: Made | None
    """None where no run has made it, or an old one, or it cannot be read."""
    readable: bool = True
    """False where it is under another key than the state is now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """What is recorded now, and how it is kept."""

    recorded: Recorded
    """With the journal folded in."""
    snapshot: bytes
    journal: bytes
    """Since that snapshot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A state and what is kept of it, as bytes."""

    name: str
    """Where it is, for messages."""
    remedy: str
    """What to do about a damaged part."""
    codec: Codec
    lineage: str
    current: Callable[[], Current]
    """Read when it is needed."""
    numbers: Sequence[int]
    """The earlier serials of which a snapshot is kept, the oldest first."""
    snapshot_of: Callable[[int], bytes | None]
    head_of: Callable[[int], bytes | None]
    """The beginning of a kept snapshot, or all of it."""
    journal_of: Callable[[int], bytes | None]
    """The journal that led away from a kept snapshot."""


class Archived(ABC):
    """What every store does alike with the serials that it keeps."""

    @property
    @abstractmethod
    def place(self) -> str:
        """Where the state is kept, for messages."""

    @abstractmethod
    def _archive(self) -> Archive | None:
        """Return the state and what is kept of it; None where there is no state."""

    def history(self) -> list[Serial]:
        """Return every serial, the current one last.

        Raises:
            StateError: one of them cannot be read as it should.
        """
        return serials(self._archive())

    def load_serial(self, serial: int) -> Recorded:
        """Read an earlier serial, or the current one by its number.

        Raises:
            StateMissingError: there is none with this number.
            StateError: it cannot be read as it should.
        """
        return load_serial(self._archive(), serial, self.place)


def serials(archive: Archive | None) -> list[Serial]:
    """Return every serial, the current one last; none where there is no state.

    Raises:
        StateError: one of them cannot be read as it should.
    """
    if archive is None:
        return []
    current = archive.current()
    saved = _saved(archive, current)
    last = saved.recorded.serial
    numbers = [number for number in archive.numbers if number < last]
    found: list[Serial] = []
    for number, following in zip(numbers, [*numbers[1:], last], strict=False):
        found += _kept(archive, number, following)
    if current.recorded.serial > last:
        unsaved = _following(archive, saved, current.journal, "the journal")
        found += [_listed(each) for each in (saved.recorded, *unsaved) if each.serial < current.recorded.serial]
    return [*found, _listed(current.recorded)]


def _kept(archive: Archive, number: int, following: int) -> Iterator[Serial]:
    """Yield a serial that is kept, and those that its journal led to up to the next one that is."""
    try:
        yield Serial(number=number, made=_made(archive, number))
        if following > number + 1:
            yield from (_listed(each) for each in _between(archive, number) if each.serial < following)
    except StateKeyError:
        yield Serial(number=number, made=None, readable=False)


def load_serial(archive: Archive | None, serial: int, place: object) -> Recorded:
    """Read one serial, the current one among them.

    Raises:
        StateMissingError: there is none with this number, or no state in `place` at all.
        StateError: it cannot be read as it should.
    """
    if archive is None:
        raise StateMissingError(f"there is no state in {place}", "Run `kmsplan apply` to make one.")
    if serial in archive.numbers:
        return _earlier(archive, serial).recorded
    current = archive.current()
    if serial == current.recorded.serial:
        return current.recorded
    for each in _candidates(archive, current, serial):
        if each.serial == serial:
            return each
    known = [str(each.number) for each in serials(archive)][-_SHOWN:]
    raise StateMissingError(f"there is no serial {serial} in {archive.name}", f"These are there: {', '.join(known)}.")


def _listed(recorded: Recorded) -> Serial:
    return Serial(number=recorded.serial, made=recorded.made)


def _candidates(archive: Archive, current: Current, serial: int) -> Iterator[Recorded]:
    """Yield what the journal of the newest kept snapshot before `serial` led to, then the current one and its own."""
    before = [number for number in archive.numbers if number <= serial]
    if before:
        yield from _between(archive, before[-1])
    saved = _saved(archive, current)
    yield saved.recorded
    yield from _following(archive, saved, current.journal, "the journal")


def _saved(archive: Archive, current: Current) -> Snapshot:
    """Return the current snapshot; without a journal since, that is what is recorded."""
    if not current.journal:
        return Snapshot(current.recorded, 0)
    return _decode(archive, current.snapshot, "the snapshot")


def _between(archive: Archive, number: int) -> Iterator[Recorded]:
    """Yield the serials that the journal after a kept snapshot led to."""
    found = archive.journal_of(number)
    if found is not None:
        yield from _following(archive, _earlier(archive, number), found, f"the journal after serial {number}")


def _following(archive: Archive, base: Snapshot, content: bytes, what: str) -> Iterator[Recorded]:
    path = Path(f"{archive.name}: {what}")
    found = journal.read(content, path=path, lineage=base.recorded.lineage, codec=archive.codec)
    newer = (entry for entry in found.entries if entry.sequence > base.journal_sequence)
    return folding.serials(base.recorded, newer)


def _earlier(archive: Archive, number: int) -> Snapshot:
    content = archive.snapshot_of(number)
    if content is None:
        raise StateMissingError(f"{archive.name}: serial {number} is gone", archive.remedy)
    found = _decode(archive, content, f"serial {number}")
    if found.recorded.serial != number or found.recorded.lineage != archive.lineage:
        raise StateCorruptError(
            f"{archive.name}: what is kept as serial {number} is serial {found.recorded.serial} of the state "
            f"{found.recorded.lineage}: it was renamed, or copied there",
            archive.remedy,
        )
    return found


def _decode(archive: Archive, content: bytes, what: str) -> Snapshot:
    path = Path(f"{archive.name}: {what}")
    return snapshot.decode(content, path=path, remedy=archive.remedy, codec=archive.codec)


def _made(archive: Archive, number: int) -> Made | None:
    """Read as little as tells it: records are by far the largest part of a snapshot."""
    if archive.codec.key_id is None:
        head = archive.head_of(number)
        if head is not None and snapshot.has_head(head):
            return snapshot.made(head, path=Path(archive.name), remedy=archive.remedy)
    content = archive.snapshot_of(number)
    if content is None:
        raise StateMissingError(f"{archive.name}: serial {number} is gone", archive.remedy)
    path = Path(f"{archive.name}: serial {number}")
    return snapshot.made(content, path=path, remedy=archive.remedy, codec=archive.codec)
