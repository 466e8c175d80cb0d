"""What client and worker say to each other: length-prefixed frames of byte strings over a socket pair.

A lane is one socket pair. Answers come in the order of the requests, so that a frame needs no id. Long calls have a
lane each, one at a time; short ones share lanes (`pipeline`), and several of them travel at once.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

SENTINEL: Final = b"kmsplan-sentinel"
"""CKA_ID and CKA_LABEL of the sentinel object; as long as a reference, and none."""
KEK: Final = b"kmsplan-kek-0001"
"""CKA_ID of the key that wraps what the keystore keeps; likewise."""
REFERENCE_BYTES: Final = 16
LOADED_BYTES: Final = 17
"""Length of the reference of a key that is no token object but unwrapped into the worker when it is used."""
MAX_FRAME_BYTES: Final = 64 * 1024 * 1024
"""Enough to ask for a million references at once; a longer one is a broken peer."""

_HEAD: Final = struct.Struct("!IB")
_LENGTH: Final = struct.Struct("!I")
_CHUNK_BYTES: Final = 65536


Frame: TypeAlias = "tuple[int, list[bytes]]"
"""Code and fields."""


class Op(IntEnum):
    """What the worker can be asked to do."""

    HELLO = 1
    """module, token label, PIN -> JSON description of the token"""
    ABSENT = 2
    """references, concatenated -> b"1" if a fresh search found the sentinel, absent references"""
    PREPARE = 3
    """-> nothing; makes the sentinel if it is not there"""
    GENERATE = 4
    """spec, usage, reference -> b"1" if it was there before, public parts"""
    FIND = 5
    """reference -> nothing; is it there?"""
    ENCRYPT = 6
    """reference, associated data, plaintext -> IV, ciphertext and tag"""
    DECRYPT = 7
    """reference, associated data, IV, ciphertext and tag -> plaintext"""
    SIGN = 8
    """reference, algorithm, digest -> raw signature; or a message -> its HMAC"""
    DECRYPT_OAEP = 9
    """reference, algorithm, ciphertext -> plaintext"""
    DESTROY = 10
    """reference -> nothing"""
    PROBE = 11
    """family -> JSON, algorithms by spec"""
    REPORT = 12
    """-> JSON, counts of what the token holds"""
    GENERATE_WRAPPED = 13
    """spec, usage -> wrapped material, public parts"""
    LOAD = 14
    """spec, usage, reference of a loaded key, wrapped material -> nothing"""
    PROBE_WRAPPINGS = 15
    """-> JSON: by which hashes OAEP unwraps, whether key wrap unwraps private keys, whether lengths are told"""
    WRAPPING_KEY = 16
    """reference -> modulus, exponent"""
    UNWRAP = 17
    """spec, usage, reference or nothing, hash, reference of the wrapping key, what was wrapped -> public parts, then
    what a symmetric key makes of a fixed text or nothing, then the wrapped material where there is no reference"""
    PREPARE_WRAPPING = 18
    """-> nothing; makes the key that wraps if it is not there"""
    OBJECTS = 19
    """-> JSON, the keys in the token that no engine made"""
    ATTACH = 20
    """spec, usage, CKA_ID -> fingerprint, public parts; of an object that is there already, which stays as it is"""
    DETACHED = 21
    """references of attached objects -> b"1" if a fresh search found the sentinel, those whose object is not there"""
    EXPECT = 22
    """b"1" or nothing -> nothing; whether keys are in the token already, so that one without a sentinel is another"""


class Fault(IntEnum):
    """Why the worker could not do it; 0 is success."""

    BINDING_MISSING = 1
    MODULE_UNUSABLE = 2
    TOKEN_MISSING = 3
    TOKEN_AMBIGUOUS = 4
    TOKEN_UNINITIALISED = 5
    PIN_REFUSED = 6
    PIN_LOCKED = 7
    INVALID_CIPHERTEXT = 8
    ABSENT = 9
    """The sentinel works, and this key is not there."""
    UNUSABLE = 10
    """The sentinel works, and this key object does not."""
    NO_SENTINEL = 11
    SICK = 12
    """Neither the operation nor the sentinel works."""
    INTERNAL = 13
    NOT_LOADED = 14
    """The worker does not have this key; it is to be loaded again."""
    INVALID_MATERIAL = 15
    INCAPABLE = 16
    """The token works and does not do this."""
    NO_KEK = 17
    """The sentinel works, and the key that wraps what is kept outside is not there."""
    UNFIT = 18
    """The token works, and no key can stand for this object of it."""


class TokenFaultError(Exception):
    """A fault, on its way from the token to the caller."""

    def __init__(self, fault: Fault, reason: str = "") -> None:
        super().__init__(f"{fault.name}: {reason}" if reason else fault.name)
        self.fault = fault
        self.reason = reason


class FrameError(Exception):
    """The peer sent something that is no frame, or stopped in the middle of one."""


def pack(code: int, fields: Iterable[bytes]) -> bytes:
    """Return one frame: length, code, then each field with its length."""
    parts = []
    size = 1
    for field in fields:
        parts.append(_LENGTH.pack(len(field)))
        parts.append(field)
        size += 4 + len(field)
    return _HEAD.pack(size, code) + b"".join(parts)


def unpack(content: bytes, start: int = 0, end: int | None = None) -> tuple[int, list[bytes]]:
    """Return code and fields of the one whole frame that lies from `start` to `end`.

    Raises:
        FrameError: lengths and content do not agree.
    """
    fields = []
    at, end = start + _HEAD.size, len(content) if end is None else end
    while at < end:
        first = at + 4
        if first > end:
            raise FrameError("a field's length is cut off")
        at = first + int.from_bytes(content[at:first], "big")
        if at > end:
            raise FrameError("a field is cut off")
        fields.append(content[first:at])
    return content[start + 4], fields


def send(lane: socket.socket, code: int, fields: Iterable[bytes]) -> None:
    """Send one frame."""
    lane.sendall(pack(code, fields))


def receive(lane: socket.socket) -> tuple[int, list[bytes]] | None:
    """Return code and fields of the next frame; None where the peer closed the lane between two frames.

    Raises:
        FrameError: the frame is malformed or cut off.
        OSError: the lane failed, or its timeout passed.
    """
    frame = lane.recv(_CHUNK_BYTES)
    if not frame:
        return None
    while len(frame) < _HEAD.size:
        frame += _more(lane, _HEAD.size - len(frame))
    size = _size(frame, 0)
    if size > len(frame):
        frame += _rest(lane, size - len(frame))
    if size != len(frame):
        raise FrameError("more than one frame at once")
    return unpack(frame)


class Source(Protocol):
    """What frames come from: a socket, or what stands for one."""

    def recv(self, limit: int, /) -> bytes:
        """Return some bytes; none where the peer has closed."""
        ...


class Stream:
    """The frames that come in on a lane, several at once where the peer does not wait for each answer.

    Args:
        lane: what to read from; nobody else reads from it.
    """

    def __init__(self, lane: Source) -> None:
        self._lane = lane
        self._begun = b""

    def read(self) -> list[Frame]:
        """Return the frames that have come in whole, one at least; none where the peer closed between two frames.

        Raises:
            FrameError: a frame is malformed or cut off.
            OSError: the lane failed, or its timeout passed.
        """
        content = self._begun
        while True:
            part = self._lane.recv(_CHUNK_BYTES)
            if not part:
                if content:
                    raise FrameError("the peer stopped in the middle of a frame")
                return []
            content = content + part if content else part
            frames = self._cut(content)
            if frames:
                return frames
            content = self._grown(content)

    def _cut(self, content: bytes) -> list[Frame]:
        length = len(content)
        if length >= _HEAD.size and _size(content, 0) == length:
            self._begun = b""
            return [unpack(content)]
        frames = []
        at = 0
        while length - at >= _HEAD.size:
            end = at + _size(content, at)
            if end > length:
                break
            frames.append(unpack(content, at, end))
            at = end
        self._begun = content[at:]
        return frames

    def _grown(self, content: bytes) -> bytes:
        """Return a long frame that has begun, all but its last byte, without joining its parts again and again."""
        missing = _size(content, 0) - len(content) - 1 if len(content) >= _HEAD.size else 0
        return content + _rest(self._lane, missing) if missing > 0 else content


def _size(content: bytes, at: int) -> int:
    """Return how long the frame is that begins there."""
    size = int.from_bytes(content[at : at + 4], "big") + 4
    if not _HEAD.size <= size <= MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {size} bytes")
    return size


def _rest(lane: Source, missing: int) -> bytes:
    parts = []
    while missing:
        part = _more(lane, missing)
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _more(lane: Source, limit: int) -> bytes:
    part = lane.recv(min(limit, _CHUNK_BYTES * 16))
    if not part:
        raise FrameError("the peer stopped in the middle of a frame")
    return part
