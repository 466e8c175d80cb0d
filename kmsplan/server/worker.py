"""One worker process: an open engine, an event loop, and what is served on it until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kmsplan.engine.error import EngineError
from kmsplan.server.action.table import ROWS
from kmsplan.server.application import Application
from kmsplan.server.health import Health
from kmsplan.server.listener import Door
from kmsplan.server.log import Log
from kmsplan.server.nonce import Nonces
from kmsplan.server.processor import Processors
from kmsplan.server.site import House, Site
from kmsplan.server.threads import Pool, Returns

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable
    from pathlib import Path

    from kmsplan.engine.pace import Pace
    from kmsplan.engine.schedule import Ticked
    from kmsplan.engine.service import Engine
    from kmsplan.server.limits import Limits
    from kmsplan.server.log import Style
    from kmsplan.server.metrics import Metrics

_STDERR: Final = 2
_SWEEP: Final = 1.0
_STEP: Final = 0.02
"""Seconds between two looks at whether all that is in flight has been answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What all workers are given, ready before the first of them is."""

    bound: socket.socket
    admin: socket.socket | None
    """Where health and metrics are; None: with the API."""
    tls: ssl.SSLContext | None
    open_engine: Callable[[], Engine]
    """Opens the engine; called in the worker, because threads and connections do not survive a fork."""
    nonces: Path
    pace: Pace
    """Of the machine's clock since the server was started, also for a worker that is started later."""
    metrics: Metrics
    limits: Limits
    style: Style
    workers: int


def run(serving: Serving, number: int, *, ready: int, alive: int) -> None:
    """Serve until SIGTERM or SIGINT, or until the supervisor has gone.

    Args:
        serving: what to serve.
        number: the worker's, from 0.
        ready: a pipe to which a byte is written once requests are answered.
        alive: a pipe whose other end the supervisor holds, and which ends with it.

    Raises:
        EngineError: the engine cannot be opened.
    """
    import uvloop  # noqa: PLC0415 - libuv starts no thread before it runs, but what the supervisor has not is not forked

    serving.metrics.begin(number)
    engine = serving.open_engine()
    try:
        # The command line runs without it. Requests leave few cycles, so a collection may be rare; what there is from
        # the start need not be looked at again.
        gc.enable()
        gc.set_threshold(50_000, 20, 100)
        gc.collect()
        gc.freeze()
        log = Log(serving.style, _STDERR, time.time)
        uvloop.run(_serve(serving, engine, log, number, ready=ready, alive=alive))
        log.close()
    finally:
        engine.close()


async def _serve(serving: Serving, engine: Engine, log: Log, number: int, *, ready: int, alive: int) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    loop.add_reader(alive, stop.set)
    loop.set_exception_handler(lambda _, context: _log_failure(log, context))
    returns = Returns(loop)
    engine.attend(loop.call_soon, time.monotonic)
    limits = serving.limits
    processors = Processors(serving.workers)
    pool = Pool(returns, limits.threads, limits.waiting, processors.roam)
    nonces = Nonces(serving.nonces)
    house = House(limits, serving.metrics, log, clock=time.time, time=time.monotonic)
    doors = _doors(serving, engine, house, nonces, returns, pool)
    schedule = _Schedule(engine, log, serving.pace)
    processors.keep(number)  # last: the threads that there are go where they like
    with contextlib.suppress(BrokenPipeError):  # the supervisor has gone, as `alive` says
        os.write(ready, b"1")
    os.close(ready)
    sweeping = loop.create_task(_sweep(house))
    await stop.wait()
    house.drain()
    schedule.stop()
    await _drained(house, limits.grace_seconds)
    for door in doors:
        door.close()
    sweeping.cancel()
    for connection in list(house.connections):
        connection.close()
    pool.close()
    nonces.close()


def _doors(serving: Serving, engine: Engine, house: House, nonces: Nonces, returns: Returns, pool: Pool) -> list[Door]:
    application = Application(engine, ROWS, house, nonces=nonces, returns=returns, pool=pool)
    health = Health(engine, house, pool).pages()
    api = {b"/": application.handle}
    if serving.admin is None:
        api |= health
    doors = [Door(serving.bound, Site(house, api), serving.tls, serving.metrics, serving.limits)]
    if serving.admin is not None:
        doors.append(Door(serving.admin, Site(house, health), None, serving.metrics, serving.limits))
    return doors


def _log_failure(log: Log, context: dict[str, Any]) -> None:
    """Log what nobody has caught; there should be nothing."""
    error = context.get("exception")
    log.write("error", "failure", error=f"{type(error).__name__}: {error}", where=str(context.get("message")))


async def _sweep(house: House) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(_SWEEP)
            house.sweep()


async def _drained(house: House, seconds: float) -> None:
    """Wait until all that is in flight has been answered, but not longer than some seconds."""
    end = house.time() + seconds
    while house.in_flight and house.time() < end:  # noqa: ASYNC110 - an event would cost every request something
        await asyncio.sleep(_STEP)


class _Schedule:
    """Rotation, deletion and expiry, in a thread: one worker of all that serve the engine does it."""

    def __init__(self, engine: Engine, log: Log, pace: Pace) -> None:
        self._stop = threading.Event()
        self._engine = engine
        self._pace = pace
        self._log = log
        self._thread = threading.Thread(target=self._run, name="kmsplan schedule", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._engine.run_schedule(self._stop, self._tell, self._pace)
            except EngineError as error:
                self._tell(error)
                self._stop.wait(60.0)

    def _tell(self, done: Ticked | Exception) -> None:
        """Log what was done, what is postponed, and what failed."""
        if isinstance(done, Exception):
            self._log.write("error", "schedule", error=f"{type(done).__name__}: {done}")
            return
        if self._log.requests:
            counts = {name: len(getattr(done, name)) for name in ("rotated", "deleted", "expired")}
            self._log.write("info", "schedule", **counts)
        for key, reason in done.postponed.items():
            self._log.write("error", "postponed", key=key, error=reason)
