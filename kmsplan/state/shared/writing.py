"""An opened shared state: journal entries on this machine and at the remote place, and a new snapshot at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.state import snapshot
from kmsplan.state.error import UnfinishedRunError
from kmsplan.state.opened import Opened
from kmsplan.state.shared.folded import fold_copy
from kmsplan.state.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from kmsplan.state.cipher import Codec
    from kmsplan.state.protocol import Held
    from kmsplan.state.shared.remote import Copy, Remote
    from kmsplan.state.shared.workspace import Workspace


class SharedWriting(Opened):
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
        super().__init__(remote.name, lease, clock=clock, run=run, codec=codec)
        self._remote = remote
        self._workspace = workspace
        self._copy: Copy | None = None
        self._serial = 0
        """Of the snapshot."""
        workspace.clear()
        self._load()

    def _load(self) -> None:
        copy = self._remote.read()
        if copy is None:
            return
        local = self._workspace.read(copy.snapshot)
        folded = fold_copy(copy, local, name=self._remote.name, codec=self._codec)
        if copy.elsewhere is not None and copy.elsewhere.fence != folded.fence:
            raise UnfinishedRunError.of(self._remote.name, copy.elsewhere)
        self._workspace.set_aside(copy.snapshot)
        if folded.journal or copy.elsewhere is not None:
            content = snapshot.encode(Snapshot(folded.recorded, folded.sequence), self._codec)
            self._lock.check()
            copy = self._replace(copy, content, folded.journal, folded.serial)
        self._copy, self.recorded, self.written = copy, folded.recorded, folded.serial
        self._folded, self._serial = folded.sequence, folded.recorded.serial
        self._begin(
            self._workspace.journal(copy.snapshot),
            kept=b"",
            check=folded.recorded.lineage,
            sequence=folded.sequence,
            base=folded.recorded,
            mirror=self._mirror,
        )

    def _create(self, content: bytes) -> None:
        self._remote.create(content)

    def _put(self, content: bytes) -> None:
        if (copy := self._copy) is not None:
            self._replace(copy, content, self._workspace.read(copy.snapshot), self._serial)

    def _mirror(self, lines: bytes) -> None:
        self._remote.append(self._lock.holder, lines)
        self._lock.check()  # this process may have slept until the answer came, and an operation follows

    def _replace(self, before: Copy, content: bytes, journal: bytes, serial: int) -> Copy:
        """Put a new snapshot in the place of one, and only then forget the journal that led there."""
        copy = self._remote.replace(self._lock.holder, before, content, journal, serial)
        self._workspace.forget(before.snapshot)
        return copy
