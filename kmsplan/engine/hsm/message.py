"""What client and worker say to each other: length-prefixed frames of byte strings over a socket pair.

A lane is one socket pair and carries one call at a time: request, answer, request, answer. Several calls are in flight
on several lanes, so that a frame needs no id and no thread has to hand out answers.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

SENTINEL: Final = b"kmsplan-sentinel"
"""CKA_ID and CKA_LABEL of the sentinel object; as long as a reference, and none."""
REFERENCE_BYTES: Final = 16
MAX_FRAME_BYTES: Final = 64 * 1024 * 1024
"""Enough to ask for a million references at once; a longer one is a broken peer."""

_HEAD: Final = struct.Struct("!IB")
_LENGTH: Final = struct.Struct("!I")
_CHUNK_BYTES: Final = 65536


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
    """reference, algorithm, digest -> raw signature"""
    DECRYPT_OAEP = 9
    """reference, algorithm, ciphertext -> plaintext"""
    DESTROY = 10
    """reference -> nothing"""
    PROBE = 11
    """family -> JSON, algorithms by spec"""
    REPORT = 12
    """-> JSON, counts of what the token holds"""


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


def unpack(frame: bytes) -> tuple[int, list[bytes]]:
    """Return code and fields of one whole frame.

    Raises:
        FrameError: lengths and content do not agree.
    """
    fields = []
    at = _HEAD.size
    while at < len(frame):
        if at + 4 > len(frame):
            raise FrameError("a field's length is cut off")
        end = at + 4 + int.from_bytes(frame[at : at + 4], "big")
        if end > len(frame):
            raise FrameError("a field is cut off")
        fields.append(frame[at + 4 : end])
        at = end
    return frame[4], fields


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
    size = int.from_bytes(frame[:4], "big") + 4
    if not _HEAD.size <= size <= MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {size} bytes")
    if size > len(frame):
        frame += _rest(lane, size - len(frame))
    if size != len(frame):
        raise FrameError("more than one frame at once")
    return unpack(frame)


def _rest(lane: socket.socket, missing: int) -> bytes:
    parts = []
    while missing:
        part = _more(lane, missing)
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _more(lane: socket.socket, limit: int) -> bytes:
    part = lane.recv(min(limit, _CHUNK_BYTES * 16))
    if not part:
        raise FrameError("the peer stopped in the middle of a frame")
    return part
