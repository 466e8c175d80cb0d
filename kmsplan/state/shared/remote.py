"""What a remote place for states does: one snapshot, the journal since, and a lease on both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kmsplan.state.holder import Holder
    from kmsplan.state.recoding import Recoding


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A state as it is kept there, of one moment."""

    snapshot: bytes
    journal: bytes
    """Of the run under way, or of one that was interrupted; as much of it as the place is sent."""
    version: str
    """Another one with every snapshot."""
    elsewhere: Holder | None = None
    """Whose run's journal is on its machine alone; None where there is no such run, or the journal is here."""


@dataclass(frozen=True, slots=True)
class Leased:
    """Who has the lease."""

    holder: Holder
    age: float | None
    """Seconds since the last heartbeat, by the place's own clock; None where the place knows no heartbeats."""


class ClaimedError(Exception):
    """Somebody else has the lease."""

    def __init__(self, holder: Holder | None) -> None:
        self.holder = holder
        super().__init__("claimed")


class Remote(Protocol):
    """One state's place. Safe to call from several threads.

    Every method raises StateAccessError where the place cannot be reached or refuses; those that take a holder raise
    FenceError where its lease was taken by another.
    """

    @property
    def name(self) -> str:
        """Names the place in messages and without secrets; the same on every machine."""

    @property
    def expires(self) -> bool:
        """Whether the lease of a holder that is silent runs out."""

    def read(self) -> Copy | None:
        """Return the state; None where there is none."""

    def create(self, snapshot: bytes) -> None:
        """Keep the first snapshot, unless there is one."""

    def claim(self, holder: Holder, dead: str | None) -> Holder:
        """Take the lease where it is free, has run out, or is of the holder with the id `dead`.

        Returns:
            The holder with its fence number.

        Raises:
            ClaimedError: somebody else has it.
        """

    def beat(self, holder: Holder) -> None:
        """Show that the holder is alive."""

    def release(self, holder: Holder) -> None:
        """Give the lease back."""

    def leased(self) -> Leased | None:
        """Return who has the lease."""

    def evict(self, leased: Leased) -> None:
        """Take the lease from somebody."""

    def append(self, holder: Holder, lines: bytes) -> None:
        """Keep whole lines of the journal, after those that are there."""

    def replace(self, holder: Holder, before: Copy, snapshot: bytes, journal: bytes, serial: int) -> Copy:
        """Put a new snapshot in the place of the one that was read, and both that and the journal into the history.

        Args:
            holder: Who writes.
            before: What was read.
            snapshot: The new one.
            journal: The whole of what led there.
            serial: Of the one that was read.

        Returns:
            What is there now.

        Raises:
            StateMovedError: another one is there than was read.
        """

    def rewrite(self, holder: Holder, before: Copy, recoding: Recoding) -> str:
        """Put every part that is kept through a recoding, and all of them in place at once; see `Recoding`.

        Cut off anywhere, everything is as it was, or everything is as it is to be; the same call finishes it.

        Args:
            holder: Who writes.
            before: What was read; there is no journal in it.
            recoding: Gets each part once.

        Returns:
            Where the place may still have what was there before, out of reach, and what to do about it.

        Raises:
            StateMovedError: another snapshot is there than was read.
            StateError: a part is not what kmsplan wrote; nothing was changed.
        """

    def numbers(self) -> list[int]:
        """Return the serials of which a snapshot is kept, the oldest first."""

    def snapshot_of(self, serial: int) -> bytes | None:
        """Return a kept snapshot; None where there is none with this number."""

    def head_of(self, serial: int) -> bytes | None:
        """Return the first bytes of a kept snapshot, at least `snapshot.HEAD_SIZE` where it has so many."""

    def journal_of(self, serial: int) -> bytes | None:
        """Return the journal that led away from a kept serial; None where there is none."""
