"""The processor that a worker's event loop keeps to.

The kernel wakes a worker on the processor of the client that writes to it, where it may find another worker at work
while a processor is idle: a sixth of the time, with two workers and eight busy connections. So where there are as many
workers as processors, each loop has its own, and under load none is left alone. The other threads of a worker, and the
processes that they start, go where there is room: what they do takes long, and the loop would have to wait for it.

Where there are fewer workers than processors, nothing is gained by keeping one from those that are idle.
"""

from __future__ import annotations

import os
from contextlib import suppress


class Processors:
    """Those that this process may use.

    Args:
        workers: how many processes like this one there are.
    """

    def __init__(self, workers: int) -> None:
        self._usable = os.sched_getaffinity(0)
        self._shared_out = 1 < workers == len(self._usable)

    def keep(self, number: int) -> None:
        """Keep the calling thread, and those that it starts from now on, to one processor.

        Args:
            number: the worker's, from 0.
        """
        if self._shared_out:
            _use({sorted(self._usable)[number]})

    def roam(self) -> None:
        """Let the calling thread use all of them, whoever has started it."""
        if self._shared_out:
            _use(self._usable)


def _use(processors: set[int]) -> None:
    with suppress(OSError):  # one was taken away meanwhile, or a sandbox forbids it: all can be served without
        os.sched_setaffinity(0, processors)
