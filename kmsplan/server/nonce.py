"""Nonces: each may be used once, so that nobody who has seen a request can send it again.

A request is good for as long as its time stamp is, so that long its nonce must be known, to every worker process, and
after a restart. They are in one file that all workers have mapped. Each process writes in a region of its own and looks
into all of them: first it writes, then it looks, so that of two processes that get the same request at the same time at
least one sees the other. That takes no lock and no system call, and so no turn from the threads that commit.

A region has buckets, and a nonce's hash says which. A bucket is a ring: what comes in takes the oldest one's place. The
time stamp of what was overwritten stays, and no request of that time or before is taken in that bucket any more. Under
more load than the file was made for, clients with slow clocks are refused before anything is accepted twice.

A clock that was ahead, and was set back, leaves time stamps that are not to come for long. To refuse everything until
then would be to stop serving. So of what is refused by such a time the first request is refused, and what is signed
later is not; a time stamp of then that is overwritten now is forgotten.

What was written just before a power cut may be lost, and a folder may come from another machine, whose server answered
until a moment ago; a backup holds no nonces at all (`engine.keystore.nonce.forget_in`). So a file that is not of this
boot is not believed, and what was signed before it was made anew is refused: nobody can have a request carried out here
that was recorded there. Where there is no file, because the engine is new or a power cut took it, what was signed
before this boot is refused. What remains: a client whose clock is ahead signs for a time to come, and what was recorded
of it can be sent once more where its time stamp is later than that moment.

Where nodes on other machines serve the same engine, this is the first look at a nonce, which costs next to nothing; the
keystore has the last word (`engine.keystore.nonce`).
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import time
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

from kmsplan.engine.error import KeystoreError
from kmsplan.engine.keystore.nonce import forgotten, used

if TYPE_CHECKING:
    from collections.abc import Callable

REGIONS: Final = 64
"""Processes that serve one engine at the same time, at most."""
BUCKETS: Final = 2**15
"""Of a region, which has 16 MiB: room for 1.4 million nonces."""
AHEAD: Final = 3600
"""Seconds: a time stamp that is later than a good one by more was left by a clock that was ahead, and was set back."""
_NEVER: Final = bytes(4)
_MAGIC: Final = b"kmsplan nonces 2"
_HEAD: Final = 4096
_USED: Final = 1024
"""Where the head says which regions were ever used, a byte for each; a lock on its byte says who has one now."""
_TAG: Final = 8
_SLOT: Final = 12
"""A fingerprint of 64 bits, and the time stamp in seconds since 1970."""
_SLOTS: Final = 42
_RING: Final = 8
"""Where a bucket's ring begins: before it stand the last time stamp overwritten, and where the next comes in."""
_BUCKET: Final = _RING + _SLOT * _SLOTS
_NEXT: Final = tuple(bytes(((turn + 1) % _SLOTS, 0, 0, 0)) for turn in range(_SLOTS))
"""By turn what stands behind a bucket's time stamp afterwards."""
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_STAT: Final = Path("/proc/stat")


