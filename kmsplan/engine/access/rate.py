"""Rate limits: as many requests a second as an instance's spec says, counted over all processes of a machine.

Each limit is a token bucket that holds one second's requests. What is kept of it is one number, the time at which it
would be full again (the generic cell rate algorithm, ATM Forum TM 4.0): it stands in a slot of a small file that the
processes share, read and written under a kernel lock of that slot, which a killed process gives back.

A process takes a hundredth of a second's requests out of the file at once and spends them by itself: going to the file
for each would cost a system call and the interpreter's lock. So a limit is exact to a hundredth for each process.

Where several machines share a database each takes its part of the rate. The file holds digests of names and times,
nothing else; without it, every bucket is full.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from functools import lru_cache
from hashlib import blake2b
from threading import Lock
from typing import TYPE_CHECKING, Final, NamedTuple

from kmsplan.engine.error import KeystoreError
from kmsplan.kms.capability import CAPABILITIES
from kmsplan.kms.error import KmsError
from kmsplan.kms.spec import KeyType

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kmsplan.engine.keystore.instance import InstanceRow

FILE: Final = "rates"
SECOND: Final = 1_000_000_000
"""Nanoseconds, in which all times are here. A second's worth of requests may come at once."""
SLOTS: Final = 4096
_COUNT_EVERY: Final = 10 * SECOND
_PORTION: Final = 100
"""A process takes that part of a second's requests at once."""
_ASYMMETRIC_PERCENT: Final = 15
"""Of the spec: the cloud's purchase page gives 300 asymmetric requests a second for spec 2,000."""
_SLOT: Final = struct.Struct("<32sq")
_SLOT_BYTES: Final = 64
_EMPTY: Final = bytes(32)
_FLOCK: Final = struct.Struct("hhqqi4x")
"""struct flock (fcntl(2)): type, whence, start, length, pid."""


class Limit(NamedTuple):
    """How often something may be done."""

    bucket: str
    """What is counted together."""
    rate: int
    """Requests a second, over all machines."""


def limit_of(instance: InstanceRow, *, symmetric: bool) -> Limit:
    """Return the limit of an instance's keys: its spec's, or its type's where that cannot be upgraded."""
    return _limit(instance.instance_id, instance.type, instance.spec, symmetric)


@lru_cache(maxsize=1024)
def _limit(instance_id: str, instance_type: str, spec: int, symmetric: bool) -> Limit:  # noqa: FBT001 - for the cache
    offered = CAPABILITIES[KeyType(instance_type)].symmetric_qps
    rate = spec if len(offered) > 1 else offered[0]
    if symmetric:
        return Limit(instance_id, rate)
    return Limit(f"{instance_id} asymmetric", rate * _ASYMMETRIC_PERCENT // 100)


class Rates:
    """The buckets of one machine.

    Args:
        path: their file; made with mode 0600 where it does not exist.
        clock: nanoseconds, the same for all processes of the machine and never going back.
        nodes: how many machines share the database now; asked every ten seconds.

    Raises:
        KeystoreError: the file cannot be made, or there is no room for it.
    """

    def __init__(
        self, path: Path, *, clock: Callable[[], int] = time.monotonic_ns, nodes: Callable[[], int] = lambda: 1
    ) -> None:
        self._clock = clock
        self._nodes = nodes
        self._count, self._count_again = 1, clock()
        self._descriptor = _opened(path)
        self._offsets: dict[str, int] = {}
        self._held: dict[str, int] = {}
        """By bucket: requests that were taken out of it and not made yet."""
        # The kernel's lock tells open files apart, not the threads that share one.
        self._threads = Lock()

    def admit(self, instance: InstanceRow, *, symmetric: bool) -> None:
        """Take one request out of an instance's bucket; raises as `take`."""
        self.take(limit_of(instance, symmetric=symmetric))

    def take(self, limit: Limit) -> None:
        """Take one request out of a bucket.

        Raises:
            KmsError: Rejected.Throttling; the bucket is empty.
        """
        with self._threads:
            held = self._held.get(limit.bucket) or self._fetch(limit)
            if not held:
                raise KmsError("Rejected.Throttling")
            self._held[limit.bucket] = held - 1

    def close(self) -> None:
        """Give the file back."""
        os.close(self._descriptor)

    def _fetch(self, limit: Limit) -> int:
        """Take a portion of requests out of a bucket, or what is left of one; return how many."""
        offset = self._offsets.get(limit.bucket)
        if offset is None:
            offset = self._offsets[limit.bucket] = self._find(limit.bucket)
        nodes = self._machines()
        self._lock(fcntl.F_WRLCK, offset)
        try:
            return self._take(offset, nodes * SECOND // limit.rate, max(limit.rate // nodes // _PORTION, 1))
        finally:
            self._lock(fcntl.F_UNLCK, offset)

    def _machines(self) -> int:
        """Return among how many the rate is divided; a database that was away may not even count this one yet."""
        now = self._clock()
        if now >= self._count_again:
            self._count, self._count_again = max(1, self._nodes()), now + _COUNT_EVERY
        return self._count

    def _take(self, offset: int, step: int, most: int) -> int:
        digest, full = self._read(offset)
        now = self._clock()
        # Further ahead than any request leaves it: the machine's clock began anew meanwhile.
        begin = now if full < now or full > now + max(SECOND, step) else full
        left = (max(SECOND, step) - (begin - now)) // step
        count = min(most, left)
        if count > 0:
            os.pwrite(self._descriptor, _SLOT.pack(digest, begin + count * step), offset)
        return max(0, count)

    def _find(self, bucket: str) -> int:
        """Return where a bucket's slot is, claiming one for a new bucket; when all are taken, buckets share."""
        digest = blake2b(bucket.encode(), digest_size=32).digest()
        home = int.from_bytes(digest[:4], "big") % SLOTS
        self._lock(fcntl.F_WRLCK, 0, SLOTS * _SLOT_BYTES)
        try:
            for number in range(home, home + SLOTS):
                offset = number % SLOTS * _SLOT_BYTES
                found, _ = self._read(offset)
                if found == digest:
                    return offset
                if found == _EMPTY:
                    os.pwrite(self._descriptor, _SLOT.pack(digest, 0), offset)
                    return offset
        finally:
            self._lock(fcntl.F_UNLCK, 0, SLOTS * _SLOT_BYTES)
        return home * _SLOT_BYTES

    def _read(self, offset: int) -> tuple[bytes, int]:
        digest, full = _SLOT.unpack(os.pread(self._descriptor, _SLOT.size, offset).ljust(_SLOT.size, b"\0"))
        return digest, full

    def _lock(self, kind: int, offset: int, length: int = _SLOT_BYTES) -> None:
        """Lock or unlock slots for this open file (F_OFD_SETLKW); waits for the few microseconds that others need."""
        fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLKW, _FLOCK.pack(kind, os.SEEK_SET, offset, length, 0))


def _opened(path: Path) -> int:
    """Open the file with all its blocks: one that a full disk refused later would be a request's error.

    Raises:
        KeystoreError: that cannot be.
    """
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, SLOTS * _SLOT_BYTES)
        except OSError:
            os.close(descriptor)
            raise
    except OSError as error:
        raise KeystoreError(
            f"requests cannot be counted in {path} ({error.strerror}). Check the owner and mode of the engine's "
            "folder, and the space on its disk"
        ) from error
    return descriptor
