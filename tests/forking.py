"""A process that has kmsplan in its memory, and forks for each command that it is sent.

A command is a process of its own as ever: with its folder, its environment and its end. What it does not do again is to
import kmsplan, which is nine tenths of most commands' time. Run as `python forking.py SOCKET`, by tests/launching.py.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys

# What nearly every command imports as it goes.
_USUAL = (
    "kmsplan.apply.settle",
    "kmsplan.config.load",
    "kmsplan.drift.report",
    "kmsplan.engine.opening",
    "kmsplan.engine.service",
    "kmsplan.plan.planner",
    "kmsplan.state.local",
)
REQUEST_BYTES = 200_000
XKS_SECONDS = "TESTS_XKS_SECONDS"
"""A variable that says how long a command waits for an external key manager's proxy, instead of a quarter of a second.

On a machine that is busy with other tests, a process may not get the processor for so long.
"""


def _become(request: bytes, files: list[int]) -> None:
    """Be a process that has just been started so."""
    arguments, folder, environment = json.loads(request)
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.closerange(3, max(files) + 1)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if XKS_SECONDS in environment:
        from kmsplan.engine.xks.client import ProxyClient  # noqa: PLC0415 - for few commands

        defaults = ProxyClient.__init__.__kwdefaults__ or {}
        defaults["budget"] = float(environment[XKS_SECONDS])
    sys.argv = arguments


def _forked(control: socket.socket) -> bool:
    """Say whether this is a command's process now; otherwise whoever sent commands has ended."""
    while True:
        request, received, *_ = socket.recv_fds(control, REQUEST_BYTES, 4)
        if not request:
            return False
        *files, answer = received
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            command = os.fork()
            if command == 0:
                control.detach()
                _become(request, files)
                return True
            _watch(command, socket.socket(fileno=answer), files)
        for file in (*files, answer):
            os.close(file)


def _watch(command: int, answer: socket.socket, files: list[int]) -> None:
    """Tell who the command is and how it ended."""
    for file in (0, 1, 2, *files):
        os.close(file)
    with contextlib.suppress(BrokenPipeError):
        answer.send(str(command).encode())
        answer.send(str(os.waitpid(command, 0)[1]).encode())
    os._exit(0)


def _main() -> None:
    if os.fork():
        os._exit(0)  # so that it is nobody's child: there are tests that wait for all of theirs
    from kmsplan.cli.main import COMMANDS, main  # noqa: PLC0415 - the tests that import this file need none of it

    for module in {*COMMANDS.values(), *_USUAL}:
        importlib.import_module(module)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # its children's ends are told by others
    if _forked(socket.socket(fileno=int(sys.argv[1]))):
        main()


if __name__ == "__main__":
    _main()
