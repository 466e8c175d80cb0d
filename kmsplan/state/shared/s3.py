"""A shared state in an object store with conditional writes (S3: `If-Match`, `If-None-Match`).

The head is the register on which everything hangs: lease, heartbeat, fence number, snapshot and journal change together
in one write from the version that was read. So whoever lost the lease cannot write, and no clock decides it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from kmsplan.state.error import FenceError, StateAccessError, StateCorruptError, StateMovedError
from kmsplan.state.shared.bucket import Bucket, ConditionError
from kmsplan.state.shared.folded import REMEDY
from kmsplan.state.shared.head import Head, decode
from kmsplan.state.shared.parts import Parts
from kmsplan.state.shared.remote import ClaimedError, Copy, Leased
from kmsplan.state.snapshot import HEAD_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kmsplan.state.holder import Holder
    from kmsplan.state.recoding import Recoding

_ATTEMPTS: Final = 10
_GRANULARITY: Final = 1.0
"""Seconds by which an object's age can be wrong: the store counts whole ones."""
_TAIL: Final = 64 << 10
"""Characters of journal in the head; more become an object of their own."""
_BEYOND: Final = (
    "A bucket that keeps versions of its objects still has those under the old key, as noncurrent ones: delete them "
    "there, or let a lifecycle rule do it."
)


