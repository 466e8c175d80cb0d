"""An opened local state: journal entries, and a new snapshot at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from kmsplan.state import durable, snapshot
from kmsplan.state.error import StateAccessError, StateMissingError, StateMovedError
from kmsplan.state.record import NO_STATE, Recorded
from kmsplan.state.snapshot import Snapshot
from kmsplan.state.writer import JournalWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from kmsplan.state.folder import Folder, Loaded
    from kmsplan.state.protocol import Held


class LocalWriting:
    """A state that is open for writing, under its lock. Closing flushes the journal; only `save` makes a snapshot."""

    def __init__(self, folder: Folder, lock: Held, *, clock: Callable[[], datetime], run: str) -> None:
        """Read the state.

        Raises:
            StateError: it is there, and cannot be read as it should.
        """
        self._folder = folder
        self._lock = lock
        self._clock = clock
        self._run = run
        self.recorded = NO_STATE
        self.written = 0
        self._journal: JournalWriter | None = None
        self._loaded: Loaded | None = None
        self._load()

    def _load(self) -> None:
        self._loaded = loaded = self._folder.load()
        if loaded is not None:
            self.recorded, self.written = loaded.recorded, loaded.serial
            self._journal = JournalWriter(
                self._folder.journal,
                kept=loaded.kept,
                check=loaded.check,
                sequence=loaded.sequence,
                base=loaded.recorded,
                lock=self._lock,
                run=self._run,
                clock=self._clock,
                codec=self._folder.codec,
            )

    @property
    def journal(self) -> JournalWriter:
        """The journal.

        Raises:
            StateMissingError: there is no state; `init` makes one.
        """
        if self._journal is None:
            raise StateMissingError(f"there is no state in {self._folder.path}", "Run `kmsplan apply` to make one.")
        return self._journal

    def init(self, lineage: str) -> None:
        """Make an empty state, where there is none yet.

        Raises:
            StateAccessError: it cannot be written.
        """
        if self._loaded is None:
            fresh = Recorded(lineage=lineage, serial=0, environment="")
            try:
                content = snapshot.encode(Snapshot(fresh, 0), self._folder.codec)
                durable.create(self._folder.snapshot, content, mark=self._mark)
            except OSError as error:
                raise self._unwritable(error) from error
            self._load()

    def save(self) -> Recorded:
        """Write a new snapshot, keep the one before it, put the journal away, and return what is recorded now.

        Nothing more can be written afterwards. Where nothing is newer than the snapshot, it stays.

        Raises:
            FenceError: the lock was broken.
            StateMovedError: somebody changed the snapshot without the lock.
            StateAccessError: it cannot be written; snapshot and journal before it are untouched.
        """
        writer, loaded = self.journal, self._loaded
        writer.flush()
        writer.close()
        recorded = writer.recorded()
        if loaded is not None and writer.sequence > loaded.folded:
            self._lock.check()
            self._check_unmoved(loaded)
            try:
                self._put(snapshot.encode(Snapshot(recorded, writer.sequence), self._folder.codec), loaded.serial)
            except OSError as error:
                self._lock.check()  # whoever broke the lock has taken the temporary file away
                raise self._unwritable(error) from error
        return recorded

    def _check_unmoved(self, loaded: Loaded) -> None:
        found = durable.stamp(self._folder.snapshot)
        if found != loaded.stamp:
            raise StateMovedError(
                f"{self._folder.snapshot} was {'changed' if found else 'removed'} during this run by something that "
                "does not hold the lock",
                f"What this run did is in {self._folder.journal}. Put serial {loaded.serial} back as it was (a backup, "
                "or version control), and run kmsplan again.",
            )

    def _put(self, content: bytes, serial: int) -> None:
        """Replace the snapshot. A crash between any two of these steps leaves a valid state."""
        folder = self._folder
        durable.keep(folder.snapshot, folder.history / f"{serial}.state.json")
        durable.replace(folder.snapshot, content, mark=self._mark, allowed=self._lock.check)
        folder.journal.rename(folder.history / f"{serial}.journal.jsonl")
        durable.sync_folder(folder.path)

    @property
    def _mark(self) -> str:
        return str(self._lock.fence)

    def _unwritable(self, error: OSError) -> StateAccessError:
        return StateAccessError(
            f"the snapshot {self._folder.snapshot} cannot be written: {error.strerror}",
            "Nothing is lost: the journal beside it holds what was done. Make space, or the folder writable, and run "
            "kmsplan again.",
        )

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
