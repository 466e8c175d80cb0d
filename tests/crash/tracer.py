"""Runs a program, numbers everything it does that outlives it, and lets one of these things go wrong.

What is numbered is a crash point: each flush, write, new name, and message to another process, of the program and of
what it starts, in the order in which they come. Files count inside one folder only; messages count wherever they go.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import time
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.crash import ptrace
from tests.crash.durable import Durable

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE: Final = 90
"""Seconds after which a program counts as stuck; making an RSA key in a token takes a while."""
_TOKEN_RECORD: Final = "token.object"
"""SoftHSM2 writes what a token is over what it was. Where that fails, or its process dies, it has lost the token."""
NETWORK: Final = "network"
_OF_NETWORKS: Final = (socket.AF_INET, socket.AF_INET6)
_AT_FOLDER: Final = -100
_CREATE, _TRUNCATE = os.O_CREAT, os.O_TRUNC


class Kind(StrEnum):
    """What a crash point does."""

    FLUSH = "flush"
    WRITE = "write"
    NAME = "name"
    """A file appears, disappears, is renamed or cut off."""
    MESSAGE = "message"
    """To a database, a server, or an HSM worker; or, in a worker, the answer."""


class Fault(StrEnum):
    """What goes wrong there."""

    NONE = "nothing"
    KILL = "kill -9 of kmsplan"
    TORN = "kill -9 in the middle of the write"
    WORKER = "kill -9 of the worker"
    EIO = "I/O error"
    ENOSPC = "disk full"
    CUT = "connection cut"
    SERVER = "kill of the database server"
    POWER = "power cut: what was not flushed is gone"
    HOLLOW = "power cut: names are there, and what was written is gone"


_FD, _PATH, _AT, _TO_AT = "descriptor", "path", "path at", "from a path to a path at"
_CALLS: Final = {
    1: ("write", Kind.WRITE, _FD),
    18: ("pwrite64", Kind.WRITE, _FD),
    20: ("writev", Kind.WRITE, _FD),
    296: ("pwritev", Kind.WRITE, _FD),
    44: ("sendto", Kind.MESSAGE, _FD),
    46: ("sendmsg", Kind.MESSAGE, _FD),
    74: ("fsync", Kind.FLUSH, _FD),
    75: ("fdatasync", Kind.FLUSH, _FD),
    77: ("ftruncate", Kind.NAME, _FD),
    2: ("open", Kind.NAME, _PATH),
    82: ("rename", Kind.NAME, _PATH),
    83: ("mkdir", Kind.NAME, _PATH),
    84: ("rmdir", Kind.NAME, _PATH),
    86: ("link", Kind.NAME, _PATH),
    87: ("unlink", Kind.NAME, _PATH),
    257: ("openat", Kind.NAME, _AT),
    258: ("mkdirat", Kind.NAME, _AT),
    263: ("unlinkat", Kind.NAME, _AT),
    264: ("renameat", Kind.NAME, _AT),
    265: ("linkat", Kind.NAME, _TO_AT),
    316: ("renameat2", Kind.NAME, _AT),
}
_CUT_SHORT: Final = ("write", "pwrite64")
_ERRORS: Final = {Fault.EIO: errno.EIO, Fault.ENOSPC: errno.ENOSPC}
POWER_CUTS: Final = (Fault.POWER, Fault.HOLLOW)
_FAULTS: Final = {
    Kind.FLUSH: (Fault.KILL, Fault.EIO, Fault.ENOSPC, *POWER_CUTS),
    Kind.WRITE: (Fault.KILL, Fault.TORN, Fault.EIO, Fault.ENOSPC, *POWER_CUTS),
    Kind.NAME: (Fault.KILL, Fault.EIO, Fault.ENOSPC, *POWER_CUTS),
    Kind.MESSAGE: (Fault.KILL, Fault.CUT, *POWER_CUTS),
}


@dataclass(frozen=True, slots=True)
class Point:
    """A crash point."""

    number: int
    kind: Kind
    call: str
    where: str
    """The file, relative to the folder; or what a message goes to."""
    main: bool
    """Whether the program itself does it, or a worker: what it started, be it of a token or of a served engine."""
    near: bool = True
    """Whether a power cut on the program's machine is one of the worker's, too."""

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Return what can go wrong here."""
        if Path(self.where).name == _TOKEN_RECORD:
            return (Fault.KILL,)
        faults = _FAULTS[self.kind]
        if self.call not in _CUT_SHORT:
            faults = tuple(fault for fault in faults if fault is not Fault.TORN)
        if self.where == NETWORK:
            faults = (*faults, Fault.SERVER)
        if self.main:
            return faults
        if not self.near:
            # A token keeps what it has, and kmsplan does nothing meanwhile that its own points would not show.
            faults = tuple(fault for fault in faults if fault not in POWER_CUTS)
        return (*faults, Fault.WORKER)

    @property
    def label(self) -> str:
        """Return what tables call it."""
        return self.kind.value if self.main else f"worker: {self.kind}"


