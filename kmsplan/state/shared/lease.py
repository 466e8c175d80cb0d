"""A held lease: a heartbeat while it lasts, and a look at it before every write.

The fence number makes it safe, not the clock: the remote place itself refuses whoever's number is not the newest one.
Looking here as well stops a process that wakes from a long sleep before it sends anything to the KMS.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Final, Self

from kmsplan.state.error import FenceError, LockHeldError, StateAccessError, StateError
from kmsplan.state.shared.remote import ClaimedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.state.holder import Holder
    from kmsplan.state.lock import Lock
    from kmsplan.state.shared.remote import Remote

BEATS: Final = 6
"""Heartbeats in the time after which a lease may be taken."""
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0


class Lease:
    """A held lease, and the lock on this machine's part of the state."""

    def __init__(
        self, remote: Remote, holder: Holder, lock: Lock, *, seconds: float, monotonic: Callable[[], float]
    ) -> None:
        """Begin the heartbeat.

        Args:
            remote: Where the lease is.
            holder: With its fence number.
            lock: Of this machine's folder.
            seconds: A holder that is silent for so long may lose it.
            monotonic: Seconds.
        """
        self._remote = remote
        self._lock = lock
        self._every = seconds / BEATS
        self._monotonic = monotonic
        self._seen = monotonic()
        """When the lease was certainly ours."""
        self._lost: FenceError | None = None
        self._ended = threading.Event()
        self.holder = holder
        self._heart = threading.Thread(target=self._beat, name="kmsplan-lease", daemon=True)
        self._heart.start()

    @property
    def fence(self) -> int:
        """The number of this holding; it only grows from one to the next."""
        return self.holder.fence

    def check(self) -> None:
        """Do nothing while the lease is ours, or where nobody can say: this machine's own journal may be written then.

        Raises:
            FenceError: it was taken. Nothing more may be written.
        """
        self._lock.check()
        if self._lost is not None:
            raise self._lost
        if self._monotonic() - self._seen > 2 * self._every:  # this process may have slept
            with contextlib.suppress(StateAccessError):
                self._renew()

    def _renew(self) -> None:
        began = self._monotonic()
        try:
            self._remote.beat(self.holder)
        except FenceError as error:
            self._lost = error
            raise
        self._seen = began

    def release(self) -> None:
        """Give it back; a second call does nothing."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._heart.join()
        try:
            self._remote.release(self.holder)
        except StateError:
            self._lock.release(named=True)  # so that the next run here knows that this one has ended
        else:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _beat(self) -> None:
        while not self._ended.wait(self._every):
            try:
                self._renew()
            except FenceError:
                return
            except StateError:
                continue  # the next beat may reach it; until then `check` asks before every write


def acquire(
    remote: Remote,
    asking: Holder,
    lock: Lock,
    *,
    dead: str | None,
    seconds: float,
    timeout: float,
    waiting: Callable[[Holder | None], None],
    sleep: Callable[[float], object] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> Lease:
    """Take a lease.

    Args:
        remote: Where it is.
        asking: Who takes it.
        lock: Of this machine's folder, held.
        dead: Id of the holding that certainly ended without giving it back.
        seconds: A holder that is silent for so long may lose it.
        timeout: Seconds to wait for another holder.
        waiting: Told once whom it waits for.
        sleep: Waits.
        monotonic: Seconds.

    Raises:
        LockHeldError: somebody else holds it; shows who.
        StateAccessError: the place cannot be reached.
    """
    deadline, pause, told = monotonic() + timeout, _FIRST_PAUSE, False
    while True:
        try:
            return Lease(remote, remote.claim(asking, dead), lock, seconds=seconds, monotonic=monotonic)
        except ClaimedError as claimed:
            left = deadline - monotonic()
            if left <= 0:
                raise _held(remote, claimed.holder, timeout, seconds) from None
            if not told:
                waiting(claimed.holder)
                told = True
        sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST_PAUSE)


def _held(remote: Remote, holder: Holder | None, timeout: float, seconds: float) -> LockHeldError:
    waited = f" after waiting {timeout:g} s" if timeout else ""
    breaking = f" If that process is gone for good: kmsplan unlock {holder.id}." if holder else ""
    freeing = f" A lock whose holder has been silent for {seconds:g} s can be taken." if remote.expires else ""
    return LockHeldError(
        f"the state is locked{waited}: {remote.name} is held by {holder or 'somebody whose name is not told'}",
        f"Wait for that run, or give --lock-timeout SECONDS.{freeing}{breaking}",
        holder,
    )