class Nonces:
    """The file, mapped; used by one thread, and by any number of processes.

    Args:
        path: made where it does not exist, and made anew where it is not of this boot.
        buckets: of a region; a file with another number is made anew.
        clock: seconds since 1970.

    Raises:
        KeystoreError: the file cannot be made, or every region has its process.
    """

    def __init__(self, path: Path, *, buckets: int = BUCKETS, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._buckets = buckets
        self._region = buckets * _BUCKET
        try:
            self._descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                self._memory = self._prepared()
            except OSError:
                os.close(self._descriptor)
                raise
        except OSError as error:
            raise KeystoreError(
                f"the nonces of requests cannot be kept in {path.parent} ({error.strerror or error}). Check the "
                "folder's owner and mode and the space on its disk. What is named nonces there and is no file, move to "
                "another place: the next start makes a new one"
            ) from error
        self.floor = int.from_bytes(self._memory[_USED - 8 : _USED], "big")
        """What says of itself that it was signed then or before, in seconds since 1970, is refused."""
        self._used = b""
        self._others: tuple[int, ...] = ()
        self._fence = Lock()

    def claim(self, access_key_id: str, nonce: str, time: int) -> bytes:
        """Use a nonce up; return the hash that stands for it and for whose it is.

        Args:
            access_key_id: whose it is; everybody's nonces are their own.
            nonce: what the client chose.
            time: what the request says of itself, in seconds since 1970; checked against the clock before.

        Raises:
            KmsError: SignatureNonceUsed or InvalidTimeStamp.Expired.
        """
        digest = hashlib.sha256(f"{len(access_key_id)} {access_key_id} {nonce}".encode()).digest()
        tag, stamp, memory = digest[:_TAG], time.to_bytes(4, "big"), self._memory
        place = int.from_bytes(digest[-4:], "big") % self._buckets * _BUCKET
        ahead = (time + AHEAD).to_bytes(4, "big")
        if time <= self.floor:
            if self.floor > time + AHEAD:
                self._lower_floor()
            raise forgotten()
        start = self._own + place
        bucket = memory[start : start + _BUCKET]  # nobody else writes there
        self._look(start, tag, stamp, ahead)
        turn = bucket[4]
        slot = _RING + turn * _SLOT
        gone = bucket[slot + _TAG : slot + _SLOT]
        # Before the slot: whoever misses there what was overwritten finds this.
        memory[start : start + _RING] = max(bucket[:4], gone if gone <= ahead else _NEVER) + _NEXT[turn]
        memory[start + slot : start + slot + _SLOT] = tag + stamp
        # What was written has to be seen by others before they are looked at: an atomic operation is a barrier.
        with self._fence:
            pass
        if memory[_USED : _USED + REGIONS] != self._used:
            self._note_regions()
        for other in self._others:
            self._look(other + place, tag, stamp, ahead)
        return digest

    def close(self) -> None:
        """Give region and file back."""
        with suppress(OSError):
            self._memory.close()
            os.close(self._descriptor)

    def _look(self, start: int, tag: bytes, stamp: bytes, ahead: bytes) -> None:
        """Look for a nonce in a bucket.

        Raises:
            KmsError: it is there, or was forgotten.
        """
        memory, ring, end = self._memory, start + _RING, start + _BUCKET
        place = memory.find(tag, ring, end)
        while place >= 0:
            if (place - ring) % _SLOT == 0:
                raise used()
            place = memory.find(tag, place + 1, end)  # the tag stands across two slots by chance
        floor = memory[start : start + 4]  # after the ring: see `claim`
        if stamp <= floor:
            if floor > ahead:
                # Also of another process: at worst it writes the old one once more.
                memory[start : start + 4] = max(stamp, int(self._clock()).to_bytes(4, "big"))
            raise forgotten()

    def _lower_floor(self) -> None:
        """Refuse what was signed until now, and not what will be: the clock was set back since the floor was chosen."""
        self.floor = int(self._clock())
        self._memory[_USED - 8 : _USED] = self.floor.to_bytes(8, "big")

    def _note_regions(self) -> None:
        self._used = self._memory[_USED : _USED + REGIONS]
        starts = (_HEAD + number * self._region for number in range(REGIONS) if self._used[number])
        self._others = tuple(start for start in starts if start != self._own)

    def _prepared(self) -> mmap.mmap:
        """Map the file, made anew unless it is of this boot and of this size, and take a region of it."""
        descriptor, size = self._descriptor, _HEAD + REGIONS * self._region
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            head = _MAGIC + _boot().ljust(_USED - 8 - len(_MAGIC), b"\0")
            found = os.fstat(descriptor).st_size
            if found != size or os.pread(descriptor, _USED - 8, 0) != head:
                floor = int(self._clock()) if found else _boot_time()
                os.ftruncate(descriptor, 1)  # to nothing would make it a new file for whoever comes if this ends here
                os.ftruncate(descriptor, size)
                os.pwrite(descriptor, head + floor.to_bytes(8, "big"), 0)
            number = self._take_region()
            self._own = _HEAD + number * self._region
            # A full disk must say so now; a mapped page without a block would end the process when it is written.
            os.posix_fallocate(descriptor, 0, _HEAD)
            os.posix_fallocate(descriptor, self._own, self._region)
            os.pwrite(descriptor, b"\1", _USED + number)
            return mmap.mmap(descriptor, size)
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _take_region(self) -> int:
        """Take the first region that no living process has; the kernel gives a dead one's back."""
        for number in range(REGIONS):
            with suppress(BlockingIOError, PermissionError):
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _USED + number)
                return number
        raise OSError(f"{REGIONS} processes serve this engine already")


def _boot() -> bytes:
    """Return what tells this start of the machine from others; of one that does not say, all are the same."""
    try:
        return _BOOT_ID.read_bytes().strip()
    except OSError:
        return b""


def _boot_time() -> int:
    """Return when the machine started, in seconds since 1970; 0 where it does not say."""
    with suppress(OSError, ValueError, IndexError):
        for line in _STAT.read_text().splitlines():
            if line.startswith("btime "):
                return int(line.split()[1])
    return 0
