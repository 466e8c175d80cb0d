"""This machine's part of a shared state: the journal of its own runs, and a lock on that.

A journal is named after the snapshot that it continues, so that it can never be folded into another one.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from kmsplan.state import durable
from kmsplan.state.error import StateAccessError
from kmsplan.state.holder import SIZE, LockFile

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.state.protocol import Held
    from kmsplan.state.recoding import Recoding

_SUFFIX: Final = ".journal.jsonl"
_LEFT: Final = "superseded"
_IGNORE: Final = "*\n"


class Workspace:
    """A folder of one configuration on one machine, for one shared state."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = path / "kmsplan.lock"

    def make(self) -> None:
        """Make the folder, which version control leaves out.

        Raises:
            StateAccessError: it cannot be made.
        """
        try:
            durable.make_folder(self.path)
            ignore = self.path / ".gitignore"
            if not ignore.exists():
                ignore.write_text(_IGNORE)
        except OSError as error:
            raise StateAccessError(
                f"the folder {self.path} cannot be used: {error.strerror}",
                "kmsplan keeps the journal of its runs there, beside the shared state. Make it writable for this user.",
            ) from error

    def last_holder(self) -> str | None:
        """Return the id of the holding that the lock file still names: it has ended where the lock is free."""
        found = durable.read(self.lock)
        holder = LockFile.decode(found.content[:SIZE]).holder if found else None
        return holder.id if holder else None

    def journal(self, snapshot: bytes) -> Path:
        """Return where the journal that continues a snapshot is kept."""
        return self.path / f"{hashlib.sha256(snapshot).hexdigest()[:16]}{_SUFFIX}"

    def read(self, snapshot: bytes) -> bytes:
        """Return the journal that continues a snapshot; nothing where there is none.

        Raises:
            StateAccessError: it cannot be read.
        """
        found = durable.read(self.journal(snapshot))
        return found.content if found else b""

    def clear(self) -> None:
        """Remove the temporary files that cut-off writes of journals have left; the lock is held."""
        for left in self.path.glob(f"*{_SUFFIX}.*{durable.TEMPORARY}"):
            left.unlink(missing_ok=True)

    def forget(self, snapshot: bytes) -> None:
        """Remove the journal of a snapshot, after a newer snapshot that holds it was kept."""
        self.journal(snapshot).unlink(missing_ok=True)

    def rewrite(self, recoding: Recoding, lock: Held) -> None:
        """Put the journals that were set aside through a recoding, one by one.

        Raises:
            StateError: one is not what kmsplan wrote, or cannot be read or written.
        """
        for path in sorted(durable.names(self.path / _LEFT)):
            try:
                if path.name.endswith(durable.TEMPORARY):
                    path.unlink()
                elif (content := path.read_bytes()) is not (recoded := recoding.journal(content, path)):
                    durable.replace(path, recoded, mark=str(lock.fence), allowed=lock.check)
            except OSError as error:
                raise StateAccessError(
                    f"{path} cannot be written: {error.strerror}",
                    "Nothing is lost. Make space, or the folder writable, and run the same command again.",
                ) from error

    def set_aside(self, snapshot: bytes) -> None:
        """Move the journals of other snapshots away: runs on other machines have gone on without them.

        Raises:
            StateAccessError: the folder cannot be changed.
        """
        current = self.journal(snapshot)
        others = [path for path in durable.names(self.path) if path.name.endswith(_SUFFIX) and path != current]
        if not others:
            return
        left = self.path / _LEFT
        try:
            left.mkdir(exist_ok=True)
            for path in others:
                path.rename(left / path.name)
        except OSError as error:
            raise StateAccessError(
                f"{others[0]} cannot be moved to {left}: {error.strerror}", "Make the folder writable for this user."
            ) from error