class S3Remote:
    """A state in a bucket.

    Args:
        options: as in the configuration.
        attempts: so often the SDK sends a request at most.
    """

    def __init__(self, options: Mapping[str, Any], *, attempts: int = 3) -> None:
        self._bucket = Bucket(options, attempts)
        self._key = options["key"]
        self._lease = options["lease"]
        self._guard = threading.RLock()
        self._leasing = False
        self._known: tuple[Head, str] | None = None
        """The head that we wrote last, and its ETag, while we have the lease."""
        self.expires = True
        self.name = f"the state {self._key} in the bucket {options['bucket']}"
        self._parts = Parts(self._bucket, self._key, self.name)

    def read(self) -> Copy | None:
        """Return the state; see `Remote.read`."""
        for _ in range(_ATTEMPTS):
            head = self._fetch()[0]
            if head.version is None:
                return None
            snapshot = self._parts.snapshot(head.version)
            parts = [self._bucket.get(name) for name in head.segments]
            found = [part.content for part in parts if part is not None]
            if snapshot is not None and len(found) == len(parts):
                journal = b"".join(found) + head.tail.encode()
                return Copy(snapshot=snapshot, journal=journal, version=head.version)
            if self._fetch()[0].mark == head.mark:  # else it moved on while we read
                break
        raise StateCorruptError(f"{self.name} is not complete: objects that it names are missing", REMEDY)

    def create(self, snapshot: bytes) -> None:
        """Keep the first snapshot; see `Remote.create`."""
        if self._fetch()[0].version is None:
            version = self._parts.keep(snapshot)
            self._change(lambda head: replace(head, version=version) if head.version is None else head)

    def claim(self, holder: Holder, dead: str | None) -> Holder:
        """Take the lease; see `Remote.claim`."""
        with self._guard:
            self._known = None
            head, etag, age = self._fetch()
            other = head.holder
            if other is not None and other.id != dead and age <= head.lease + _GRANULARITY:
                raise ClaimedError(other)
            ours = dataclasses.replace(holder, fence=head.fence + 1)
            mine = replace(head, fence=ours.fence, holder=ours, lease=self._lease, mark=secrets.token_hex(8))
            try:
                self._known = mine, self._write(mine, etag)
            except ConditionError:
                found = self._fetch()[0]
                if found.mark != mine.mark:
                    raise ClaimedError(found.holder) from None
            self._leasing = True
            return ours

    def beat(self, holder: Holder) -> None:
        """Show that the holder is alive: a new version of the head is one that is young; see `Remote.beat`."""
        self._change(lambda head: self._ours(head, holder), always=True)

    def release(self, holder: Holder) -> None:
        """Give the lease back; see `Remote.release`."""
        with self._guard:
            try:
                self._change(lambda head: head.free(fence=head.fence) if head.fence == holder.fence else head)
            finally:
                self._leasing, self._known = False, None
                self._bucket.close()

    def leased(self) -> Leased | None:
        """Return who has the lease; see `Remote.leased`."""
        head, _, age = self._fetch()
        return Leased(head.holder, age) if head.holder is not None else None

    def evict(self, leased: Leased) -> None:
        """Take the lease from somebody; see `Remote.evict`."""
        fence = leased.holder.fence
        self._change(lambda head: head.free(fence=fence + 1) if head.fence == fence else head)

    def append(self, holder: Holder, lines: bytes) -> None:
        """Keep lines of the journal; see `Remote.append`."""
        with self._guard:
            tail = self._known[0].tail if self._known else ""
            text = lines.decode()
            if len(tail) + len(text) <= _TAIL:
                self._change(lambda head: replace(self._ours(head, holder), tail=head.tail + text))
                return
            segment = self._parts.spill(holder.fence, (tail + text).encode())

            def spill(head: Head) -> Head:
                if self._ours(head, holder).tail != tail:
                    raise self._moved()
                return replace(head, segments=(*head.segments, segment), tail="")

            self._change(spill)

    def replace(self, holder: Holder, before: Copy, snapshot: bytes, journal: bytes, serial: int) -> Copy:
        """Put a new snapshot in the place of the one that was read; see `Remote.replace`."""
        version = self._parts.keep(snapshot, journal)
        left: list[str] = []

        def change(head: Head) -> Head:
            self._unmoved(head, holder, before)
            left[:] = head.segments
            past = (*head.past, (serial, before.version))
            return replace(head, version=version, segments=(), tail="", past=past)

        self._change(change)
        with contextlib.suppress(StateAccessError):  # nothing names them any more: they do no harm
            for segment in left:
                self._bucket.delete(segment)
        return Copy(snapshot=snapshot, journal=b"", version=version)

    def rewrite(self, holder: Holder, before: Copy, recoding: Recoding) -> str:
        """Write every object that changes under another name, then name them all at once; see `Remote.rewrite`."""
        head = self._unmoved(self._fetch()[0], holder, before)
        renamed = {version: self._parts.recoded(version, recoding, f"serial {serial}") for serial, version in head.past}
        renamed[before.version] = self._parts.recoded(before.version, recoding, "the snapshot")
        if any(version != after for version, after in renamed.items()):

            def change(head: Head) -> Head:
                self._unmoved(head, holder, before)
                past = tuple((serial, renamed[version]) for serial, version in head.past)
                return replace(head, version=renamed[before.version], past=past)

            self._change(change)
        self._sweep(holder)
        return _BEYOND

    def _sweep(self, holder: Holder) -> None:
        """Delete the parts that count no more, those of writes that were cut off among them.

        They are listed first: what another holder has written meanwhile is not among them, or its fence number is seen.
        """
        listed = self._parts.listed()
        named = self._parts.named(self._ours(self._fetch()[0], holder))
        for name in listed:
            if name not in named:
                self._bucket.delete(name)

    def numbers(self) -> list[int]:
        """Return the serials that are kept; see `Remote.numbers`."""
        return sorted(dict(self._fetch()[0].past))

    def snapshot_of(self, serial: int) -> bytes | None:
        """Return a kept snapshot; see `Remote.snapshot_of`."""
        return self._parts.snapshot(dict(self._fetch()[0].past).get(serial))

    def head_of(self, serial: int) -> bytes | None:
        """Return the beginning of a kept snapshot; see `Remote.head_of`."""
        return self._parts.snapshot(dict(self._fetch()[0].past).get(serial), HEAD_SIZE)

    def journal_of(self, serial: int) -> bytes | None:
        """Return the journal that led away from a serial; see `Remote.journal_of`."""
        head = self._fetch()[0]
        versions = [*(version for _, version in head.past), head.version]
        following = {number: after for (number, _), after in zip(head.past, versions[1:], strict=True)}
        return self._parts.journal(following.get(serial))

    def _fetch(self) -> tuple[Head, str | None, float]:
        """Return the head, its ETag and its age; an empty one where there is none."""
        found = self._bucket.get(self._key)
        if found is None:
            return Head(), None, 0.0
        return decode(found.content, self.name), found.etag, found.age

    def _change(self, change: Callable[[Head], Head], *, always: bool = False) -> None:
        """Change the head from what is there: where somebody was faster, from what is there then.

        Args:
            change: returns the new one, or the same where there is nothing to change; raises to refuse.
            always: write the same one, too.
        """
        with self._guard:
            head, etag = self._known if self._known is not None else self._fetch()[:2]
            for _ in range(_ATTEMPTS):
                changed = change(head)
                if changed is head and not always:
                    return
                after = replace(changed, mark=secrets.token_hex(8))
                try:
                    written = self._write(after, etag)
                except ConditionError:
                    head, etag, _ = self._fetch()
                    if head.mark != after.mark:
                        continue
                    written = etag or ""  # it was ours; the answer got lost, and the SDK asked again
                self._known = (after, written) if self._leasing else None
                return
        raise StateAccessError(
            f"{self.name} changes faster than it can be written", "Find out who else writes there, and try again."
        )

    def _write(self, head: Head, etag: str | None) -> str:
        if etag is not None:
            return self._bucket.put(self._key, head.encode(), IfMatch=etag)
        written = self._bucket.put(self._key, head.encode(), IfNoneMatch="*")
        self._require_conditions(head)
        return written

    def _require_conditions(self, head: Head) -> None:
        """Make sure, once for every state, that the store honours conditions: all safety here hangs on that."""
        for condition in ({"IfNoneMatch": "*"}, {"IfMatch": '"00000000000000000000000000000000"'}):
            try:
                self._bucket.put(self._key, head.encode(), **condition)
            except ConditionError:
                continue
            raise StateAccessError(
                f"{self.name} cannot be kept there: the object store ignores conditional writes",
                "Use a store that honours If-Match and If-None-Match for PUT, as Amazon S3, MinIO, Ceph and Cloudflare "
                "R2 do, or keep the state in PostgreSQL. Delete the object that was written.",
            )

    def _ours(self, head: Head, holder: Holder) -> Head:
        if head.fence != holder.fence or head.holder is None:
            raise FenceError(
                f"the lock of {self.name} was taken from this process (lock id {holder.id}), so it stops writing",
                "Another run may have gone on since. Everything that this one had begun is in the journal: run "
                "`kmsplan plan` to see what is left.",
            )
        return head

    def _unmoved(self, head: Head, holder: Holder, before: Copy) -> Head:
        if self._ours(head, holder).version != before.version:
            raise self._moved()
        return head

    def _moved(self) -> StateMovedError:
        return StateMovedError(
            f"{self.name} was changed during this run by something that does not hold the lock",
            "What this run did is in the journal on this machine and at the store. Find out who writes to the bucket, "
            "put the object back, and run kmsplan again.",
        )
