"""An opened local state: journal entries, and a new snapshot at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.state import durable
from kmsplan.state.error import StateAccessError, StateMovedError
from kmsplan.state.opened import Opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from kmsplan.state.folder import Folder, Loaded
    from kmsplan.state.protocol import Held


class LocalWriting(Opened):
    """A state folder that is open for writing, under its lock."""

    def __init__(self, folder: Folder, lock: Held, *, clock: Callable[[], datetime], run: str) -> None:
        """Read the state.

        Raises:
            StateError: it is there, and cannot be read as it should.
        """
        super().__init__(str(folder.path), lock, clock=clock, run=run, codec=folder.codec)
        self._folder = folder
        self._loaded: Loaded | None = None
        self._load()

    def _load(self) -> None:
        self._loaded = loaded = self._folder.load()
        if loaded is not None:
            self.recorded, self.written, self._folded = loaded.recorded, loaded.serial, loaded.folded
            self._begin(
                self._folder.journal,
                kept=loaded.kept,
                check=loaded.check,
                sequence=loaded.sequence,
                base=loaded.recorded,
            )

    def _create(self, content: bytes) -> None:
        try:
            durable.create(self._folder.snapshot, content, mark=self._mark)
        except OSError as error:
            raise self._unwritable(error) from error

    def _put(self, content: bytes) -> None:
        """Replace the snapshot. A crash between any two of these steps leaves a valid state."""
        if (loaded := self._loaded) is None:
            return
        self._check_unmoved(loaded)
        folder, serial = self._folder, loaded.serial
        try:
            durable.keep(folder.snapshot, folder.history / f"{serial}.state.json")
            durable.replace(folder.snapshot, content, mark=self._mark, allowed=self._lock.check)
            folder.journal.rename(folder.history / f"{serial}.journal.jsonl")
            durable.sync_folder(folder.path)
        except OSError as error:
            self._lock.check()  # whoever broke the lock has taken the temporary file away
            raise self._unwritable(error) from error

    def _check_unmoved(self, loaded: Loaded) -> None:
        found = durable.stamp(self._folder.snapshot)
        if found != loaded.stamp:
            raise StateMovedError(
                f"{self._folder.snapshot} was {'changed' if found else 'removed'} during this run by something that "
                "does not hold the lock",
                f"What this run did is in {self._folder.journal}. Put serial {loaded.serial} back as it was (a backup, "
                "or version control), and run kmsplan again.",
            )

    @property
    def _mark(self) -> str:
        return str(self._lock.fence)

    def _unwritable(self, error: OSError) -> StateAccessError:
        return StateAccessError(
            f"the snapshot {self._folder.snapshot} cannot be written: {error.strerror}",
            "Nothing is lost: the journal beside it holds what was done. Make space, or the folder writable, and run "
            "kmsplan again.",
        )
