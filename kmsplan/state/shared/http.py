"""A shared state on a server that speaks the protocol of Terraform's http backend, as GitLab does.

1. GET, POST and DELETE of one document; LOCK and UNLOCK with a description of who locks; 423 or 409 with that of the
   holder; the lock's id as `?ID=` at every write.
2. The protocol knows no heartbeats, and a server that keeps every version of the document takes no journal line by
   line. So the document says that a run has begun before its first operation, and the journal stays on its machine.
3. A lock is confirmed by asking for it again with its own id: the answer names the holder.
"""

from __future__ import annotations

import dataclasses
import os
import secrets
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import orjson

from kmsplan.state.error import FenceError, StateAccessError, StateMovedError
from kmsplan.state.holder import Holder
from kmsplan.state.shared.client import place, refusal
from kmsplan.state.shared.document import Document, Past, decode, unpacked
from kmsplan.state.shared.remote import ClaimedError, Copy, Leased

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kmsplan.state.shared.client import Answer, Client

_DONE: Final = frozenset({200, 201, 204})
_NOTHING: Final = frozenset({204, 404})
_LOCKED: Final = frozenset({409, 423})
_MOVED: Final = 412
_ATTEMPTS: Final = 3
_PAUSE: Final = 1.0
_PROBES: Final = 50
_PROBE_PAUSE: Final = 0.1
_CONFIRM_SECONDS: Final = 1.0
"""A run that has not heard of its lock for so long asks before it begins another operation: `unlock` cannot know here
whether the holder is alive, and a new run takes longer than this to begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the server is asked for what, and with which methods."""

    address: str
    lock_address: str
    unlock_address: str
    lock_method: str = "LOCK"
    unlock_method: str = "UNLOCK"
    update_method: str = "POST"


