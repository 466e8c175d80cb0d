"""A state kept in a folder: reading, making, locking and opening it."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kmsplan.state import durable, past, rekey, snapshot
from kmsplan.state.cipher import PLAIN
from kmsplan.state.error import StateAccessError, StateMissingError
from kmsplan.state.folder import Folder
from kmsplan.state.lock import Lock, acquire, unlock
from kmsplan.state.past import Archive, Current
from kmsplan.state.recoding import Recoding, Rekeyed, codec_for
from kmsplan.state.record import NO_STATE, Recorded
from kmsplan.state.snapshot import HEAD_SIZE, Snapshot
from kmsplan.state.writing import LocalWriting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from kmsplan.state.cipher import Codec
    from kmsplan.state.holder import Holder
    from kmsplan.state.protocol import Held


def _utc_now() -> datetime:
    return datetime.now(UTC)


def new_lineage(entropy: Callable[[int], bytes]) -> str:
    """Return a new state's lineage: 32 hexadecimal digits, so that lineage, address and token fit into one tag."""
    return entropy(16).hex()


def _content(path: Path, size: int = -1) -> bytes | None:
    found = durable.read(path, size)
    return None if found is None else found.content


class LocalStore(past.Archived):
    """One state folder."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], datetime] = _utc_now,
        entropy: Callable[[int], bytes] = os.urandom,
        sleep: Callable[[float], object] = time.sleep,
        codec: Codec = PLAIN,
    ) -> None:
        self.path = path
        self._folder = Folder(path, codec)
        self._clock = clock
        self._entropy = entropy
        self._sleep = sleep

    @property
    def place(self) -> str:
        """Where the state is kept, for messages."""
        return str(self.path)

    def load(self) -> Recorded:
        """Read the state; NO_STATE where there is none. Needs no lock.

        Raises:
            StateError: it is there, and cannot be read as it should.
        """
        loaded = self._folder.load()
        return loaded.recorded if loaded else NO_STATE

    def init(self, lineage: str) -> Recorded:
        """Make an empty state, serial 0, unless there is one; return the one that is there then. Needs no lock.

        Raises:
            StateError: it cannot be written, or what is there cannot be read.
        """
        if (there := self.load()).exists:
            return there
        fresh = Recorded(lineage=lineage, serial=0, environment="")
        try:
            durable.make_folder(self.path)
            content = snapshot.encode(Snapshot(fresh, 0), self._folder.codec)
            made = durable.create(self._folder.snapshot, content, mark=self._entropy(4).hex())
        except OSError as error:
            raise self._unusable(error) from error
        return fresh if made else self.load()

    def lock(
        self,
        *,
        owner: str,
        command: str,
        timeout: float = 0.0,
        waiting: Callable[[Holder | None], None] = lambda _: None,
    ) -> Lock:
        """Take the lock, waiting up to `timeout` seconds; `waiting` is told once for whom.

        Raises:
            LockHeldError: somebody else holds it.
            StateAccessError: the folder cannot be written.
        """
        try:
            durable.make_folder(self.path)
        except OSError as error:
            raise self._unusable(error) from error
        return acquire(
            self._folder.lock,
            owner=owner,
            command=command,
            identifier=self._entropy(8).hex(),
            clock=self._clock,
            timeout=timeout,
            sleep=self._sleep,
            waiting=waiting,
        )

    def unlock(self, identifier: str) -> Holder:
        """Break the lock of a holder that is stopped or cut off; return who it was.

        A snapshot that it was about to put in place is taken away, so that it cannot do so when it wakes up.

        Raises:
            UnlockError: nobody holds the lock, it has another id, or its holder is alive.
        """
        holder = unlock(self._folder.lock, identifier, clock=self._clock)
        durable.clear(self._folder.snapshot, self._folder.journal)
        return holder

    def open(self, lock: Held) -> LocalWriting:
        """Read the state for writing, and clear away what cut-off writes have left.

        Raises:
            StateError: it is there, and cannot be read as it should.
        """
        durable.clear(self._folder.snapshot, self._folder.journal)
        return LocalWriting(self._folder, lock, clock=self._clock, run=self._entropy(8).hex())

    def rekey(self, before: Sequence[Codec], lock: Held) -> Rekeyed:
        """Put everything under this store's codec; see `Store.rekey`.

        Raises:
            StateKeyError: what is recorded now opens with none of the codecs; nothing was changed.
            StateError: it cannot be read or written.
        """
        file = durable.read(self._folder.snapshot)
        if file is None:
            self._folder.load()  # says so where it was lost
            raise StateMissingError(f"there is no state in {self.path}", "Run `kmsplan apply` to make one.")
        now = Folder(self.path, codec_for(file.content, (self._folder.codec, *before)))
        durable.clear(now.snapshot, now.journal)
        if now.codec.key_id == self._folder.codec.key_id:  # the snapshot is changed last
            found = snapshot.decode(file.content, path=now.snapshot, remedy=now.remedy(), codec=now.codec)
            lineage = found.recorded.lineage
        else:
            with LocalWriting(now, lock, clock=self._clock, run=self._entropy(8).hex()) as writing:
                lineage = writing.save().lineage
            rekey.put_away(now)
        recoding = Recoding(before, self._folder.codec, lineage=lineage, remedy=now.remedy())
        rekey.rekey(self._folder, recoding, lock)
        return Rekeyed(changed=recoding.changed, left=tuple(recoding.left))

    def _archive(self) -> Archive | None:
        folder = self._folder
        file = durable.read(folder.snapshot, HEAD_SIZE)
        lineage = snapshot.lineage(file.content) if file else None
        if lineage is None:  # laid out in another way, or lost, or not there
            loaded = folder.load()
            if loaded is None:
                return None
            lineage = loaded.recorded.lineage
        return Archive(
            name=str(folder.path),
            remedy=folder.remedy(),
            codec=folder.codec,
            lineage=lineage,
            current=self._current,
            numbers=[kept.serial for kept in folder.kept()],
            snapshot_of=lambda number: _content(folder.history / f"{number}.state.json"),
            head_of=lambda number: _content(folder.history / f"{number}.state.json", HEAD_SIZE),
            journal_of=lambda number: _content(folder.history / f"{number}.journal.jsonl"),
        )

    def _current(self) -> Current:
        loaded = self._folder.load()
        if loaded is None:
            raise StateMissingError(f"there is no state in {self.path}", "Run `kmsplan apply` to make one.")
        content = _content(self._folder.snapshot) if loaded.kept else None
        return Current(recorded=loaded.recorded, snapshot=content or b"", journal=loaded.kept)

    def _unusable(self, error: OSError) -> StateAccessError:
        return StateAccessError(
            f"the state folder {self.path} cannot be used: {error.strerror}",
            "Make it a folder that this user can read and write, with space on its disk.",
        )
