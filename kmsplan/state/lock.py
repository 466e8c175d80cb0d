"""The lock of a local state: flock on a file, so that a dead process's lock frees itself.

1. The lock is the flock on the inode that stands at the path. What the file says is for people.
2. Breaking a lock puts a new inode at the path. A holder that wakes up afterwards finds another inode there than its
   own (its own cannot be used again while it has it open), and must not write.
3. Readers do not need it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Self

from kmsplan.state.durable import sync_folder
from kmsplan.state.error import FenceError, LockHeldError, StateAccessError, UnlockError
from kmsplan.state.holder import SIZE, Holder, LockFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

HEARTBEAT: Final = 5.0
"""Seconds from one heartbeat to the next."""
FRESH: Final = timedelta(seconds=30)
"""A holder that has not written for this long, six heartbeats, may be stopped or cut off; its lock may be broken."""
_POLL: Final = 0.1
_GLANCES: Final = (0.02, 0.02)
"""A held lock is looked at again twice, even without a timeout: a look by `unlock` holds it for an instant."""


class Lock:
    """A held lock. Ends with `release`, with the `with` block, or with the process."""

    def __init__(self, path: Path, descriptor: int, holder: Holder, clock: Callable[[], datetime]) -> None:
        self._path = path
        self._name = os.fspath(path)
        self._descriptor = descriptor
        self._clock = clock
        self._ended = threading.Event()
        status = os.fstat(descriptor)
        self._inode = (status.st_dev, status.st_ino)
        self.holder = holder
        _write(descriptor, LockFile(holder.fence, holder))
        self._heart = threading.Thread(target=self._beat, name="kmsplan-lock", daemon=True)
        self._heart.start()

    @property
    def fence(self) -> int:
        """The number of this holding; it only grows from one to the next."""
        return self.holder.fence

    def check(self) -> None:
        """Do nothing while the lock is ours.

        Raises:
            FenceError: it was broken. Nothing more may be written.
        """
        if not self._is_ours():
            raise FenceError(
                f"the lock {self._path} was broken while this process held it (lock id {self.holder.id}), so it stops "
                "writing",
                "Another run may have gone on since. Everything that this one had begun is in the journal: run "
                "`kmsplan plan` to see what is left.",
            )

    def _is_ours(self) -> bool:
        try:
            status = os.stat(self._name)  # noqa: PTH116 - at every flush, and a third faster with a string
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._inode

    def release(self, *, named: bool = False) -> None:
        """Give the lock back; a second call does nothing.

        Args:
            named: leave the holder's name in the file, as a process that was killed does.
        """
        if self._ended.is_set():
            return
        self._ended.set()
        self._heart.join()
        if not named:
            with contextlib.suppress(OSError):  # only words for people; the lock itself ends with the descriptor
                _write(self._descriptor, LockFile(self.fence, None))
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT):
            if not self._is_ours():
                return
            now = dataclasses.replace(self.holder, heartbeat=self._clock())
            with contextlib.suppress(OSError):  # a heartbeat that cannot be written shows as a stale lock
                _write(self._descriptor, LockFile(self.fence, now))


def acquire(
    path: Path,
    *,
    owner: str,
    command: str,
    identifier: str,
    clock: Callable[[], datetime],
    timeout: float = 0.0,
    sleep: Callable[[float], object] = time.sleep,
    waiting: Callable[[Holder | None], None] = lambda _: None,
) -> Lock:
    """Take the lock.

    Args:
        path: The lock file; made where it does not exist.
        owner: Who takes it, user@host.
        command: What for.
        identifier: A new id, which `unlock` asks for.
        clock: The time now.
        timeout: Seconds to wait for another holder.
        sleep: Waits.
        waiting: Told once whom it waits for.

    Raises:
        LockHeldError: somebody else holds it; shows who.
        StateAccessError: the file cannot be opened.
    """
    for number, delay in enumerate((*_delays(timeout), None)):
        descriptor = _open(path)
        if _try_lock(descriptor, path):
            return _taken(path, descriptor, owner=owner, command=command, identifier=identifier, clock=clock)
        holder = _read(descriptor).holder
        os.close(descriptor)
        if delay is None:
            raise _held(path, holder, timeout)
        if number == len(_GLANCES):
            waiting(holder)
        sleep(delay)
    raise AssertionError("the last round returns or raises")


def _delays(timeout: float) -> list[float]:
    return [*_GLANCES, *[_POLL] * round(timeout / _POLL)]


def _taken(
    path: Path, descriptor: int, *, owner: str, command: str, identifier: str, clock: Callable[[], datetime]
) -> Lock:
    now = clock()
    holder = Holder(
        id=identifier,
        owner=owner,
        pid=os.getpid(),
        command=command,
        acquired=now,
        heartbeat=now,
        fence=_read(descriptor).fence + 1,
    )
    try:
        return Lock(path, descriptor, holder, clock)
    except OSError as error:
        os.close(descriptor)
        raise _unusable(path, error) from error


def unlock(path: Path, identifier: str, *, clock: Callable[[], datetime]) -> Holder:
    """Break a lock whose holder is stopped or cut off; return who held it.

    Raises:
        UnlockError: nobody holds it, the id is another one, or the holder is alive.
    """
    holder, fence = _stale_holder(path)
    if holder is None or holder.id != identifier:
        raise UnlockError(
            f"the lock {path} has another id than {identifier!r}: it is held by {holder or _NAMELESS}",
            "Look again at who holds it. Unlock with its id only if that run is certainly not going on.",
        )
    # One of a time to come is none of now either: who is alive would have written since the clock was set back.
    if abs(age := clock() - holder.heartbeat) < FRESH:
        raise UnlockError(
            f"the lock {path} is alive: its holder wrote {abs(age.total_seconds()):.0f} s ago ({holder})",
            f"Wait for that run, or end it. A lock can be broken {FRESH.total_seconds():.0f} s after its last "
            "heartbeat; the lock of a process that has ended frees itself.",
        )
    _break(path, fence + 1)
    return holder


_NAMELESS: Final = "a process that has not written its name (pid unknown)"


def _stale_holder(path: Path) -> tuple[Holder | None, int]:
    """Return what the file says while somebody holds the lock.

    Raises:
        UnlockError: nobody does.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _not_locked(path) from None
    try:
        if _try_lock(descriptor, path):
            raise _not_locked(path)
        content = _read(descriptor)
    finally:
        os.close(descriptor)
    return content.holder, content.fence


