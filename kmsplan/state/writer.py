"""The journal's writer: many threads append, one flush makes durable whatever has been appended by then.

Whoever needs durability takes the turn to flush, and finds its entry already flushed by the one before, or flushes it
together with all that came in meanwhile. A begin waits for `flush`, before the operation can have happened; an end
goes with the next flush, for losing it only means that a later run looks the operation up.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from kmsplan.state import durable
from kmsplan.state.cipher import PLAIN
from kmsplan.state.entry import BeginEntry, EndEntry, RecordEntry, RunEntry
from kmsplan.state.error import StateAccessError, StateError
from kmsplan.state.folding import Folding
from kmsplan.state.group import Group
from kmsplan.state.journal import encode, seal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from kmsplan.resource.address import Address
    from kmsplan.resource.step import Effect
    from kmsplan.state.cipher import Codec
    from kmsplan.state.entry import Ending, Entry
    from kmsplan.state.protocol import Held
    from kmsplan.state.record import Deletions, Pending, Recorded

Sync: TypeAlias = "Callable[[int], None]"
"""Flushes a file's content to disk: os.fdatasync."""

_AGAIN: Final = "No further operation was sent to the KMS. Run kmsplan again: it settles what was begun."


class JournalWriter:
    """Appends to a journal that holds `kept` already."""

    def __init__(
        self,
        path: Path,
        *,
        kept: bytes,
        check: str,
        sequence: int,
        base: Recorded,
        lock: Held,
        run: str,
        clock: Callable[[], datetime],
        sync: Sync = os.fdatasync,
        codec: Codec = PLAIN,
        mirror: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        """Prepare; nothing is written before the first entry.

        Args:
            path: The journal file.
            kept: What it holds of whole lines.
            check: The check of the last of them, or the lineage.
            sequence: Sequence number of the last entry there is.
            base: The state with everything so far folded in.
            lock: Checked before every write.
            run: A new id for this run.
            clock: The time now.
            sync: Flushes.
            codec: Seals every entry.
            mirror: Keeps lines elsewhere as well, once they are in the file; an entry is durable when it has returned.
        """
        self._path = path
        self._kept = kept
        self._check = check
        self._sequence = sequence
        self._folding = Folding(base)
        self._lock = lock
        self._run = run
        self._clock = clock
        self._sync = sync
        self._codec = codec
        self._mirror = mirror
        self._lineage = base.lineage
        self._descriptor: int | None = None
        self._appending = threading.Lock()
        """Guards sequence, buffer and folding."""
        self._group = Group(self._flush, durable=sequence)
        self._buffer: list[bytes] = []
        self._failure: StateError | None = None

    @property
    def sequence(self) -> int:
        """Sequence number of the last entry."""
        return self._sequence

    @property
    def failed(self) -> bool:
        """Whether a write failed. What is in the file is not known then, so nothing more is written."""
        return self._failure is not None

    def run(
        self,
        *,
        command: str,
        environment: str = "",
        plan: str = "",
        by: str = "",
        serial: int | None = None,
        deletions: Deletions | None = None,
    ) -> None:
        """A run begins; with `serial`, a later one than the state's, it makes that one at once."""
        with self._appending:
            self._append(
                RunEntry(
                    **self._stamp(),
                    lineage=self._lineage,
                    serial=self._folding.serial if serial is None else serial,
                    environment=environment,
                    plan=plan,
                    command=command,
                    by=by,
                    deletions=deletions,
                )
            )

    def begin(
        self,
        *,
        address: Address,
        operation: str,
        parameters: Mapping[str, Any],
        token: str | None,
        identity: str | None,
        effect: Effect,
    ) -> Pending:
        """Take an intent; `flush` makes it durable."""
        with self._appending:
            entry = BeginEntry(
                **self._stamp(),
                address=address,
                operation=operation,
                parameters=parameters,
                token=token,
                identity=identity,
                effect=effect,
            )
            self._append(entry)
            return self._folding.pending(entry.sequence)

    def end(
        self,
        begin: int,
        ending: Ending,
        *,
        identity: str | None = None,
        code: str | None = None,
        message: str | None = None,
    ) -> None:
        """The operation that `begin` began has ended."""
        with self._appending:
            self._append(
                EndEntry(**self._stamp(), begin=begin, ending=ending, identity=identity, code=code, message=message)
            )

    def record(
        self, address: Address, effect: Effect, *, identity: str | None = None, moved_from: Address | None = None
    ) -> None:
        """A record changes without any operation."""
        with self._appending:
            self._append(
                RecordEntry(**self._stamp(), address=address, effect=effect, identity=identity, moved_from=moved_from)
            )

    def flush(self, sequence: int | None = None) -> None:
        """Return when the entry with this sequence number is durable, or with None every entry."""
        self._group.wait(self._sequence if sequence is None else sequence)

    def recorded(self) -> Recorded:
        """Return the state with everything folded in."""
        with self._appending:
            return self._folding.recorded()

    def close(self) -> None:
        """Close the file without flushing; nothing can be written afterwards. A second call does nothing."""
        if self._failure is None:
            self._failure = StateAccessError(f"{self._path} is closed", "This is a bug in kmsplan.")
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _stamp(self) -> dict[str, Any]:
        """Return what every entry carries."""
        if self._failure is not None:
            raise self._failure
        return {
            "sequence": self._sequence + 1,
            "run": self._run,
            "fence": self._lock.fence,
            "time": self._clock(),
        }

    def _append(self, entry: Entry) -> None:
        """Take an entry. One that has no JSON form is refused before it counts."""
        self._buffer.append(encode(entry, lineage=self._lineage, codec=self._codec))
        self._sequence = entry.sequence
        self._folding.add(entry)

    def _flush(self) -> int:
        """Make everything durable that has been appended; return the last sequence number."""
        if self._failure is not None:
            raise self._failure
        with self._appending:
            bodies, self._buffer = self._buffer, []
            last = self._sequence
        try:
            self._write(bodies)
        except BaseException as error:
            interrupted = StateAccessError(f"writing {self._path} was interrupted", _AGAIN)
            self._failure = error if isinstance(error, StateError) else interrupted
            raise
        return last

    def _write(self, bodies: list[bytes]) -> None:
        self._lock.check()
        lines, check = [], self._check
        for body in bodies:
            line, check = seal(body, check)
            lines.append(line)
        content = b"".join(lines)
        try:
            descriptor = self._open()
            durable.write_all(descriptor, content)
            self._sync(descriptor)
        except OSError as error:
            raise StateAccessError(
                f"the journal {self._path} cannot be written: {error.strerror}",
                f"Make space, or the folder writable. {_AGAIN}",
            ) from error
        self._mirror(content)
        self._check = check

    def _open(self) -> int:
        """Open the journal as a new file: what a run before this one left is kept, less a line that was cut off.

        A holder of the lock that was broken goes on, if it does, in the old file, which has no name any more.
        """
        if self._descriptor is None:
            durable.replace(self._path, self._kept, mark=str(self._lock.fence), allowed=self._lock.check)
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        return self._descriptor