_NAMELESS: Final = Holder(
    id="unknown",
    owner="somebody whom the server does not name",
    pid=0,
    command="",
    acquired=datetime.fromtimestamp(0, UTC),
    heartbeat=datetime.fromtimestamp(0, UTC),
    fence=0,
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
        self._at = addresses
        self._client = client
        self._version = version
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
        self.name = f"the state at {place(addresses.address)}"
        self.expires = False

    def read(self) -> Copy | None:
        """Return the state; see `Remote.read`."""
        found = self._get()[0]
        if found is None:
            return None
        return Copy(snapshot=found.snapshot, journal=b"", version=str(found.writes), elsewhere=found.running)

    def create(self, snapshot: bytes) -> None:
        """Keep the first snapshot; see `Remote.create`."""
        with self._guard, self._locked() as holder:
            if self._get()[0] is None:
                self._put(Document(writes=1, fence=holder.fence, snapshot=snapshot), holder, None)

    def claim(self, holder: Holder, dead: str | None) -> Holder:
        """Take the lock; see `Remote.claim`."""
        with self._guard:
            other = self._lock(holder)
            if other is not None and other.holder is not None and other.holder.id == dead:
                self._unlock(other.holder)
                other = self._lock(holder)
            if other is not None:
                raise other
            try:
                document = self._get()[0]
            except BaseException:
                self._unlock(holder)
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
            other = self._lock(holder)
            if other is not None and other.holder is not None and other.holder.id != holder.id:
                raise self._lost(holder, f"by {other.holder}")
            if other is None and self._count() != self._writes:  # it was free, and somebody has been here meanwhile
                self._unlock(holder)
                raise self._lost(holder, "and given back since")
            self._seen = self._monotonic()

    def release(self, holder: Holder) -> None:
        """Give the lock back; see `Remote.release`."""
        with self._guard:
            self._held = None
            self._unlock(holder)

    def leased(self) -> Leased | None:
        """Return who has the lock, or else whose run has not ended; see `Remote.leased`."""
        probe = _probe()
        with self._guard:
            other = self._lock(probe)
            if other is not None:
                return Leased(other.holder or _NAMELESS, None)
            try:
                document = self._get()[0]
            finally:
                self._unlock(probe)
        return Leased(document.running, None) if document and document.running else None

    def evict(self, leased: Leased) -> None:
        """Take the lock from somebody; where nobody has it, give up the run that has not ended; see `Remote.evict`."""
        probe = _probe()
        with self._guard:
            if self._lock(probe) is not None:
                self._unlock(leased.holder)
                return
            try:
                document, etag = self._get()
                if document is not None:
                    self._put(document.following(fence=document.fence + 1, running=None), probe, etag)
            finally:
                self._unlock(probe)

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
                raise self._moved()
            past = (*document.past, Past.of(serial, before.snapshot, journal))
            after = document.following(fence=holder.fence, snapshot=snapshot, running=None, past=past)
            self._put(after, holder, etag)
            self._marked = False
            return Copy(snapshot=snapshot, journal=b"", version=str(after.writes))

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
        found = self._get()[0]
        return {past.serial: past for past in found.past} if found else {}

    def _current(self, holder: Holder) -> tuple[Document, str | None]:
        """Return what is there, if nobody has changed it since we got the lock."""
        document, etag = self._get()
        if document is None or document.writes != self._writes:
            if document is not None and document.fence > holder.fence:
                raise self._lost(holder, "and used since")
            raise self._moved()
        return document, etag

    def _count(self) -> int | None:
        document = self._get()[0]
        return document.writes if document else None

    def _get(self) -> tuple[Document | None, str | None]:
        answer = self._client.send("GET", self._at.address)
        if answer.status in _NOTHING or (answer.status == 200 and not answer.content):  # noqa: PLR2004 - OK
            return None, None
        if answer.status != 200:  # noqa: PLR2004 - as above
            raise refusal("to show the state", self._at.address, answer)
        return decode(answer.content, self.name), answer.etag

    def _put(self, document: Document, holder: Holder, etag: str | None) -> None:
        """Write; an answer that got lost is looked for in what is there."""
        content = document.encode()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer = self._post(content, holder, etag)
            except StateAccessError:
                if attempt == _ATTEMPTS:
                    raise
                self._sleep(_PAUSE)
                continue
            if answer.status < 500 or attempt == _ATTEMPTS:  # noqa: PLR2004 - a server's own failure
                break
            self._sleep(_PAUSE)
        if answer.status not in _DONE and not (attempt > 1 and self._is_there(content)):
            raise self._refused(answer, holder)
        self._writes = document.writes

    def _post(self, content: bytes, holder: Holder, etag: str | None) -> Answer:
        headers = {"If-Match": etag} if etag else {}
        return self._client.send(
            self._at.update_method, self._at.address, content, query={"ID": holder.id}, headers=headers
        )

    def _is_there(self, content: bytes) -> bool:
        return self._client.send("GET", self._at.address).content == content

    def _refused(self, answer: Answer, holder: Holder) -> Exception:
        if answer.status in _LOCKED:
            found = _holder(answer.content)
            return self._lost(holder, f"by {found}" if found else "by another process")
        if answer.status == _MOVED:
            return self._moved()
        return refusal("to keep the state", self._at.address, answer)

    @contextmanager
    def _locked(self) -> Iterator[Holder]:
        """Lend our lock, or one for a moment."""
        if self._held is not None:
            yield self._held
            return
        probe = _probe()
        attempts = 1
        while (other := self._lock(probe)) is not None:
            if attempts == _PROBES:
                raise StateAccessError(
                    f"{self.name} is locked by {other.holder or _NAMELESS}, so that it cannot be made now",
                    "Wait for that run to end, and run the command again.",
                )
            attempts += 1
            self._sleep(_PROBE_PAUSE)
        try:
            yield probe
        finally:
            self._unlock(probe)

    def _lock(self, holder: Holder) -> ClaimedError | None:
        """Lock; return the error that says who has it where somebody has, this very lock included."""
        answer = self._client.send(self._at.lock_method, self._at.lock_address, self._description(holder))
        if answer.status in _DONE:
            return None
        if answer.status in _LOCKED:
            return ClaimedError(_holder(answer.content))
        raise refusal("to lock the state", self._at.lock_address, answer)

    def _unlock(self, holder: Holder) -> None:
        answer = self._client.send(
            self._at.unlock_method, self._at.unlock_address, self._description(holder), query={"ID": holder.id}
        )
        if answer.status not in _DONE:
            raise refusal("to unlock the state", self._at.unlock_address, answer)

    def _description(self, holder: Holder) -> bytes:
        return orjson.dumps(
            {
                "ID": holder.id,
                "Operation": holder.command,
                "Info": f"pid {holder.pid}",
                "Who": holder.owner,
                "Version": self._version,
                "Created": holder.acquired.isoformat(),
                "Path": place(self._at.address),
            }
        )

    def _lost(self, holder: Holder, how: str) -> FenceError:
        return FenceError(
            f"the lock of {self.name} was taken from this process (lock id {holder.id}) {how}, so it stops writing",
            "Another run may have gone on since. Everything that this one had begun is in the journal: run "
            "`kmsplan plan` to see what is left.",
        )

    def _moved(self) -> StateMovedError:
        return StateMovedError(
            f"{self.name} was changed during this run by something that does not hold the lock",
            "What this run did is in the journal on this machine. Find out who writes there, put the state back as it "
            "was, and run kmsplan again.",
        )


def _probe() -> Holder:
    """Return who locks for a moment, to look or to make the state."""
    now = datetime.now(UTC)
    return Holder(
        id=secrets.token_hex(8), owner="kmsplan", pid=os.getpid(), command="look", acquired=now, heartbeat=now, fence=0
    )


def _holder(content: bytes) -> Holder | None:
    """Read a description of who locks; None where it is none. GitLab repeats the asker's in part, so less is taken."""
    try:
        values = orjson.loads(content)
        created = datetime.fromisoformat(values["Created"])
        return Holder(
            id=values["ID"],
            owner=values["Who"],
            pid=0,
            command=values["Operation"],
            acquired=created,
            heartbeat=created,
            fence=0,
        )
    except (KeyError, TypeError, ValueError):
        return None
