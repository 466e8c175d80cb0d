"""A shared state: reading, making, leasing and opening it, whatever place keeps it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kmsplan.state import lock as locking
from kmsplan.state import past, snapshot
from kmsplan.state.cipher import PLAIN
from kmsplan.state.error import StateMissingError, UnlockError
from kmsplan.state.recoding import Recoding, Rekeyed, codec_for
from kmsplan.state.record import NO_STATE, Recorded
from kmsplan.state.shared.folded import REMEDY, fold_copy
from kmsplan.state.shared.lease import Lease, acquire
from kmsplan.state.shared.workspace import Workspace
from kmsplan.state.shared.writing import SharedWriting
from kmsplan.state.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kmsplan.state.cipher import Codec
    from kmsplan.state.holder import Holder
    from kmsplan.state.protocol import Held
    from kmsplan.state.shared.remote import Copy, Leased, Remote

LEASE: Final = 30.0
"""Seconds for which a holder may be silent, unless the configuration says otherwise."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SharedStore(past.Archived):
    """One shared state, and this machine's folder for it."""

    def __init__(
        self,
        remote: Remote,
        path: Path,
        *,
        lease: float = LEASE,
        clock: Callable[[], datetime] = _utc_now,
        entropy: Callable[[int], bytes] = os.urandom,
        sleep: Callable[[float], object] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        codec: Codec = PLAIN,
    ) -> None:
        self._remote = remote
        self._workspace = Workspace(path)
        self._lease = lease
        self._clock = clock
        self._entropy = entropy
        self._sleep = sleep
        self._monotonic = monotonic
        self._codec = codec

    @property
    def place(self) -> str:
        """Where the state is kept, for messages."""
        return self._remote.name

    def load(self) -> Recorded:
        """Read the state, with what this machine's journal knows of it; NO_STATE where there is none. Needs no lock.

        Raises:
            StateError: it is there, and cannot be read as it should.
        """
        copy = self._remote.read()
        if copy is None:
            return NO_STATE
        local = self._workspace.read(copy.snapshot)
        return fold_copy(copy, local, name=self._remote.name, codec=self._codec).recorded

    def init(self, lineage: str) -> Recorded:
        """Make an empty state, serial 0, unless there is one; return the one that is there then. Needs no lock.

        Raises:
            StateError: it cannot be written, or what is there cannot be read.
        """
        fresh = Recorded(lineage=lineage, serial=0, environment="")
        self._remote.create(snapshot.encode(Snapshot(fresh, 0), self._codec))
        return self.load()

    def lock(
        self,
        *,
        owner: str,
        command: str,
        timeout: float = 0.0,
        waiting: Callable[[Holder | None], None] = lambda _: None,
    ) -> Lease:
        """Take the lock of this machine's folder, then the lease, waiting up to `timeout` seconds.

        Raises:
            LockHeldError: somebody else holds one of the two.
            StateAccessError: the folder cannot be written, or the place cannot be reached.
        """
        began, identifier = self._monotonic(), self._entropy(8).hex()
        self._workspace.make()
        dead = self._workspace.last_holder()
        local = locking.acquire(
            self._workspace.lock,
            owner=owner,
            command=command,
            identifier=identifier,
            clock=self._clock,
            timeout=timeout,
            sleep=self._sleep,
            waiting=waiting,
        )
        try:
            return acquire(
                self._remote,
                dataclasses.replace(local.holder, fence=0),
                local,
                dead=dead,
                seconds=self._lease,
                timeout=max(0.0, timeout - (self._monotonic() - began)),
                waiting=waiting,
                sleep=self._sleep,
                monotonic=self._monotonic,
            )
        except BaseException:
            local.release()
            raise

    def unlock(self, identifier: str) -> Holder:
        """Break the lock of a holder that is stopped or cut off; return who it was.

        Raises:
            UnlockError: nobody holds the lock, it has another id, or its holder is alive.
            StateAccessError: the place cannot be reached.
        """
        leased = self._remote.leased()
        if leased is None:
            raise UnlockError(
                f"nobody holds the lock of {self.place}",
                "There is nothing to unlock: the next run can begin.",
            )
        self._check_stale(leased, identifier)
        with contextlib.suppress(UnlockError):  # its process is on another machine, or gone
            locking.unlock(self._workspace.lock, identifier, clock=self._clock)
        self._remote.evict(leased)
        return leased.holder

    def _check_stale(self, leased: Leased, identifier: str) -> None:
        if leased.holder.id != identifier:
            raise UnlockError(
                f"the lock of {self.place} has another id than {identifier!r}: it is held by {leased.holder}",
                "Look again at who holds it. Unlock with its id only if that run is certainly not going on.",
            )
        if leased.age is not None and leased.age < self._lease:
            raise UnlockError(
                f"the lock of {self.place} is alive: its holder wrote {leased.age:.0f} s ago ({leased.holder})",
                f"Wait for that run, or end it. A lock can be broken {self._lease:.0f} s after its last heartbeat.",
            )

    def open(self, lock: Held) -> SharedWriting:
        """Read the state for writing.

        Raises:
            StateError: it is there, and cannot be read or written as it should.
        """
        return SharedWriting(
            self._remote, self._workspace, lock, clock=self._clock, run=self._entropy(8).hex(), codec=self._codec
        )

    def rekey(self, before: Sequence[Codec], lock: Held) -> Rekeyed:
        """Put everything under this store's codec: at the place all at once, then what this machine keeps beside it.

        Raises:
            StateKeyError: what is recorded now opens with none of the codecs; nothing was changed.
            StateError: it cannot be read or written.
        """
        remote, run = self._remote, self._entropy(8).hex()
        now = codec_for(self._copy().snapshot, (self._codec, *before))
        with SharedWriting(remote, self._workspace, lock, clock=self._clock, run=run, codec=now) as writing:
            lineage = writing.recorded.lineage  # and what an interrupted run has left is in the snapshot now
        recoding = Recoding(before, self._codec, lineage=lineage, remedy=REMEDY)
        kept = remote.numbers()
        lock.check()
        beyond = remote.rewrite(lock.holder, self._copy(), recoding)
        self._workspace.rewrite(recoding, lock)
        gone = sorted({*kept} - {*remote.numbers()})
        return Rekeyed(changed=recoding.changed, left=tuple(recoding.left), gone=tuple(gone), beyond=beyond)

    def _copy(self) -> Copy:
        copy = self._remote.read()
        if copy is None:
            raise StateMissingError(f"there is no state in {self.place}", "Run `kmsplan apply` to make one.")
        return copy

    def _archive(self) -> past.Archive | None:
        remote = self._remote
        copy = remote.read()
        if copy is None:
            return None
        folded = fold_copy(copy, self._workspace.read(copy.snapshot), name=remote.name, codec=self._codec)
        return past.Archive(
            name=remote.name,
            remedy=REMEDY,
            codec=self._codec,
            lineage=folded.recorded.lineage,
            current=lambda: past.Current(recorded=folded.recorded, snapshot=copy.snapshot, journal=folded.journal),
            numbers=remote.numbers(),
            snapshot_of=remote.snapshot_of,
            head_of=remote.head_of,
            journal_of=remote.journal_of,
        )
