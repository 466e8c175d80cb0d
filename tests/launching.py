"""kmsplan's commands, each a process of its own that is forked from one which has imported kmsplan already.

What an interpreter reads only as it starts, from its environment, is a reason for a process from the beginning; so is
measuring coverage. Two processes take turns, so that of two commands that follow each other none has the other's
hash seed: what depends on the order of a set shows.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_AT_START = ("PYTHON", "LC_", "LANG", "TZ", "LD_", "MALLOC", "OPENSSL", "GLIBC")
_MEASURED = "COV"
_CHUNK = 65536
_PIPE = 4096
_COMMANDS = 100
"""So many are forked from one process; the next has another hash seed."""


_FROM = dict(os.environ)
"""What the interpreters of the processes that fork have read."""


@dataclass
class _Forking:
    """The way to such a process; it ends where this is closed."""

    control: socket.socket
    left: int = _COMMANDS

    @classmethod
    def start(cls) -> _Forking:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            subprocess.run(
                [sys.executable, str(Path(__file__).with_name("forking.py")), str(theirs.fileno())],
                env=_FROM,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                check=True,
            )
        return cls(ours)


@dataclass
class _Turns:
    """Who is to fork next."""

    waiting: list[_Forking] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, request: bytes, files: Sequence[int]) -> None:
        with self.lock:
            if self.waiting and not self.waiting[0].left:
                self.waiting.pop(0).control.close()
            if len(self.waiting) < 2:
                self.waiting.insert(0, _Forking.start())
            next_ = self.waiting.pop(0)
            next_.left -= 1
            self.waiting.append(next_)
            socket.send_fds(next_.control, [request], files)

    def close(self) -> None:
        while self.waiting:
            self.waiting.pop().control.close()


_TURNS = _Turns()
atexit.register(_TURNS.close)


def _read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_AT_START)}


def launch(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], given: str, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run a command of kmsplan, as `subprocess.run` does with its output captured as text."""
    measured = any(name.startswith(_MEASURED) for name in environment)
    if measured or _read_at_start(environment) != _read_at_start(_FROM):
        return subprocess.run(
            command, cwd=folder, env=environment, input=given, capture_output=True, text=True, timeout=timeout,
            check=False,
        )  # fmt: skip
    deadline = time.monotonic() + timeout
    (stdin, to_stdin), (from_stdout, stdout), (from_stderr, stderr) = (os.pipe() for _ in range(3))
    answer, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with answer:
        request = json.dumps([list(command), str(folder), dict(environment)]).encode()
        _TURNS.send(request, [stdin, stdout, stderr, theirs.fileno()])
        theirs.close()
        for file in (stdin, stdout, stderr):
            os.close(file)
        process = _number(answer)
        try:
            said = _exchange(given.encode(), to_stdin, (from_stdout, from_stderr), deadline)
            answer.settimeout(max(deadline - time.monotonic(), 0.001))
            status = _number(answer)
        except TimeoutError:
            os.kill(process, signal.SIGKILL)
            raise subprocess.TimeoutExpired(list(command), timeout) from None
    return subprocess.CompletedProcess(list(command), os.waitstatus_to_exitcode(status), *map(_text, said))


def _number(answer: socket.socket) -> int:
    told = answer.recv(32)
    assert told, "the process that forks commands has ended; what it said is on standard error"
    return int(told)


def _text(content: bytes) -> str:
    return content.decode().replace("\r\n", "\n").replace("\r", "\n")


def _exchange(given: bytes, stdin: int, outputs: Sequence[int], deadline: float) -> list[bytes]:
    """Send what is given, and return all that comes until nobody can write any more."""
    said: dict[int, list[bytes]] = {file: [] for file in outputs}
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as files:
        ends = {
            file: files.enter_context(os.fdopen(file, "rb" if file in said else "wb", 0)) for file in (stdin, *said)
        }
        for file in ends:
            selector.register(file, selectors.EVENT_READ if file in said else selectors.EVENT_WRITE)
        while selector.get_map():
            ready = selector.select(max(deadline - time.monotonic(), 0))
            if not ready and time.monotonic() >= deadline:
                raise TimeoutError
            for file in (key.fd for key, _ in ready):
                if file in said:
                    said[file].append(os.read(file, _CHUNK))
                    ended = not said[file][-1]
                else:
                    given = given[_sent(file, given[:_PIPE]) :]
                    ended = not given
                if ended:
                    selector.unregister(file)
                    ends[file].close()
    return [b"".join(parts) for parts in said.values()]


def _sent(file: int, part: bytes) -> int:
    """Write, and return how much is off our hands: everything, once nobody reads it."""
    try:
        return os.write(file, part) if part else 0
    except BrokenPipeError:
        return sys.maxsize
