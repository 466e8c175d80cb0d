"""The spools of an engine's folder: taken by those who fill them, brought into the database by whoever writes there.

How far each one was brought in stands in the database, and changes in the transaction that its entries come in by: each
is there once, whenever a process is killed. A spool that a dead process has left is brought in like any other.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from kmsplan.engine.error import KeystoreError
from kmsplan.engine.keystore import setting
from kmsplan.engine.keystore.folder import add_folder, flush_folder
from kmsplan.engine.keystore.spool import SIZE, Position, Spool, read

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from kmsplan.engine.keystore.connection import Connection

FOLDER: Final = "spool"
MOST: Final = 64
"""Processes that serve one engine at the same time, at most."""
_NAME: Final = re.compile("[0-9]{2}")
_ZEROS: Final = bytes(1 << 20)
_OFFSET_BYTES: Final = 4


def take(folder: Path, db: Connection) -> Spool:
    """Take a spool that no living process has, and make it where it is not there yet; to be begun before it is used.

    Args:
        folder: the engine's.
        db: its keystore.

    Raises:
        OSError: it cannot be made, or each one has its process.
    """
    place = folder / FOLDER
    add_folder(place)
    flush_folder(folder)  # whoever made it may have been killed before the flush
    for number in range(MOST):
        path = place / f"{number:02}"
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _lengthen(descriptor)
                flush_folder(place)
                return Spool(descriptor, path.name, _owner(setting.load_all(db)))
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    raise OSError(f"{MOST} processes serve this engine already")


def bring_in(folder: Path, db: Connection) -> list[bytes]:
    """Return the entries of all spools that were not brought in yet, and note in a transaction that they were.

    Raises:
        KeystoreError: they cannot be read.
    """
    entries: list[bytes] = []
    for name, found, until in _unread(folder, db):
        setting.store(db, _setting(name), until.offset.to_bytes(_OFFSET_BYTES, "big") + until.fill)
        entries += found
    return entries


def waiting(folder: Path, db: Connection) -> bool:
    """Return whether there is anything to bring in; raises as `bring_in`."""
    return any(True for _ in _unread(folder, db))


def emptied(spool: Spool, db: Connection) -> bool:
    """Return whether all that is in a spool was brought in."""
    return spool.emptied(_position(setting.load_all(db), spool.name))


def _unread(folder: Path, db: Connection) -> Iterator[tuple[str, list[bytes], Position]]:
    """Yield each spool that something waits in: its name, that, and how far it will have been brought in then."""
    place = folder / FOLDER
    try:
        names = sorted(filter(_NAME.fullmatch, os.listdir(place)))  # noqa: PTH208 - for each commit, and twice as fast
        settings = setting.load_all(db)
        for name in names:
            descriptor = os.open(place / name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                found, until = read(descriptor, str(place / name), _owner(settings), _position(settings, name))
            finally:
                os.close(descriptor)
            if found and until is not None:
                yield name, found, until
    except FileNotFoundError:
        return  # nobody has served the engine yet
    except OSError as error:
        raise KeystoreError(
            f"audit entries that wait in {place} cannot be read ({error.strerror}). Check the owner and mode of what "
            "is in the engine's folder, and the disk"
        ) from error


def _owner(settings: Mapping[str, bytes]) -> bytes:
    return hashlib.sha256(settings["engine_id"]).digest()[:16]


def _position(settings: Mapping[str, bytes], name: str) -> Position | None:
    """Return how far a spool was brought in; None where nothing ever was."""
    kept = settings.get(_setting(name))
    return None if kept is None else Position(kept[_OFFSET_BYTES:], int.from_bytes(kept[:_OFFSET_BYTES], "big"))


def _setting(name: str) -> str:
    return f"{FOLDER} {name}"


def _lengthen(descriptor: int) -> None:
    """Write zeros behind what is there already, up to a spool's size: the blocks are there then, and are the file's."""
    size = os.fstat(descriptor).st_size
    if size < SIZE:
        while size < SIZE:
            size += os.pwrite(descriptor, _ZEROS[: SIZE - size], size)
        os.fsync(descriptor)
