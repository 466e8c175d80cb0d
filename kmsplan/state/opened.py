"""What every opened state does, wherever it is kept: it lends a journal, and makes a snapshot of it at the end."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from kmsplan.state import snapshot
from kmsplan.state.error import StateMissingError
from kmsplan.state.record import NO_STATE, Recorded
from kmsplan.state.snapshot import Snapshot
from kmsplan.state.writer import JournalWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from kmsplan.state.cipher import Codec
    from kmsplan.state.protocol import Held


class Opened(ABC):
    """A state that is open for writing, under its lock. Closing flushes the journal; only `save` makes a snapshot."""

    def __init__(self, place: str, lock: Held, *, clock: Callable[[], datetime], run: str, codec: Codec) -> None:
        """Prepare; `_load` reads.

        Args:
            place: where it is kept, for messages.
            lock: held.
            clock: the time now.
            run: a new id for this run.
            codec: seals snapshots and entries.
        """
        self._place = place
        self._lock = lock
        self._clock = clock
        self._run = run
        self._codec = codec
        self._journal: JournalWriter | None = None
        self._folded = 0
        """Sequence number of the last entry that the snapshot holds."""
        self.recorded = NO_STATE
        self.written = 0

    @abstractmethod
    def _load(self) -> None:
        """Read what is there, and begin its journal with `_begin`."""

    @abstractmethod
    def _create(self, content: bytes) -> None:
        """Keep the first snapshot, unless there is one."""

    @abstractmethod
    def _put(self, content: bytes) -> None:
        """Put a new snapshot in the place of the one that was read."""

    def _begin(
        self,
        path: Path,
        *,
        kept: bytes,
        check: str,
        sequence: int,
        base: Recorded,
        mirror: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        """Begin the journal; see `JournalWriter`."""
        self._journal = JournalWriter(
            path,
            kept=kept,
            check=check,
            sequence=sequence,
            base=base,
            lock=self._lock,
            run=self._run,
            clock=self._clock,
            codec=self._codec,
            mirror=mirror,
        )

    @property
    def journal(self) -> JournalWriter:
        """The journal.

        Raises:
            StateMissingError: there is no state; `init` makes one.
        """
        if self._journal is None:
            raise StateMissingError(f"there is no state in {self._place}", "Run `kmsplan apply` to make one.")
        return self._journal

    def init(self, lineage: str) -> None:
        """Make an empty state, where there is none yet.

        Raises:
            StateAccessError: it cannot be written.
        """
        if self._journal is None:
            fresh = Recorded(lineage=lineage, serial=0, environment="")
            self._create(snapshot.encode(Snapshot(fresh, 0), self._codec))
            self._load()

    def save(self, *, finished: bool = True) -> Recorded:
        """Put a new snapshot in the place of the one that was read, keep that one, and return what is recorded now.

        Nothing more can be written afterwards. Where nothing is newer than the snapshot, it stays. What a run that is
        not finished was allowed to delete is kept in it, for the run that finishes it.

        Raises:
            FenceError: the lock was taken.
            StateMovedError: somebody changed the snapshot without it.
            StateAccessError: it cannot be written; snapshot and journal before it are untouched.
        """
        writer = self.journal
        writer.flush()
        writer.close()
        recorded = writer.recorded()
        if finished:
            recorded = dataclasses.replace(recorded, unfinished=None)
        if writer.sequence > self._folded:
            self._lock.check()
            self._put(snapshot.encode(Snapshot(recorded, writer.sequence), self._codec))
        return recorded

    def close(self) -> None:
        """Flush the journal, unless writing it has failed, and close it."""
        if self._journal is not None:
            try:
                if not self._journal.failed:
                    self._journal.flush()
            finally:
                self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
