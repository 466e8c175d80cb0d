"""An opened shared state: journal entries on this machine and at the remote place, and a new snapshot at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from kmsplan.state import snapshot
from kmsplan.state.error import StateMissingError, UnfinishedRunError
from kmsplan.state.record import NO_STATE, Recorded
from kmsplan.state.shared.folded import fold_copy
from kmsplan.state.snapshot import Snapshot
from kmsplan.state.writer import JournalWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from kmsplan.state.cipher import Codec
    from kmsplan.state.protocol import Held
    from kmsplan.state.shared.remote import Copy, Remote
    from kmsplan.state.shared.workspace import Workspace


class SharedWriting:
    """A shared state that is open for writing, under its lease."""

    def __init__(
        self,
        remote: Remote,
        workspace: Workspace,
        lease: Held,
        *,
        clock: Callable[[], datetime],
        run: str,
        codec: Codec,
    ) -> None:
        """Read the state, and keep what an interrupted run has left as a snapshot.

        Raises:
            UnfinishedRunError: its journal is on another machine alone.
            StateError: it is there, and cannot be read or written as it should.
        """
        self._remote = remote
        self._workspace = workspace
        self._lease = lease
        self._clock = clock
        self._run = run
        self._codec = codec
        self._copy: Copy | None = None
        self._folded = 0
        """Sequence number of the last entry that the snapshot holds."""
        self._serial = 0
        """Of the snapshot."""
        self._journal: JournalWriter | None = None
        self.recorded = NO_STATE
        self.written = 0
        self._load()

    def _load(self) -> None:
        self._copy = copy = self._remote.read()
        if copy is None:
            return
        local = self._workspace.read(copy.snapshot)
        folded = fold_copy(copy, local, name=self._remote.name, codec=self._codec)
        if copy.elsewhere is not None and copy.elsewhere.fence != folded.fence:
            raise UnfinishedRunError.of(self._remote.name, copy.elsewhere)
        self._workspace.set_aside(copy.snapshot)
        if folded.journal or copy.elsewhere is not None:
            copy = self._replace(copy, Snapshot(folded.recorded, folded.sequence), folded.journal, folded.serial)
        self._copy, self.recorded, self.written = copy, folded.recorded, folded.serial
        self._folded, self._serial = folded.sequence, folded.recorded.serial
        self._journal = JournalWriter(
            self._workspace.journal(copy.snapshot),
            kept=b"",
            check=folded.recorded.lineage,
            sequence=folded.sequence,
            base=folded.recorded,
            lock=self._lease,
            run=self._run,
            clock=self._clock,
            codec=self._codec,
            mirror=self._mirror,
        )

    def _mirror(self, lines: bytes) -> None:
        self._remote.append(self._lease.holder, lines)
        self._lease.check()  # this process may have slept until the answer came, and an operation follows

    def _replace(self, before: Copy, after: Snapshot, journal: bytes, serial: int) -> Copy:
        """Put a new snapshot in the place of one, and only then forget the journal that led there."""
        content = snapshot.encode(after, self._codec)
        self._lease.check()
        copy = self._remote.replace(self._lease.holder, before, content, journal, serial)
        self._workspace.forget(before.snapshot)
        return copy

    @property
    def journal(self) -> JournalWriter:
        """The journal.

        Raises:
            StateMissingError: there is no state; `init` makes one.
        """
        if self._journal is None:
            raise StateMissingError(f"there is no state in {self._remote.name}", "Run `kmsplan apply` to make one.")
        return self._journal

    def init(self, lineage: str) -> None:
        """Make an empty state, where there is none yet.

        Raises:
            StateAccessError: it cannot be written.
        """
        if self._copy is None:
            fresh = Recorded(lineage=lineage, serial=0, environment="")
            self._remote.create(snapshot.encode(Snapshot(fresh, 0), self._codec))
            self._load()

    def save(self) -> Recorded:
        """Put a new snapshot in the place of the one that was read, and return what is recorded now.

        Nothing more can be written afterwards. Where nothing is newer than the snapshot, it stays.

        Raises:
            FenceError: the lease was taken.
            StateMovedError: somebody changed the snapshot without it.
            StateAccessError: it cannot be written; the next run here keeps what is in this machine's journal.
        """
        writer, copy = self.journal, self._copy
        writer.flush()
        writer.close()
        recorded = writer.recorded()
        if copy is not None and writer.sequence > self._folded:
            lines = self._workspace.read(copy.snapshot)
            self._replace(copy, Snapshot(recorded, writer.sequence), lines, self._serial)
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
