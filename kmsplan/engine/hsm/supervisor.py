"""Keeps one worker at hand: starts it at first need, and another where it died or its module has lost its way."""

from __future__ import annotations

import hmac
import os
import secrets
from contextlib import contextmanager
from threading import Lock, Timer
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from kmsplan.engine.hsm.client import Worker
from kmsplan.engine.hsm.error import HsmError, WorkerDiedError, WorkerTimeoutError, from_fault
from kmsplan.engine.hsm.message import Fault, Op, TokenFaultError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kmsplan.engine.hsm.client import TokenName
    from kmsplan.kms.secret import SecretBytes

_FADES: Final = 30.0
"""Seconds that a worker whose place another one has taken has for what it is doing."""
REST: Final = 1.0
"""Seconds for which a failed start is not repeated and a worker is young: a dead token costs its callers little."""
_STALE: Final = frozenset({Fault.NO_SENTINEL, Fault.SICK})
"""SoftHSM loses its way once its store was away: it finds nothing any more, until a new process asks."""
_LEAVES_DOUBT: Final = frozenset(
    {
        Op.PREPARE,
        Op.PREPARE_WRAPPING,
        Op.GENERATE,
        Op.GENERATE_WRAPPED,
        Op.WRAPPING_KEY,
        Op.UNWRAP,
        Op.DESTROY,
    }
)
"""After one of these failed, SoftHSM may not see an object that is there: the same process is not asked again."""
_NAMED: Final = {Op.FIND: 0, Op.ENCRYPT: 0, Op.DECRYPT: 0, Op.SIGN: 0, Op.DECRYPT_OAEP: 0, Op.UNWRAP: 4}
"""Which field of an operation names the key that has to be there."""
_LOOKED_FOR: Final = 1000
"""Absent keys that are remembered."""

# PINs that a token refused, as digests under a key of this process. The process keeps them and no object does, because
# the token counts the wrong tries whoever makes them.
_REFUSED: Final[set[bytes]] = set()
_DIGEST_KEY: Final = secrets.token_bytes(32)


