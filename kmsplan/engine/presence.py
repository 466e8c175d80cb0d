"""Which processes have the engine open for writing, and which of them does what is due.

What a process is making in an HSM looks, to others, like what a dead process left behind. So each one has a name and a
mark that goes with it, however it ends, and the name stands beside what it is making. Here the marks are the kernel's
locks on files in the engine's folder; `keystore.postgres.presence` has them at the server.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NODE: Final = "node-{}.lock"
SCHEDULER: Final = "scheduler.lock"
_NAME_BYTES: Final = 8
_OPEN: Final = os.O_RDWR | os.O_CLOEXEC


class Presence(Protocol):
    """This process's mark that it is there. Any thread may use it."""

    @property
    def node_id(self) -> str:
        """The name that others know this process by; ask for it whenever it is needed."""

    def alive(self, node_id: str) -> bool:
        """Return whether a node is there."""

    def lead(self) -> bool:
        """Return whether this node does what is due: one at a time does, until it is gone or follows."""

    def follow(self) -> None:
        """Leave what is due to others."""

    def close(self) -> None:
        """Take the mark away."""


class FolderPresence:
    """A mark in a folder: a locked file; see `Presence`.

    Args:
        folder: the engine's.
        entropy: source of the mark's name.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path, entropy: Callable[[int], bytes]) -> None:
        self._folder = folder
        self.node_id = entropy(_NAME_BYTES).hex()
        self._mark = _marked(self._file(self.node_id))
        # The kernel tells open files apart, not the threads that use one.
        self._lock = Lock()
        self._forget_the_dead()
        self._scheduler = os.open(folder / SCHEDULER, os.O_CREAT | _OPEN, 0o600)
        self._leads = False

    def alive(self, node_id: str) -> bool:
        """Return whether a node is there; the file of a dead one is removed."""
        path = self._file(node_id)
        try:
            descriptor = os.open(path, _OPEN)
        except FileNotFoundError:
            return False
        try:
            if not _locked(descriptor, fcntl.LOCK_SH):
                return True
            path.unlink(missing_ok=True)
            return False
        finally:
            os.close(descriptor)

    def lead(self) -> bool:
        """Return whether this node does what is due."""
        with self._lock:
            self._leads = self._leads or _locked(self._scheduler, fcntl.LOCK_EX)
            return self._leads

    def follow(self) -> None:
        """Leave what is due to others."""
        with self._lock:
            fcntl.flock(self._scheduler, fcntl.LOCK_UN)
            self._leads = False

    def close(self) -> None:
        """Take the mark away."""
        with suppress(OSError):  # a file that stays is a dead node's
            self._file(self.node_id).unlink()
        os.close(self._mark)
        os.close(self._scheduler)

    def _forget_the_dead(self) -> None:
        """Remove the files of nodes that were killed, or every kill would leave one for ever."""
        before, after = NODE.split("{}")
        for path in self._folder.glob(NODE.format("*")):
            self.alive(path.name.removeprefix(before).removesuffix(after))

    def _file(self, node_id: str) -> Path:
        return self._folder / NODE.format(node_id)


def marks(folder: Path) -> int:
    """Return how many processes have marked themselves in an engine's folder; nothing in it changes."""
    return sum(map(_is_held, folder.glob(NODE.format("*"))))


def is_led(folder: Path) -> bool:
    """Return whether one of them does what is due; nothing in the folder changes."""
    return _is_held(folder / SCHEDULER)


def _is_held(mark: Path) -> bool:
    try:
        descriptor = os.open(mark, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _locked(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _marked(path: Path) -> int:
    """Make a file and lock it; return its descriptor."""
    while True:
        descriptor = os.open(path, os.O_CREAT | _OPEN, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Somebody who looked in between has taken it for a dead node's and removed it.
        if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
            return descriptor
        os.close(descriptor)


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