def _not_locked(path: Path) -> UnlockError:
    return UnlockError(
        f"nobody holds the lock {path}",
        "There is nothing to unlock: the lock of a process that has ended frees itself.",
    )


def _break(path: Path, fence: int) -> None:
    fresh = path.with_name(f"{path.name}.{fence}.tmp")
    descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        _write(descriptor, LockFile(fence, None))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fresh.replace(path)
    sync_folder(path.parent)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: OSError) -> StateAccessError:
    return StateAccessError(
        f"the lock {path} cannot be written: {error.strerror}",
        "Make the state folder writable for this user, with space on its disk. Nothing was changed.",
    )


def _try_lock(descriptor: int, path: Path) -> bool:
    """Lock, and look whether the path still names what was locked; another process may just have broken the lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def _read(descriptor: int) -> LockFile:
    return LockFile.decode(os.pread(descriptor, SIZE, 0))


def _write(descriptor: int, content: LockFile) -> None:
    os.pwrite(descriptor, content.encode(), 0)


def _held(path: Path, holder: Holder | None, timeout: float) -> LockHeldError:
    waited = f" after waiting {timeout:g} s" if timeout else ""
    breaking = f" If that process is stopped for good: kmsplan unlock {holder.id}" if holder else ""
    return LockHeldError(
        f"the state is locked{waited}: {path} is held by {holder or _NAMELESS}",
        f"Wait for that run, or give --lock-timeout SECONDS.{breaking}",
        holder,
    )
