"""The worker's end of the lanes for short calls: one thread stands at the post and looks after all of them.

To wake a thread for a call costs more than a fast token takes for it, and two threads of Python that work at once wait
for each other more than for the token. So one thread serves lane after lane, and the client has its next requests ready
meanwhile. Where a call takes long, because the token is behind a network, whoever serves it leaves the post to another
thread first.
"""

from __future__ import annotations

import os
import select
from threading import Lock, Thread
from time import perf_counter
from typing import TYPE_CHECKING, Final

from kmsplan.engine.hsm.answering import Clerk
from kmsplan.engine.hsm.message import FrameError, Stream
from kmsplan.engine.hsm.wire import Lookout

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from kmsplan.engine.hsm.driver import Driver
    from kmsplan.engine.hsm.message import Frame

_QUICK_SECONDS: Final = 0.0003
"""Of a call during which it is better to stay at the post."""
_MOST: Final = 4
"""Nobody here is in the way of the one who looks out, so he does it in 16 times once at least (`Lookout`)."""


class Post:
    """Lanes that one thread at a time looks after.

    Args:
        lanes: the lanes; the client has one request, or several at once, under way on each.
        alone: whether no other thread of this process has something to do.
    """

    def __init__(self, lanes: Sequence[socket.socket], alone: Callable[[], bool]) -> None:
        self._lanes = {lane.fileno(): (lane, Stream(lane)) for lane in lanes}
        self._epoll = select.epoll()
        for number in self._lanes:
            self._epoll.register(number, select.EPOLLIN)
        self._alone = alone
        self._lock = Lock()
        self._lookout = Lookout(most=_MOST)
        self._ready: list[tuple[int, int]] = []
        self._quick = True

    def serve(self, clerk: Clerk) -> None:
        """Answer, taking turns with other threads, until the client has closed all lanes."""
        while True:
            with self._lock:
                work = self._serve_here(clerk)
            if work is None:
                return
            self._answer(clerk, *work)

    def _serve_here(self, clerk: Clerk) -> tuple[socket.socket, list[Frame]] | None:
        """Serve quick calls; return what is to be served away from the post, or None at the end of all lanes."""
        while self._lanes:
            lane, stream = self._lanes[self._next()]
            try:
                requests = stream.read()
            except (OSError, FrameError):
                requests = []  # the client is gone, or no client of ours; either way nobody listens
            if not requests:
                number = lane.fileno()
                self._epoll.unregister(number)
                del self._lanes[number]
            elif self._quick:
                self._answer(clerk, lane, requests)
            else:
                return lane, requests
        return None

    def _next(self) -> int:
        """Return the number of a lane on which something has come."""
        while not self._ready:
            self._ready = self._poll() or self._wait()
        return self._ready.pop()[0]

    def _poll(self) -> list[tuple[int, int]]:
        return self._epoll.poll(0)

    def _wait(self) -> list[tuple[int, int]]:
        seen = self._lookout.watch(self._poll, self._alone) if self._quick else None
        return seen or self._epoll.poll()

    def _answer(self, clerk: Clerk, lane: socket.socket, requests: list[Frame]) -> None:
        began = perf_counter()
        answers = clerk.answers(requests)
        self._quick = perf_counter() - began < _QUICK_SECONDS * len(requests)
        try:
            lane.sendall(answers)
        except OSError:
            return  # the client is gone; the next look at the lane says so too


def threads(lanes: Sequence[socket.socket], driver: Driver, alone: Callable[[], bool]) -> list[Thread]:
    """Return threads, not yet started, that serve lanes from as many posts as the machine has processors for.

    Half of them are for those who call.
    """
    posts = min(len(lanes), max(1, len(os.sched_getaffinity(0)) // 2))
    shares = [lanes[first::posts] for first in range(posts)]
    made = []
    for share in shares:
        post = Post(share, alone)
        made += [Thread(target=post.serve, args=(Clerk(driver),), daemon=True) for _ in share]
    return made
