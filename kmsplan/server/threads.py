"""The way between the event loop and the threads that wait for it: work out, results back."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import get_ident
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class Returns:
    """Calls that are to be made on the event loop; made by its thread.

    However many come from another thread, the loop is woken once: the keystore's thread answers a whole batch of
    commits at a time. A call that fails is the exception handler's, and no other's loss. Once the loop has ended nobody
    waits for an answer, and calls are dropped.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread = get_ident()
        self._calls: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._woken = False

    def call(self, function: Callable[..., None], *args: Any) -> None:
        """Have a function called on the loop: at once if the caller is there, otherwise soon."""
        if get_ident() == self._thread:
            self._make(function, args)
            return
        self._calls.append((function, args))
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # it has ended; the keystore's thread goes on, or the engine would never close
                self._loop.call_soon_threadsafe(self._run)

    def _run(self) -> None:
        # Before the calls are taken: what is added from now on wakes the loop again, and nothing is left lying.
        self._woken = False
        calls = self._calls
        while calls:
            self._make(*calls.popleft())

    def _make(self, function: Callable[..., None], args: tuple[Any, ...]) -> None:
        try:
            function(*args)
        except Exception as error:  # noqa: BLE001 - those who wait for the next calls have nothing to do with it
            self._loop.call_exception_handler({"message": "an answer", "exception": error})


class Pool:
    """Threads for what waits.

    Args:
        returns: the way back.
        threads: how many.
        waiting: how many pieces of work may wait for one.
        begin: called in each thread first.
    """

    def __init__(self, returns: Returns, threads: int, waiting: int, begin: Callable[[], None] | None = None) -> None:
        self._returns = returns
        self._limit = threads + waiting
        self._taken = 0
        self._closed = False
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="kmsplan request", initializer=begin)
        self._executor.submit(int)  # so that there is a thread, whatever the machine runs short of later

    def take(self, work: Callable[[], Any], done: Callable[[Any, BaseException | None], None]) -> bool:
        """Have work done in a thread, and `done` called on the loop with its result or error; False if it is full."""
        if self._taken >= self._limit:
            return False
        self._taken += 1
        try:
            self._executor.submit(self._work, work, done)
        except RuntimeError:
            if self._closed:
                raise
            # No other thread can be started now. It is in the queue, and one that there is will take it.
        return True

    def close(self) -> None:
        """Take nothing more; what has begun ends by itself."""
        self._closed = True
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _work(self, work: Callable[[], Any], done: Callable[[Any, BaseException | None], None]) -> None:
        result, failure = None, None
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - it is the caller's answer
            failure = error
        self._returns.call(self._finish, done, result, failure)

    def _finish(
        self, done: Callable[[Any, BaseException | None], None], result: Any, error: BaseException | None
    ) -> None:
        self._taken -= 1
        done(result, error)
