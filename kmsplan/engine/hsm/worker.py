"""The worker process: `python -m kmsplan.engine.hsm.worker CLIENT-PID FD,... FD,...`, each FD an inherited lane.

The first are for long calls: each has a thread. The others are for short ones and share theirs (`post`). Each thread
has a session from its first call on. The first frame of the first lane names module and token and brings the PIN. The
process ends when the client closes the lanes or dies, after what it is doing, within `GRACE`.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Final

from kmsplan.engine.hsm.answering import OK, Clerk, fault
from kmsplan.engine.hsm.message import Fault, FrameError, Op, Stream, TokenFaultError, receive, send
from kmsplan.engine.hsm.post import threads

if TYPE_CHECKING:
    from kmsplan.engine.hsm.driver import Driver
    from kmsplan.engine.hsm.message import Frame

GRACE: Final = 2.0
"""Seconds that calls under way may take once the client is gone: a generation that ends leaves no half object, and what
it made is destroyed."""
_PATIENCE: Final = 60.0
"""Seconds that this may take besides, where another lane's generation keeps it waiting."""
_PAUSE: Final = 0.01


class Lane:
    """One thread's connection to the client, for long calls.

    Args:
        connection: the connection.
        driver: the token.
        busy: the lanes that have something to answer.
        owing: the lanes that have something to take back; the process does not end before.
    """

    def __init__(self, connection: socket.socket, driver: Driver, busy: set[Lane], owing: set[Lane]) -> None:
        self._connection = connection
        self._clerk = Clerk(driver)
        self._busy = busy
        self._owing = owing

    def serve(self) -> None:
        """Answer until the client closes the lane."""
        stream = Stream(self._connection)
        try:
            while requests := stream.read():
                self._busy.add(self)
                self._answer(requests)
                self._busy.discard(self)
        except (OSError, FrameError):
            self._busy.discard(self)  # the client is gone, or no client of ours; either way nobody listens

    def _answer(self, requests: list[Frame]) -> None:
        answers = self._clerk.answers(requests)
        try:
            self._connection.sendall(answers)
        except OSError:
            # Others may have looked for it already, found nothing, and forgotten it.
            self._owing.add(self)
            self._clerk.take_back(requests, answers)
            self._owing.discard(self)
            raise


def _open(module: str, label: str, pin: bytes) -> Driver:
    """Load the module, find the token, log in.

    Raises:
        TokenFaultError: what keeps the token from being used.
    """
    try:
        from kmsplan.engine.hsm.driver import Driver  # noqa: PLC0415 - python-pkcs11 is an extra that may be missing
        from kmsplan.engine.hsm.opening import find, load, log_in  # noqa: PLC0415 - as above
    except ImportError as error:
        raise TokenFaultError(Fault.BINDING_MISSING, str(error)) from error
    library = load(module)
    token = find(library, label)
    return Driver(library, token, log_in(token, pin))


def _greet(lane: socket.socket) -> Driver | None:
    """Carry out the hello; tell the client and return None where that fails."""
    request = receive(lane)
    if request is None or request[0] != Op.HELLO:
        return None
    module, label, pin = request[1]
    try:
        driver = _open(module.decode(), label.decode(), pin)
    except TokenFaultError as error:
        send(lane, *fault(error))
        return None
    send(lane, OK, [json.dumps(driver.description()).encode()])
    return driver


def _watch(client: int, lanes: list[socket.socket], owing: set[Lane]) -> None:
    """Wait for the client's end, then end the lanes and, after `GRACE` and what is to be taken back, the process.

    A process that the client forked may keep the lanes open, so the client itself is watched too. Not by PDEATHSIG:
    that fires when the thread ends that started the worker.
    """
    poll = select.poll()
    poll.register(lanes[0], select.POLLRDHUP)
    if hasattr(os, "pidfd_open"):
        try:
            poll.register(os.pidfd_open(client), select.POLLIN)
        except OSError:
            os._exit(1)
    if os.getppid() != client:
        os._exit(1)
    poll.poll()
    for lane in lanes:
        with suppress(OSError):
            lane.shutdown(socket.SHUT_RDWR)
    time.sleep(GRACE)
    end = time.monotonic() + _PATIENCE
    while owing and time.monotonic() < end:
        time.sleep(_PAUSE)
    os._exit(1)


def main() -> None:
    """Serve one client until it is gone."""
    # Ctrl-C and a service manager's TERM reach the whole group; the client decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # A core dump would hold the PIN.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    client = int(sys.argv[1])
    long, short = ([socket.socket(fileno=int(number)) for number in numbers.split(",")] for numbers in sys.argv[2:])
    lanes = [*long, *short]
    owing: set[Lane] = set()
    Thread(target=_watch, args=(client, lanes, owing), daemon=True).start()
    driver = _greet(lanes[0])
    if driver is None:
        return
    busy: set[Lane] = set()
    serving = [Thread(target=Lane(lane, driver, busy, owing).serve, daemon=True) for lane in long]
    serving += threads(short, driver, lambda: not busy)
    for thread in serving:
        thread.start()
    for thread in serving:
        thread.join()
    driver.close()
    # Not by a return: what modules registered to run at exit may crash after C_Finalize, and nobody waits for it.
    os._exit(0)


if __name__ == "__main__":
    main()