@dataclass(slots=True)
class Traced:
    """How a traced program went."""

    points: list[Point] = field(default_factory=list)
    status: int | None = None
    """Exit code, or a signal's number below 0; None where it had to be stopped because it did not end."""
    hit: Point | None = None
    """Where the fault was."""


class _StuckError(Exception):
    """The program does not end."""


@dataclass(slots=True)
class Tracer:
    """Runs one program. The process that this is called in must have no other children."""

    folder: Path
    """What happens in it counts; absolute and resolved."""
    fault: Fault = Fault.NONE
    number: int = 0
    """Of the point where it goes wrong, or of the first one behind it where that can go wrong."""
    kill_server: Callable[[], None] | None = None
    """What Fault.SERVER does; returns when it is done."""
    elsewhere: tuple[str, ...] = ()
    """Names in the folder of what a power cut spares."""
    _durable: Durable | None = None
    _traced: Traced = field(default_factory=Traced)
    _main: int = 0
    _known: set[int] = field(default_factory=set)
    _tearing: dict[int, int] = field(default_factory=dict)
    """Thread that writes a part -> process to kill when it has."""
    _processes: dict[int, int] = field(default_factory=dict)
    """Thread -> its process."""
    _channels: dict[str, str] = field(default_factory=dict)
    """Socket, as /proc names it -> what it goes to."""

    def run(self, program: Callable[[], int]) -> Traced:
        """Run a program in a child, and return when it and all that it started have ended."""
        if self.fault in POWER_CUTS:
            self._durable = Durable(self.folder, self.elsewhere)
        self._main = os.fork()
        if self._main == 0:
            _be_the_program(program)
        os.waitpid(self._main, 0)
        ptrace.follow(self._main)
        self._known.add(self._main)
        ptrace.go_on(self._main)
        self._follow()
        if self._durable and self._traced.hit:
            self._durable.cut(names=self.fault is Fault.HOLLOW)
        return self._traced

    def _follow(self) -> None:
        signal.signal(signal.SIGALRM, _give_up)
        signal.alarm(PATIENCE)
        try:
            while True:
                thread, status = os.waitpid(-1, ptrace.ALL_CHILDREN)
                self._ended(thread, status) if not os.WIFSTOPPED(status) else self._stopped(thread, status)
        except ChildProcessError:
            return
        except _StuckError:
            for thread in self._known:
                _kill(thread)
            self._traced.status = None
            self._known.clear()
        finally:
            signal.alarm(0)

    def _ended(self, thread: int, status: int) -> None:
        self._known.discard(thread)
        self._processes.pop(thread, None)
        if thread == self._main:
            self._traced.status = os.waitstatus_to_exitcode(status)

    def _stopped(self, thread: int, status: int) -> None:
        sent, event = os.WSTOPSIG(status), status >> 16
        if event == ptrace.SECCOMP_STOP:
            self._at_call(thread)
        elif sent == ptrace.SYSCALL_STOP:
            if thread in self._tearing:
                _kill(self._tearing[thread])
            ptrace.go_on(thread)
        elif event or (sent == signal.SIGSTOP and thread not in self._known):
            self._known.add(thread)
            ptrace.go_on(thread)
        else:
            ptrace.go_on(thread, sent)

    def _at_call(self, thread: int) -> None:
        try:
            call = ptrace.Call(thread)
            point = self._point(call)
        except (ProcessLookupError, FileNotFoundError):
            ptrace.go_on(thread)
            return
        tears = False
        if point is not None:
            self._traced.points.append(point)
            if self._traced.hit is None and point.number >= self.number and self.fault in point.faults:
                # Threads take turns as they like, so that this may be another point than in another run.
                self._traced.hit = point
                tears = self._go_wrong(call, point)
            elif self._durable and self._traced.hit is None and point.kind is Kind.FLUSH:
                self._durable.flush(Path(f"/proc/{thread}/fd/{call.arguments[0]}"))
        ptrace.go_on(thread, to_the_end_of_the_call=tears)

    def _go_wrong(self, call: ptrace.Call, point: Point) -> bool:
        """Let the fault happen; return whether it happens at the end of the call."""
        if self.fault is Fault.KILL:
            _kill(self._main)
        elif self.fault in POWER_CUTS:
            for each in self._known:
                _kill(each)
        elif self.fault is Fault.WORKER and not point.main:
            _kill(self._process(call.thread))
        elif self.fault is Fault.TORN:
            call.shorten(call.arguments[2] // 2)
            self._tearing[call.thread] = self._process(call.thread) if point.near else self._main
            return True
        elif self.fault is Fault.SERVER and self.kill_server is not None:
            self.kill_server()
        elif self.fault is Fault.CUT and point.kind is Kind.MESSAGE:
            ptrace.cut(self._process(call.thread), call.arguments[0])
        elif self.fault in _ERRORS:
            call.answer(_ERRORS[self.fault])
        return False

    def _point(self, call: ptrace.Call) -> Point | None:
        name, kind, form = _CALLS[call.number]
        if form == _FD:
            where = self._open_file(call.thread, call.arguments[0])
            if where is None and kind in (Kind.WRITE, Kind.MESSAGE):
                where, kind = self._channel(call.thread, call.arguments[0]), Kind.MESSAGE
        else:
            where = self._named(call, form, name)
        if where is None:
            return None
        number = len(self._traced.points) + 1
        main = self._process(call.thread) == self._main
        return Point(number, kind, name, where, main, near=not self.elsewhere)

    def _process(self, thread: int) -> int:
        if thread not in self._processes:
            self._processes[thread] = _process(thread)
        return self._processes[thread]

    def _channel(self, thread: int, descriptor: int) -> str | None:
        """Return what a message goes to; None where it is no message."""
        target = str(Path(f"/proc/{thread}/fd/{_signed(descriptor)}").readlink())
        if not target.startswith("socket:"):
            return None
        if target not in self._channels:
            with ptrace.connection(self._process(thread), descriptor) as ours:
                self._channels[target] = NETWORK if ours.family in _OF_NETWORKS else "worker"
        return self._channels[target]

    def _open_file(self, thread: int, descriptor: int) -> str | None:
        return self._inside(Path(f"/proc/{thread}/fd/{_signed(descriptor)}").readlink())

    def _inside(self, path: Path) -> str | None:
        return str(path.relative_to(self.folder)) if path.is_relative_to(self.folder) else None

    def _named(self, call: ptrace.Call, form: str, name: str) -> str | None:
        at, text = {
            _PATH: (_AT_FOLDER, call.arguments[0]),
            _AT: call.arguments[:2],
            _TO_AT: call.arguments[2:4],
        }[form]
        path = _beside(call.thread, _signed(at)) / call.text(text)
        if name in ("open", "openat"):
            flags = call.arguments[1 if name == "open" else 2]
            if not (flags & _TRUNCATE or (flags & _CREATE and not path.exists())):
                return None
        return self._inside(path)


def _be_the_program(program: Callable[[], int]) -> None:
    code = 1
    try:
        ptrace.let_be_traced()
        ptrace.stop_at(_CALLS)
        code = program()
    finally:
        os._exit(code)


def _beside(thread: int, descriptor: int) -> Path:
    return Path(f"/proc/{thread}/cwd" if descriptor == _AT_FOLDER else f"/proc/{thread}/fd/{descriptor}").readlink()


def _signed(value: int) -> int:
    """Return what a register holds as a C int."""
    value &= 0xFFFFFFFF
    return value - 2**32 if value >= 2**31 else value


def _process(thread: int) -> int:
    for line in Path(f"/proc/{thread}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("Tgid:"):
            return int(line.split()[1])
    raise ProcessLookupError(thread)


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def wait_until_gone(process: int) -> None:
    """Return when a process, which need not be a child, has ended."""
    stat = Path(f"/proc/{process}/stat")
    while True:
        try:
            if stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z":
                return
        except (FileNotFoundError, ProcessLookupError):
            return
        time.sleep(0.005)


def _give_up(*_: object) -> None:
    raise _StuckError
