"""Everything that a state folder keeps, put under another key, or into the clear.

1. What an interrupted run has left is folded in first, under the old key, so that there is no journal meanwhile: two
   files cannot change at once.
2. Then the history, file by file. The snapshot comes last, and is replaced atomically: up to there the state opens with
   the old key, from there on with the new one. Whatever was done is found done by the next attempt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from kmsplan.state import durable, journal, snapshot
from kmsplan.state.cipher import key_of
from kmsplan.state.error import StateAccessError, StateMissingError

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.state.cipher import Codec
    from kmsplan.state.folder import Folder
    from kmsplan.state.protocol import Held


def snapshot_is_under(folder: Folder) -> bool:
    """Return whether the folder's snapshot is under its codec already.

    Raises:
        StateMissingError: there is none.
    """
    return is_under(_read(folder.snapshot), folder.codec)


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


def rekey(old: Folder, new: Folder, lock: Held) -> int:
    """Put everything under another codec; return how many files that has changed.

    Args:
        old: the folder as it was kept. There is no journal in it.
        new: the same folder as it is to be kept.
        lock: held.

    Raises:
        StateKeyError: something opens with neither codec.
        StateError: it cannot be read or written.
    """
    content = _read(new.snapshot)
    codec = new.codec if is_under(content, new.codec) else old.codec
    lineage = snapshot.decode(content, path=new.snapshot, remedy=new.remedy(), codec=codec).recorded.lineage
    changed = 0
    try:
        for path in (*sorted(durable.names(new.history)), new.snapshot):
            if path.name.endswith(durable.TEMPORARY):
                path.unlink()
            elif not is_under(kept := _read(path), new.codec):
                recoded = _recoded(kept, path, lineage, old, new.codec)
                durable.replace(path, recoded, mark=str(lock.fence), allowed=lock.check)
                changed += 1
    except OSError as error:
        raise StateAccessError(
            f"{error.filename or new.path} cannot be written: {error.strerror}",
            "Nothing is lost: what was done opens with the new key, the rest with the old one. Make space, or the "
            "folder writable, and run the same command again.",
        ) from error
    return changed


def _recoded(content: bytes, path: Path, lineage: str, old: Folder, codec: Codec) -> bytes:
    if path.suffix == ".jsonl":
        return journal.recode(content, path=path, lineage=lineage, before=old.codec, after=codec)
    return snapshot.recode(content, path=path, remedy=old.remedy(), before=old.codec, after=codec)


def is_under(content: bytes, codec: Codec) -> bool:
    """Return whether a snapshot or a journal says that it is; a journal without a line is under any."""
    line = content.partition(b"\n")[0] if content.startswith(b'{"') else content
    document: Any = None
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return not content.strip()
    return isinstance(document, dict) and key_of(document) == codec.key_id


def _read(path: Path) -> bytes:
    file = durable.read(path)
    if file is None:
        raise StateMissingError(f"{path} is not there", "Run `kmsplan apply` to make a state.")
    return file.content
