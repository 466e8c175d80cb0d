"""A shared state on a server that speaks the protocol of Terraform's http backend, as GitLab does.

1. GET, POST and DELETE of one document; LOCK and UNLOCK with a description of who locks; 423 or 409 with that of the
   holder; the lock's id as `?ID=` at every write.
2. The protocol knows no heartbeats, and a server that keeps every version of the document takes no journal line by
   line. So the document says that a run has begun before its first operation, and the journal stays on its machine.
3. A lock is confirmed by asking for it again with its own id: the answer names the holder.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kmsplan.state.error import StateAccessError
from kmsplan.state.shared.document import Document, Past, unpacked
from kmsplan.state.shared.remote import Copy, Leased
from kmsplan.state.shared.server import NAMELESS, Server, probe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kmsplan.state.holder import Holder
    from kmsplan.state.recoding import Recoding
    from kmsplan.state.shared.client import Client
    from kmsplan.state.shared.server import Addresses

_PROBES: Final = 50
_PROBE_PAUSE: Final = 0.1
_CONFIRM_SECONDS: Final = 1.0
"""A run that has not heard of its lock for so long asks before it begins another operation: `unlock` cannot know here
whether the holder is alive, and a new run takes longer than this to begin."""

_BEYOND: Final = (
    "A server that keeps every version of the document, as GitLab does, keeps those before version {writes} as they "
    "were written, and the protocol has no way to change them. Delete those under the old key there; in GitLab, one by "
    "one: glab opentofu state delete NAME VERSION."
)


class HttpRemote:
    """A state on a server.

    Args:
        addresses: of the server.
        client: asks it.
        version: of kmsplan, for the description of who locks.
        sleep: waits between attempts.
        monotonic: seconds.
    """

    def __init__(
        self,
        addresses: Addresses,
        client: Client,
        version: str,
        *,
        sleep: Callable[[float], object] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = Server(addresses, client, version, sleep=sleep)
        self._sleep = sleep
        self._monotonic = monotonic
        self._guard = threading.RLock()
        self._held: Holder | None = None
        self._seen = 0.0
        """When the lock was certainly ours."""
        self._writes: int | None = None
        """The document's count of writes when we last saw it under the lock; None where there was none."""
        self._marked = False
        """Whether the document says that our run has begun."""
        self.name = self._server.name
        self.expires = False

    def read(self) -> Copy | None:
        """Return the state; see `Remote.read`."""
        found = self._server.get()[0]
        if found is None:
            return None
        return Copy(snapshot=found.snapshot, journal=b"", version=str(found.writes), elsewhere=found.running)

    def create(self, snapshot: bytes) -> None:
        """Keep the first snapshot; see `Remote.create`."""
        with self._guard, self._locked() as holder:
            if self._server.get()[0] is None:
                self._put(Document(writes=1, fence=holder.fence, snapshot=snapshot), holder, None)

    def claim(self, holder: Holder, dead: str | None) -> Holder:
        """Take the lock; see `Remote.claim`."""
        with self._guard:
            other = self._server.lock(holder)
            if other is not None and other.holder is not None and other.holder.id == dead:
                self._server.unlock(other.holder)
                other = self._server.lock(holder)
            if other is not None:
                raise other
            try:
                document = self._server.get()[0]
            except BaseException:
                self._server.unlock(holder)
                raise
            self._writes = document.writes if document else None
            self._marked, self._seen = False, self._monotonic()
            # By the clock, so that two holdings that have not written yet do not share one.
            fence = int(holder.acquired.timestamp() * 1000)
            self._held = dataclasses.replace(holder, fence=max(fence, 1 + (document.fence if document else 0)))
            return self._held

    def beat(self, holder: Holder) -> None:
        """Confirm the lock: by asking for it again; see `Remote.beat`."""
        with self._guard:
            other = self._server.lock(holder)
            if other is not None and other.holder is not None and other.holder.id != holder.id:
                raise self._server.lost(holder, f"by {other.holder}")
            if other is None and self._count() != self._writes:  # it was free, and somebody has been here meanwhile
                self._server.unlock(holder)
                raise self._server.lost(holder, "and given back since")
            self._seen = self._monotonic()

    def release(self, holder: Holder) -> None:
        """Give the lock back; see `Remote.release`."""
        with self._guard:
            self._held = None
            self._server.unlock(holder)

    def leased(self) -> Leased | None:
        """Return who has the lock, or else whose run has not ended; see `Remote.leased`."""
        glance = probe()
        with self._guard:
            other = self._server.lock(glance)
            if other is not None:
                return Leased(other.holder or NAMELESS, None)
            try:
                document = self._server.get()[0]
            finally:
                self._server.unlock(glance)
        return Leased(document.running, None) if document and document.running else None

    def evict(self, leased: Leased) -> None:
        """Take the lock from somebody; where nobody has it, give up the run that has not ended; see `Remote.evict`."""
        glance = probe()
        with self._guard:
            if self._server.lock(glance) is not None:
                self._server.unlock(leased.holder)
                return
            try:
                document, etag = self._server.get()
                if document is not None:
                    self._put(document.following(fence=document.fence + 1, running=None), glance, etag)
            finally:
                self._server.unlock(glance)

    def append(self, holder: Holder, lines: bytes) -> None:
        """Say that the run has begun, and make sure of the lock; the lines stay where they are; see `Remote.append`."""
        del lines
        with self._guard:
            if not self._marked:
                document, etag = self._current(holder)
                self._put(document.following(fence=holder.fence, running=holder), holder, etag)
                self._marked = True
            if self._monotonic() - self._seen > _CONFIRM_SECONDS:
                self.beat(holder)

    def replace(self, holder: Holder, before: Copy, snapshot: bytes, journal: bytes, serial: int) -> Copy:
        """Put a new snapshot in the place of the one that was read; see `Remote.replace`."""
        with self._guard:
            document, etag = self._current(holder)
            if document.snapshot != before.snapshot:
                raise self._server.moved()
            past = (*document.past, Past.of(serial, before.snapshot, journal))
            after = document.following(fence=holder.fence, snapshot=snapshot, running=None, past=past)
            self._put(after, holder, etag)
            self._marked = False
            return Copy(snapshot=snapshot, journal=b"", version=str(after.writes))

    def rewrite(self, holder: Holder, before: Copy, recoding: Recoding) -> str:
        """Put the document's every part through a recoding, in one write; see `Remote.rewrite`."""
        with self._guard:
            document, etag = self._current(holder)
            if document.snapshot != before.snapshot:
                raise self._server.moved()
            past = tuple(each.recoded(recoding, self.name) for each in document.past)
            snapshot = recoding.snapshot(document.snapshot, Path(f"{self.name}: the snapshot"))
            if (past, snapshot) != (document.past, document.snapshot):
                self._put(document.following(fence=holder.fence, snapshot=snapshot, past=past), holder, etag)
            return _BEYOND.format(writes=self._writes)

    def numbers(self) -> list[int]:
        """Return the serials that are kept; see `Remote.numbers`."""
        return sorted(self._past())

    def snapshot_of(self, serial: int) -> bytes | None:
        """Return a kept snapshot; see `Remote.snapshot_of`."""
        found = self._past().get(serial)
        return unpacked(found.snapshot) if found else None

    def head_of(self, serial: int) -> bytes | None:
        """Return all of a kept snapshot; see `Remote.head_of`."""
        return self.snapshot_of(serial)

    def journal_of(self, serial: int) -> bytes | None:
        """Return the journal that led away from a serial; see `Remote.journal_of`."""
        found = self._past().get(serial)
        return unpacked(found.journal) if found else None

    def _past(self) -> dict[int, Past]:
        found = self._server.get()[0]
        return {past.serial: past for past in found.past} if found else {}

    def _current(self, holder: Holder) -> tuple[Document, str | None]:
        """Return what is there, if nobody has changed it since we got the lock."""
        document, etag = self._server.get()
        if document is None or document.writes != self._writes:
            if document is not None and document.fence > holder.fence:
                raise self._server.lost(holder, "and used since")
            raise self._server.moved()
        return document, etag

    def _count(self) -> int | None:
        document = self._server.get()[0]
        return document.writes if document else None

    def _put(self, document: Document, holder: Holder, etag: str | None) -> None:
        self._server.put(document, holder, etag)
        self._writes = document.writes

    @contextmanager
    def _locked(self) -> Iterator[Holder]:
        """Lend our lock, or one for a moment."""
        if self._held is not None:
            yield self._held
            return
        glance = probe()
        attempts = 1
        while (other := self._server.lock(glance)) is not None:
            if attempts == _PROBES:
                raise StateAccessError(
                    f"{self.name} is locked by {other.holder or NAMELESS}, so that it cannot be made now",
                    "Wait for that run to end, and run the command again.",
                )
            attempts += 1
            self._sleep(_PROBE_PAUSE)
        try:
            yield glance
        finally:
            self._server.unlock(glance)
