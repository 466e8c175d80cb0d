"""Everything that a state folder keeps, put under another key, or into the clear.

1. What an interrupted run has left is folded in first, under the old key, so that there is no journal meanwhile: two
   files cannot change at once.
2. Then the history, file by file. The snapshot comes last, and is replaced atomically: up to there the state opens with
   the old key, from there on with the new one. Whatever was done is found done by the next attempt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.state import durable
from kmsplan.state.error import StateAccessError

if TYPE_CHECKING:
    from kmsplan.state.folder import Folder
    from kmsplan.state.protocol import Held
    from kmsplan.state.recoding import Recoding


def put_away(folder: Folder) -> None:
    """Move a journal into the history whose every entry the snapshot holds; a crash has left it where it was."""
    if folder.journal.exists():
        earlier = [kept.serial for kept in folder.kept()]
        target = folder.history / f"{earlier[-1] if earlier else 0}.journal.jsonl"
        if earlier and not target.exists():
            folder.journal.rename(target)
        else:
            folder.journal.unlink()
        durable.sync_folder(folder.path)


def rekey(folder: Folder, recoding: Recoding, lock: Held) -> None:
    """Put every file of a folder through a recoding. There is no journal beside its snapshot.

    Raises:
        StateError: a file is not what kmsplan wrote, or cannot be read or written.
    """
    try:
        for path in (*sorted(durable.names(folder.history)), folder.snapshot):
            if path.name.endswith(durable.TEMPORARY):
                path.unlink()
                continue
            file = durable.read(path)
            content = file.content if file else b""
            recode = recoding.journal if path.suffix == ".jsonl" else recoding.snapshot
            if (recoded := recode(content, path)) is not content:
                durable.replace(path, recoded, mark=str(lock.fence), allowed=lock.check)
    except OSError as error:
        raise StateAccessError(
            f"{error.filename or folder.path} cannot be written: {error.strerror}",
            "Nothing is lost: what was done opens with the new key, the rest with the old one. Make space, or the "
            "folder writable, and run the same command again.",
        ) from error
