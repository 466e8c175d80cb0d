"""The client's end of one worker process: starting it, calling it, ending it."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import kmsplan
from kmsplan.engine.hsm.error import WorkerDiedError, WorkerTimeoutError
from kmsplan.engine.hsm.lane import Lanes
from kmsplan.engine.hsm.message import Fault, FrameError, Op, TokenFaultError, pack, receive, send
from kmsplan.engine.hsm.pipeline import BrokenPipelineError, Pipeline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.engine.hsm.message import Frame
    from kmsplan.kms.secret import SecretBytes

LANES: Final = 8
"""Long calls in flight at once, and lanes for short ones; a lane's first use opens its session on the token."""
_LOGIN_SECONDS: Final = 30.0
_SEARCH_SECONDS: Final = 60.0
_CRYPTO_SECONDS: Final = 30.0
"""The first use of a key may search the whole token too."""
_SECONDS: Final[Mapping[Op, float]] = {
    Op.HELLO: _LOGIN_SECONDS,
    # Making a key of 4,096 bits takes SoftHSM up to half a minute on a busy machine, and a smart card minutes.
    **dict.fromkeys((Op.GENERATE, Op.GENERATE_WRAPPED, Op.WRAPPING_KEY, Op.PROBE_WRAPPINGS), 180.0),
    **dict.fromkeys((Op.ABSENT, Op.PREPARE, Op.FIND, Op.DESTROY, Op.PROBE, Op.REPORT), _SEARCH_SECONDS),
    **dict.fromkeys((Op.OBJECTS, Op.ATTACH, Op.DETACHED), _SEARCH_SECONDS),
}
_END_SECONDS: Final = 5.0
_PACKAGE_PARENT: Final = str(Path(kmsplan.__file__).parents[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenName:
    """Which token of which module."""

    module: str
    label: str


class Worker:
    """One worker process, logged in. It serves until it dies or is closed; then another one takes its place.

    Args:
        name: module and token label.
        pin: sent as the first message; kept nowhere.

    Raises:
        TokenFaultError: the token cannot be used.
        HsmError: the process does not start.
    """

    def __init__(self, name: TokenName, pin: SecretBytes) -> None:
        self.name = name
        self._lanes = Lanes(LANES)
        pairs = [socket.socketpair() for _ in range(LANES)]
        self._theirs = (self._lanes.theirs, [theirs for _, theirs in pairs])
        self._pipeline = Pipeline([ours for ours, _ in pairs], _CRYPTO_SECONDS)
        # A file, not a pipe: nobody has to read it, and it cannot fill up and block the worker.
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._process = self._start(pin)
            hello = self.call(Op.HELLO, name.module.encode(), name.label.encode(), pin.reveal())
        except BaseException:
            self.close()
            raise
        self.description = hello[0]
        """What the token says of itself, as JSON."""
        self.used = False
        """Whether any call was made since the login; what an unused worker finds is fresh."""

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid if self._process else 0

    @property
    def alive(self) -> bool:
        """Whether the process still runs, and no call was left in the middle."""
        left = self._lanes.broken or self._pipeline.broken
        return self._process is not None and self._process.poll() is None and not left

    def call(self, op: Op, *fields: bytes, quick: bool = False) -> list[bytes]:
        """Let the worker do one operation; called from any thread.

        Args:
            op: what to do.
            fields: with what.
            quick: whether it takes a moment only, and so travels with others.

        Raises:
            TokenFaultError: the token or the key refused; the worker goes on.
            WorkerDiedError: the worker is gone; whether the operation was done is not known.
            WorkerTimeoutError: the same, by the clock.
        """
        self.used = True
        if quick:
            return self._quick(op, fields)
        seconds = _SECONDS.get(op, _CRYPTO_SECONDS)
        try:
            with self._lanes.borrow(seconds) as lane:
                answer = self._exchange(lane, op, fields, seconds)
        except queue.Empty:
            raise WorkerTimeoutError(
                f"all {LANES} sessions of token {self.name.label!r} were busy for {seconds:.0f} s; "
                "nothing was done. Try again with less at once"
            ) from None
        if answer is None:
            raise self._died()
        return _content(answer)

    def close(self) -> None:
        """End the process: it finishes what it is doing, for a short while, and is killed after that."""
        self._pipeline.close()
        self._lanes.close()
        if self._process is not None:
            self._exit_code(self._process)
        self._complaints.close()

    def abandon(self) -> None:
        """Forget a worker inherited by fork; it serves the parent on."""
        self._lanes.drop()
        self._pipeline.drop()
        self._complaints.close()
        if self._process is not None:
            self._process.returncode = 0  # or Popen would warn of a running child, which is not this process's

    def _start(self, pin: SecretBytes) -> subprocess.Popen[bytes]:
        numbers = [[lane.fileno() for lane in lanes] for lanes in self._theirs]
        # -P: the working directory, which is somebody's configuration, must not provide modules.
        command = [sys.executable, "-P", "-m", "kmsplan.engine.hsm.worker", str(os.getpid())]
        command += [",".join(map(str, some)) for some in numbers]
        try:
            return subprocess.Popen(  # noqa: S603 - the interpreter that runs us, and numbers
                command,
                pass_fds=[number for some in numbers for number in some],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # a module that prints must not spoil what we print
                stderr=self._complaints,
                env=environment(os.environ, pin),
                process_group=0,  # Ctrl-C is for the client
            )
        except OSError as error:
            raise WorkerDiedError(
                f"the worker process of token {self.name.label!r} does not start: {error}. "
                "Nothing was done; make room for a process and try again"
            ) from error
        finally:
            for lanes in self._theirs:
                for lane in lanes:
                    lane.close()

    def _quick(self, op: Op, fields: tuple[bytes, ...]) -> list[bytes]:
        try:
            answer = self._pipeline.call(pack(op, fields))
        except BrokenPipelineError as error:
            raise self._died() from error
        except TimeoutError as error:
            raise self._stopped(op, _CRYPTO_SECONDS) from error
        return _content(answer)

    def _exchange(
        self, lane: socket.socket, op: Op, fields: tuple[bytes, ...], seconds: float
    ) -> tuple[int, list[bytes]] | None:
        """Send and receive; None stands for a worker that is gone."""
        try:
            lane.settimeout(seconds)
            send(lane, op, fields)
            return receive(lane)
        except TimeoutError as error:
            raise self._stopped(op, seconds) from error
        except (OSError, FrameError):
            return None

    def _stopped(self, op: Op, seconds: float) -> WorkerTimeoutError:
        """Kill the process: a thread inside a module cannot be stopped."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        return WorkerTimeoutError(
            f"token {self.name.label!r} of the PKCS#11 module {self.name.module} did not answer {op.name} within "
            f"{seconds:.0f} s, so its worker process was stopped. "
            "Check the token and its connection, then try again"
        )

    def _died(self) -> WorkerDiedError:
        code = self._exit_code(self._process) if self._process else 0
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}{self._last_complaint()}"
        return WorkerDiedError(
            f"the worker process of token {self.name.label!r} ended ({how}) while it worked with the PKCS#11 module "
            f"{self.name.module}; the next operation starts it again. Should it end again, the module is at fault: "
            "repair or update it"
        )

    @staticmethod
    def _exit_code(process: subprocess.Popen[bytes]) -> int:
        """Wait for an end that is due, and bring it about where it does not come."""
        try:
            return process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def _last_complaint(self) -> str:
        if self._complaints.closed:
            return ""
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").strip().splitlines()
        return f": {lines[-1]}" if lines else ""


def _content(answer: Frame) -> list[bytes]:
    status, content = answer
    if status:
        raise TokenFaultError(Fault(status), content[0].decode())
    return content


def environment(ours: Mapping[str, str], pin: SecretBytes) -> dict[str, str]:
    """Return the worker's environment: ours, less any variable that holds the PIN, with the way to this package."""
    secret = pin.reveal()
    kept = {name: value for name, value in ours.items() if os.fsencode(value) != secret}
    if sysconfig.get_path("purelib") != _PACKAGE_PARENT:
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, (_PACKAGE_PARENT, kept.get("PYTHONPATH"))))
    return kept