class Supervisor:
    """The way from callers to a worker.

    Args:
        name: module and token.
        pin: where to get the PIN from, each time a worker is started.
        clock: monotonic seconds.
    """

    def __init__(self, name: TokenName, pin: Callable[[], SecretBytes], clock: Callable[[], float]) -> None:
        self._name = name
        self._pin = pin
        self._clock = clock
        self._lock = Lock()
        self._worker: Worker | None = None
        self._started_at = 0.0
        self._failure: HsmError | None = None
        self._rest_until = 0.0
        self._expects_sentinel = False
        self._fading: Worker | None = None
        """One whose place another has taken, and that is about to end."""
        self._looking = Lock()
        self._absent: dict[bytes, float] = {}
        """By key that a fresh look did not find either, when that was."""
        _SUPERVISORS.add(self)

    def call(self, op: Op, *fields: bytes, quick: bool = False) -> list[bytes]:
        """Let a worker do one operation that may be repeated; in a new worker, if this one may be stale.

        Args:
            op: what to do.
            fields: with what.
            quick: see `Worker.call`.

        Raises:
            InvalidCiphertextError: the operation is a decryption, and there is no more to say.
            HsmError: anything else that went wrong.
        """
        while True:
            worker = self.worker()
            young = self._clock() - self._started_at < REST
            try:
                return self._attempt(worker, op, fields, quick=quick)
            except TokenFaultError as error:
                if error.fault is Fault.ABSENT and op in _NAMED and self._overlooks(worker, fields[_NAMED[op]]):
                    continue
                stale = error.fault in _STALE
                if stale and (op in _LEAVES_DOUBT or not young):
                    self._retire(worker)
                if young or not stale:
                    raise self.explain(error) from error

    def _overlooks(self, worker: Worker, reference: bytes) -> bool:
        """Return whether a worker does not see a key that a new one sees, which then takes its place.

        While SoftHSM makes a key it misses what other processes make, and finds that only after their next change.
        What the old worker is doing it finishes; it ends a while later.

        Raises:
            HsmError: the new one does not start.
        """
        with self._looking:
            if self._worker is not worker:
                return True  # somebody else has looked
            now = self._clock()
            if now - self._absent.get(reference, -REST) < REST:
                return False
            fresh = self._log_in()
            try:
                fresh.call(Op.FIND, reference)
                with self._lock:
                    if self._expects_sentinel:
                        self._tell(fresh)
                    self._worker, self._started_at = fresh, now
            except TokenFaultError:
                fresh.close()
                if len(self._absent) >= _LOOKED_FOR:
                    self._absent.clear()
                self._absent[reference] = now
                return False
            except BaseException:
                fresh.close()
                raise
            self._fade(worker)
            return True

    def _fade(self, worker: Worker) -> None:
        """Let a worker finish what it is doing, and end it later; there is one such at most."""
        before, self._fading = self._fading, worker
        if before is not None:
            before.close()
        ending = Timer(_FADES, worker.close)
        ending.daemon = True
        ending.start()

    def worker(self) -> Worker:
        """Return a living worker.

        Raises:
            HsmError: it does not start, or did not a moment ago.
        """
        worker = self._worker
        if worker is not None and worker.alive:
            return worker
        with self._lock:
            if self._worker is not None and self._worker.alive:
                return self._worker
            if self._failure is not None and self._clock() < self._rest_until:
                raise type(self._failure)(*self._failure.args)
            self._discard()
            try:
                self._worker = self._log_in()
                if self._expects_sentinel:
                    self._tell(self._worker)
            except HsmError as error:
                self._rest(error)
                raise
            self._failure = None
            self._started_at = self._clock()
            return self._worker

    def expect_sentinel(self, expects: bool) -> None:  # noqa: FBT001 - a setting
        """Say whether keys are in the token already, to this worker and all that follow.

        Raises:
            HsmError: the worker does not answer.
        """
        with self._lock:
            if expects == self._expects_sentinel:
                return
            self._expects_sentinel = expects
            if self._worker is not None and self._worker.alive:
                self._tell(self._worker)

    def _tell(self, worker: Worker) -> None:
        proven = worker.used
        worker.call(Op.EXPECT, b"1" if self._expects_sentinel else b"")
        worker.used = proven  # the token was not touched: this says nothing of how the worker serves

    @contextmanager
    def second(self) -> Iterator[Worker]:
        """Lend a worker of its own beside the first: a look at the token with fresh eyes.

        Raises:
            HsmError: it does not start.
        """
        worker = self._log_in()
        try:
            yield worker
        finally:
            worker.close()

    def explain(self, error: TokenFaultError) -> Exception:
        """Return the error for people that a fault stands for."""
        return from_fault(error, self._name.module, self._name.label)

    def close(self) -> None:
        """End the worker; a later call starts another one."""
        with self._lock:
            self._discard()
            fading, self._fading = self._fading, None
        if fading is not None:
            fading.close()

    def forget(self) -> None:
        """Leave to the parent what was inherited by fork."""
        self._lock, self._looking = Lock(), Lock()
        for worker in (self._worker, self._fading):
            if worker is not None:
                worker.abandon()
        self._worker = self._fading = None

    def _attempt(self, worker: Worker, op: Op, fields: tuple[bytes, ...], *, quick: bool) -> list[bytes]:
        unproven = not worker.used
        try:
            return worker.call(op, *fields, quick=quick)
        except (WorkerDiedError, WorkerTimeoutError) as error:
            # A worker that served before is started again at once. One that died of its first call would die again.
            if unproven:
                self._rest(error)
            raise

    def _log_in(self) -> Worker:
        """Start a worker, and try the PIN unless it was refused before.

        Raises:
            HsmError: that did not work.
        """
        pin = self._pin()
        digest = hmac.digest(_DIGEST_KEY, repr((self._name, pin.reveal())).encode(), "sha256")
        if digest in _REFUSED:
            raise self.explain(TokenFaultError(Fault.PIN_REFUSED, "it did before"))
        try:
            return Worker(self._name, pin)
        except TokenFaultError as error:
            if error.fault is Fault.PIN_REFUSED:
                _REFUSED.add(digest)
            raise self.explain(error) from error

    def _rest(self, error: HsmError) -> None:
        self._failure = error
        self._rest_until = self._clock() + REST

    def _retire(self, worker: Worker) -> None:
        with self._lock:
            if self._worker is worker:
                self._discard()

    def _discard(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None


_SUPERVISORS: Final[WeakSet[Supervisor]] = WeakSet()


def _forget_all() -> None:
    for supervisor in list(_SUPERVISORS):
        supervisor.forget()


os.register_at_fork(after_in_child=_forget_all)
