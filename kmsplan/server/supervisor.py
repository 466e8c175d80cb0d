"""The supervisor: keeps as many worker processes as were asked for, until it is told to stop.

It binds the sockets and forks. It has no threads, no engine and no event loop, so that a fork is a clean copy, and so
that nothing a request does can take it down. A worker that dies is replaced; workers whose supervisor dies stop.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kmsplan.server import log, worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.server.worker import Serving

_SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGCHLD})
_STOPS: Final = frozenset({signal.SIGTERM, signal.SIGINT})
_LOOK: Final = 0.02
"""Seconds between two looks at whether new workers are ready."""
_PATIENCE: Final = 5.0
"""Seconds beyond the workers' own grace after which they are killed."""
_DELAYS: Final = (0.0, 0.1, 0.5, 2.0, 10.0)
"""Seconds before a worker is started again that died soon after its start, by how often that has happened."""
_SOON: Final = 10.0
_AGAIN: Final = 1.0
"""Seconds before the next try to start one where the machine had nothing left for it."""


@dataclass(slots=True)
class _Worker:
    number: int
    process: int
    ready: int
    """A pipe that says when it answers requests, and closes when it dies; -1 once that has been read."""
    started: float
    failures: int = 0


class Supervisor:
    """See the module.

    Args:
        serving: what is served.
        workers: how many processes.
        explain: tells the user of an error that ends a worker, and returns the exit code.
    """

    def __init__(self, serving: Serving, workers: int, explain: Callable[[BaseException], int]) -> None:
        self._serving = serving
        self._count = workers
        self._explain = explain
        self._workers: dict[int, _Worker] = {}
        """By process id."""
        self._due: list[tuple[float, int, int]] = []
        """Workers to start again: when, which, how often it has failed."""
        self._alive = os.pipe()

    def run(self, announce: Callable[[], None]) -> int:
        """Serve; return the exit code.

        Args:
            announce: called once all workers answer requests.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        self._start(0, failures=0)
        announced = False
        while True:
            if not announced and self._all_ready():
                announced = True
                announce()
            received = signal.sigtimedwait(_SIGNALS, self._pause(announced=announced))
            if received is not None and received.si_signo in _STOPS:
                return self._stop()
            code = self._bury(announced=announced)
            if code is not None:
                self._stop()
                return code
            self._look()
            self._restart()

    def _all_ready(self) -> bool:
        """Return whether all workers answer requests; the others start after the first, whose errors stand for all."""
        if any(each.ready >= 0 for each in self._workers.values()):
            return False
        first = len(self._workers)
        for number in range(first, self._count):
            self._start(number, failures=0)
        return first == self._count

    def _pause(self, *, announced: bool) -> float:
        if not announced or any(each.ready >= 0 for each in self._workers.values()):
            return _LOOK
        return max(min((due for due, _, _ in self._due), default=time.monotonic() + 60.0) - time.monotonic(), 0.0)

    def _start(self, number: int, failures: int) -> None:
        reading, writing = os.pipe()
        try:
            process = os.fork()
        except OSError:
            os.close(reading)
            os.close(writing)
            raise
        if process == 0:
            os.close(reading)
            self._be_worker(number, writing)
        os.close(writing)
        os.set_blocking(reading, False)
        self._workers[process] = _Worker(number, process, reading, time.monotonic(), failures)

    def _be_worker(self, number: int, ready: int) -> None:
        """Be a worker, in the process just made, and end with it: nothing of the supervisor's is to run here."""
        code = 1
        try:
            os.close(self._alive[1])
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            worker.run(self._serving, number, ready=ready, alive=self._alive[0])
            code = 0
        except BaseException as error:  # noqa: BLE001 - the process ends here
            code = self._explain(error)
        finally:
            os._exit(code)

    def _look(self) -> None:
        """Note which workers have become ready."""
        for each in self._workers.values():
            if each.ready >= 0:
                try:
                    os.read(each.ready, 1)
                except BlockingIOError:
                    continue
                os.close(each.ready)
                each.ready = -1

    def _bury(self, *, announced: bool) -> int | None:
        """Note which workers have died, to be started again; return an exit code where that is no use."""
        while self._workers:
            process, status = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                return None
            dead = self._workers.pop(process)
            if dead.ready >= 0:
                os.close(dead.ready)
            if not announced:
                return max(os.waitstatus_to_exitcode(status), 1)  # it has said why
            soon = time.monotonic() - dead.started < _SOON
            failures = dead.failures + 1 if soon else 0
            delay = _DELAYS[min(failures, len(_DELAYS) - 1)]
            self._due.append((time.monotonic() + delay, dead.number, failures))
        return None

    def _restart(self) -> None:
        now = time.monotonic()
        due = [each for each in self._due if each[0] <= now]
        self._due = [each for each in self._due if each[0] > now]
        for _, number, failures in due:
            try:
                self._start(number, failures)
            except OSError as error:  # no process or no file is left on the machine; the other workers serve meanwhile
                log.tell(
                    self._serving.style, "error", "worker", number=number, error=f"{type(error).__name__}: {error}"
                )
                self._due.append((now + _AGAIN, number, failures))

    def _stop(self) -> int:
        """Tell the workers to finish, wait for them, and kill what has not ended when their time is over."""
        self._signal(signal.SIGTERM)
        end = time.monotonic() + self._serving.limits.grace_seconds + _PATIENCE
        killed = False
        while self._workers:
            process, _ = os.waitpid(-1, os.WNOHANG)
            if process:
                self._workers.pop(process, None)
            elif time.monotonic() > end and not killed:
                killed = True
                self._signal(signal.SIGKILL)
            else:
                received = signal.sigtimedwait(_SIGNALS, _LOOK)
                if received is not None and received.si_signo in _STOPS and time.monotonic() > end - _PATIENCE:
                    self._signal(signal.SIGKILL)
        return 1 if killed else 0

    def _signal(self, number: int) -> None:
        for process in self._workers:
            os.kill(process, number)
