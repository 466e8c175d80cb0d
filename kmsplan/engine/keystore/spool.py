"""A file in which audit entries wait for their place in the database.

A served engine answers most calls of the data plane without changing anything but the audit trail. To write an entry
into the database takes longer than all of such a call's cryptography, so each worker process first appends it to a file
of its own, the spool, and flushes that. From there entries are brought into the database many at a time, by whoever
writes there next (see `spools`).

A spool is filled, brought in, and filled again from its beginning:

    head      magic, whose it is, and the fill: 16 random bytes, new for each time that the file is filled
    frame     length of the content, a hash of fill and content, the content: entries, one a line
    ...

A frame counts where its hash is right. So the last one may be torn, what an earlier fill has left is no frame of this
one, and the file ends at the first that does not count. The file is as long as it will get from the start: a flush need
not write where its blocks are, which makes it twice as fast.
"""

from __future__ import annotations

import errno
import hashlib
import os
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from kmsplan.engine.error import KeystoreCorruptError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SIZE: Final = 4 << 20
"""Bytes of a spool: room for about 12,000 entries."""
_MAGIC: Final = b"kmsplan spool 1\n"
_START: Final = struct.Struct(f"{len(_MAGIC)}s16s16s")
_HEAD: Final = 4096
"""Where the first frame begins: the head is a block of its own, so that a frame never rewrites it."""
_FRAME: Final = struct.Struct(">I16s")
_LINE: Final = b"\n"


class Position(NamedTuple):
    """How far a spool was brought in."""

    fill: bytes
    offset: int
    """Bytes from the beginning of the file."""


class Spool:
    """A spool as its owner writes it; used by one thread.

    Args:
        descriptor: the file, locked for this process and `SIZE` long; closed by `close`.
        name: the file's.
        owner: 16 bytes that tell the engine from others.
    """

    def __init__(self, descriptor: int, name: str, owner: bytes) -> None:
        self.name = name
        self._descriptor = descriptor
        self._owner = owner
        self.position = Position(b"", SIZE)
        """Where the next frame begins; nowhere before the first fill."""

    def begin(self, fill: bytes) -> None:
        """Fill it anew; only once all that is in it was brought in.

        Args:
            fill: 16 random bytes.

        Raises:
            OSError: it cannot be written.
        """
        self._write(_START.pack(_MAGIC, self._owner, fill), 0)
        self.position = Position(fill, _HEAD)

    def append(self, entries: Sequence[bytes]) -> bool:
        """Append entries without line ends, and return once they are on disk; False where they find no room.

        Raises:
            OSError: they are not on disk, or that is not known. What comes after them would not be either (Linux
                forgets what it failed to write): it has to be brought in and begun anew before the next.
        """
        fill, offset = self.position
        content = _LINE.join(entries)
        if offset + _FRAME.size + len(content) > SIZE:
            return False
        self._write(_FRAME.pack(len(content), _hash(fill, content)) + content, offset)
        self.position = Position(fill, offset + _FRAME.size + len(content))
        return True

    def emptied(self, since: Position | None) -> bool:
        """Return whether all that is in it was brought in; what failed to be flushed may be in it as well.

        Args:
            since: how far it was.
        """
        return not read(self._descriptor, self.name, self._owner, since)[0]

    def close(self) -> None:
        """Give file and lock back."""
        os.close(self._descriptor)

    def _write(self, data: bytes, offset: int) -> None:
        if os.pwrite(self._descriptor, data, offset) != len(data):
            raise OSError(errno.EIO, "it takes only a part of what is written to it")
        os.fdatasync(self._descriptor)


def read(descriptor: int, name: str, owner: bytes, since: Position | None) -> tuple[list[bytes], Position | None]:
    """Return the entries of a spool that was brought in so far, and how far it will have been then.

    Args:
        descriptor: the file, open for reading; others may write to it meanwhile.
        name: what messages call it.
        owner: see `Spool`; what an engine that was here before has left is nothing of this one's.
        since: None for all that is in it.

    Raises:
        KeystoreCorruptError: it is no spool.
    """
    head = os.pread(descriptor, _START.size, 0).ljust(_START.size, b"\0")
    if not head.strip(b"\0"):
        return [], since  # nobody has begun it
    magic, whose, fill = _START.unpack(head)
    if magic != _MAGIC:
        raise KeystoreCorruptError(
            f"{name} is no spool of this kmsplan: audit entries that wait in it cannot be read. Stop the engine, "
            "move the file to another place as evidence, and find out who has written to it. The next start makes a "
            "new one"
        )
    if whose != owner:
        return [], since
    offset = since.offset if since is not None and since.fill == fill else _HEAD
    entries: list[bytes] = []
    for content, end in _frames(descriptor, fill, offset):
        entries += content.split(_LINE)
        offset = end
    return entries, Position(fill, offset)


def _frames(descriptor: int, fill: bytes, offset: int) -> Iterator[tuple[bytes, int]]:
    """Yield the contents of frames, and where each ends."""
    while len(head := os.pread(descriptor, _FRAME.size, offset)) == _FRAME.size:
        length, expected = _FRAME.unpack(head)
        if length > SIZE:
            return
        content = os.pread(descriptor, length, offset + _FRAME.size)
        if len(content) != length or _hash(fill, content) != expected:
            return
        offset += _FRAME.size + length
        yield content, offset


def _hash(fill: bytes, content: bytes) -> bytes:
    hashed = hashlib.sha256(fill)
    hashed.update(content)
    return hashed.digest()[:16]
