"""The worker process: `python -m kmsplan.engine.hsm.worker CLIENT-PID FD...`, each FD a lane inherited from the client.

The first frame of the first lane names module and token and brings the PIN. Each lane has a thread and, from its first
use on, a session. The process ends when the client closes the lanes or dies, after what it is doing, within `GRACE`.
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

from kmsplan.engine.hsm.message import Fault, FrameError, Op, Stream, TokenFaultError, pack, receive, send
from kmsplan.engine.hsm.wire import Wire

if TYPE_CHECKING:
    from kmsplan.engine.hsm.driver import Driver
    from kmsplan.engine.hsm.seat import Seat

GRACE: Final = 2.0
"""Seconds that calls under way may take once the client is gone: a generation that ends leaves no half object."""
_QUICK_SECONDS: Final = 0.0003
"""Beside a call that takes longer, waking up for it is nothing."""
_OK: Final = 0


class Lane:
    """One thread's connection to the client and session on the token.

    Args:
        connection: the connection.
        driver: the token.
        busy: the lanes that have something to answer.
    """

    def __init__(self, connection: socket.socket, driver: Driver, busy: set[Lane]) -> None:
        self._connection = connection
        self._busy = busy
        from kmsplan.engine.hsm.handling import HANDLERS  # noqa: PLC0415 - python-pkcs11 is an extra that may be missing

        self._driver = driver
        self._handlers = HANDLERS
        self._seat: Seat | None = None
        self._quick = False

    def serve(self) -> None:
        """Answer until the client closes the lane."""
        stream = Stream(Wire(self._connection, self._alone, polite=True))
        try:
            while requests := stream.read():
                self._busy.add(self)
                began = time.perf_counter()
                answers = b"".join([pack(*self._answer(*request)) for request in requests])
                self._quick = time.perf_counter() - began < _QUICK_SECONDS * len(requests)
                # Not by a wire: whom it wakes may take this processor, and other lanes would wait for Python's lock.
                self._connection.sendall(answers)
                self._busy.discard(self)
        except (OSError, FrameError):
            self._busy.discard(self)  # the client is gone, or no client of ours; either way nobody listens

    def _alone(self) -> bool:
        """Say whether it may pay to stay awake for the next request."""
        return self._quick and not self._busy

    def _answer(self, op: int, fields: list[bytes]) -> tuple[int, list[bytes]]:
        try:
            if self._seat is None:
                self._seat = self._driver.seat()
            return _OK, self._handlers[op](self._driver, self._seat, fields)
        except TokenFaultError as error:
            return _fault(error)
        except Exception as error:  # noqa: BLE001 - the lane must answer
            return _fault(_unexpected(error))


def _unexpected(error: Exception) -> TokenFaultError:
    """Say what went wrong without the text of the error, which could quote the request."""
    from pkcs11.exceptions import PKCS11Error  # noqa: PLC0415 - known to be importable only after the hello

    from kmsplan.engine.hsm.opening import words  # noqa: PLC0415 - as above

    if isinstance(error, PKCS11Error):
        return TokenFaultError(Fault.SICK, words(error))
    at = error.__traceback__
    while at and at.tb_next:
        at = at.tb_next
    place = f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}" if at else "nowhere"
    return TokenFaultError(Fault.INTERNAL, f"{type(error).__name__} at {place}")


def _fault(error: TokenFaultError) -> tuple[int, list[bytes]]:
    return error.fault, [error.reason.encode()]


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
        send(lane, *_fault(error))
        return None
    send(lane, _OK, [json.dumps(driver.description()).encode()])
    return driver


def _watch(client: int, lanes: list[socket.socket]) -> None:
    """Wait for the client's end, then end the lanes and, after `GRACE`, the process.

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
    os._exit(1)


def main() -> None:
    """Serve one client until it is gone."""
    # Ctrl-C and a service manager's TERM reach the whole group; the client decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # A core dump would hold the PIN.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    client, *numbers = map(int, sys.argv[1:])
    lanes = [socket.socket(fileno=number) for number in numbers]
    Thread(target=_watch, args=(client, lanes), daemon=True).start()
    driver = _greet(lanes[0])
    if driver is None:
        return
    busy: set[Lane] = set()
    threads = [Thread(target=Lane(lane, driver, busy).serve, daemon=True) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    driver.close()
    # Not by a return: what modules registered to run at exit may crash after C_Finalize, and nobody waits for it.
    os._exit(0)


if __name__ == "__main__":
    main()
