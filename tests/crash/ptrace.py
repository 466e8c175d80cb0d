"""The kernel's ptrace and seccomp, as far as the tracer needs them: Linux on x86-64.

A seccomp filter stops the traced processes at the calls that are asked for, before they are made, and at no others, so
that a traced process is about as fast as any. Where it stands then, a call can be let through, cut short, or answered
with an error without being made.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import socket
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_TRACEME, _CONT, _GETREGS, _SETREGS, _SYSCALL, _SETOPTIONS = 0, 7, 12, 13, 24, 0x4200
SECCOMP_STOP: Final = 7
SYSCALL_STOP: Final = 0x85
"""SIGTRAP with the mark that tells the end of a call from every other trap."""
# Good syscall stops; forks, threads and executions are followed and do not look like signals; the filter's stops.
_OPTIONS: Final = 0x01 | 0x02 | 0x04 | 0x08 | 0x10 | 0x80
ALL_CHILDREN: Final = 0x40000000
"""__WALL: also threads and what children started."""
_DIE_WITH_PARENT: Final = 1
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD_NUMBER = (0x20, 0, 0, 0)
_ALLOW, _TRACE = 0x7FFF0000, 0x7FF00000
_PIDFD_GETFD: Final = 438
_RAX, _RDX, _RSI, _RDI, _ORIG_RAX = 10, 12, 13, 14, 15
_NO_CALL: Final = 2**64 - 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_libc.ptrace.restype = ctypes.c_long


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


class _Registers(ctypes.Structure):
    _fields_ = (("values", ctypes.c_uint64 * 27),)


def _ptrace(request: int, thread: int, data: int | ctypes.c_void_p | None = None) -> None:
    if _libc.ptrace(request, thread, None, data) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def let_be_traced() -> None:
    """Stop until the parent lets go, and be traced from then on."""
    _ptrace(_TRACEME, 0)
    os.kill(os.getpid(), signal.SIGSTOP)


def die_with_parent() -> None:
    """Let this process be killed when the thread ends that has forked it."""
    if _libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL):
        raise OSError(ctypes.get_errno(), "the end of the parent cannot be asked for")


def stop_at(calls: Iterable[int]) -> None:
    """Let this process, and all that it starts, stop at these calls."""
    numbers = sorted(calls)
    jumps = [(0x15, len(numbers) - place, 0, number) for place, number in enumerate(numbers)]
    lines = [_LOAD_NUMBER, *jumps, (0x06, 0, 0, _ALLOW), (0x06, 0, 0, _TRACE)]
    code = b"".join(struct.pack("=HBBI", *line) for line in lines)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(lines), ctypes.cast(buffer, ctypes.c_void_p))
    for arguments in ((_NO_NEW_PRIVILEGES, 1, 0, 0, 0), (_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)):
        if _libc.prctl(*arguments):
            raise OSError(ctypes.get_errno(), "no seccomp filter can be set")


def follow(thread: int) -> None:
    """Say what a traced process stops at; what it starts inherits that."""
    _ptrace(_SETOPTIONS, thread, _OPTIONS)


def go_on(thread: int, number: int = 0, *, to_the_end_of_the_call: bool = False) -> None:
    """Let a stopped thread go on; one that is gone has."""
    try:
        _ptrace(_SYSCALL if to_the_end_of_the_call else _CONT, thread, number)
    except ProcessLookupError:
        return


def cut(process: int, descriptor: int) -> None:
    """End a connection of another process, for both sides: shutdown(2)."""
    with connection(process, descriptor) as ours:
        ours.shutdown(socket.SHUT_RDWR)


def connection(process: int, descriptor: int) -> socket.socket:
    """Return a socket of another process, to be closed here: pidfd_getfd(2)."""
    handle = os.pidfd_open(process)
    try:
        number = _libc.syscall(_PIDFD_GETFD, handle, ctypes.c_int(descriptor), 0)
        if number == -1:
            raise OSError(ctypes.get_errno(), "no connection is there")
        return socket.socket(fileno=number)
    finally:
        os.close(handle)


class Call:
    """A call that a thread is about to make."""

    def __init__(self, thread: int) -> None:
        self.thread = thread
        self._registers = _Registers()
        _ptrace(_GETREGS, thread, ctypes.cast(ctypes.byref(self._registers), ctypes.c_void_p))
        values = self._registers.values
        self.number: int = values[_ORIG_RAX]
        self.arguments: tuple[int, ...] = (values[_RDI], values[_RSI], values[_RDX], values[7], values[9])

    def answer(self, error: int) -> None:
        """Let it fail without being made."""
        self._registers.values[_ORIG_RAX] = _NO_CALL
        self._registers.values[_RAX] = 2**64 - error
        self._set()

    def shorten(self, size: int) -> None:
        """Let its third argument, the number of bytes, be another one."""
        self._registers.values[_RDX] = size
        self._set()

    def _set(self) -> None:
        _ptrace(_SETREGS, self.thread, ctypes.cast(ctypes.byref(self._registers), ctypes.c_void_p))

    def text(self, address: int) -> str:
        """Read a string in the thread's memory."""
        with open(f"/proc/{self.thread}/mem", "rb", buffering=0) as memory:  # noqa: PTH123 - no file of a folder
            memory.seek(address)
            found = b""
            while b"\0" not in found:
                # A page at a time at most: the next one may not be there.
                part = memory.read(4096 - (address + len(found)) % 4096)
                if not part:
                    raise OSError(errno.EFAULT, "no string is there")
                found += part
        return os.fsdecode(found.partition(b"\0")[0])
