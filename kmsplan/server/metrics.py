"""Counters of all worker processes, in memory that they share, and their text for Prometheus.

Every worker counts in an area of its own, so that nobody waits for a lock; whoever is asked adds them up. A worker that
takes a dead one's place goes on with its area, so that no counter goes back. No label names a key or a caller.
"""

from __future__ import annotations

import mmap
import os
from bisect import bisect_left
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KIND: Final = b"text/plain; version=0.0.4; charset=utf-8"
OTHER: Final = "other"
OK: Final = "OK"
BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the histogram's buckets, in seconds."""
_WORD: Final = 8
_GAUGES: Final = ("pid", "connections", "in_flight", "starts", "dropped_log_lines")
_PID, CONNECTIONS, IN_FLIGHT, STARTS, DROPPED = range(len(_GAUGES))
_HISTOGRAM: Final = len(BOUNDS) + 2
"""Buckets, the one without an end, and the sum in microseconds."""


class Metrics:
    """The counters.

    Args:
        actions: names of the actions that are counted apart.
        codes: the error codes that are.
        workers: areas.
    """

    def __init__(self, actions: Sequence[str], codes: Sequence[str], workers: int) -> None:
        self._actions = {name: number for number, name in enumerate((*actions, OTHER))}
        self._codes = {name: number for number, name in enumerate((OK, *codes, OTHER))}
        self._histograms = len(_GAUGES) + len(self._actions) * len(self._codes)
        self._area = self._histograms + len(self._actions) * _HISTOGRAM
        self._workers = workers
        # Made before the workers are, who get it with everything else that the supervisor has.
        self._memory = mmap.mmap(-1, self._area * _WORD * workers)
        self._words = memoryview(self._memory).cast("Q")
        self._start = 0
        self._places: dict[tuple[str, str], tuple[int, int]] = {}

    def begin(self, worker: int) -> None:
        """Count in a worker's area from now on."""
        self._start = worker * self._area
        self._places.clear()
        self._words[self._start + _PID] = os.getpid()
        self._words[self._start + STARTS] += 1
        self.set(CONNECTIONS, 0)
        self.set(IN_FLIGHT, 0)

    def set(self, gauge: int, value: int) -> None:
        """Set one of this worker's gauges."""
        self._words[self._start + gauge] = value

    def has_more_than_others(self) -> bool:
        """Return whether another worker has fewer connections than this one."""
        words, area = self._words, self._area
        mine = words[self._start + CONNECTIONS]
        return any(words[start + CONNECTIONS] < mine for start in range(0, area * self._workers, area))

    def count(self, action: str, code: str, seconds: float) -> None:
        """Count a request that was answered."""
        words = self._words
        counter, histogram = self._places.get((action, code)) or self._place(action, code)
        words[counter] += 1
        words[histogram + bisect_left(BOUNDS, seconds)] += 1
        words[histogram + _HISTOGRAM - 1] += int(seconds * 1e6)

    def _place(self, action: str, code: str) -> tuple[int, int]:
        """Return where requests with an action and a code are counted, and where the action's histogram begins."""
        actions, codes = self._actions, self._codes
        row, column = actions.get(action, len(actions) - 1), codes.get(code, len(codes) - 1)
        counter = self._start + len(_GAUGES) + row * len(codes) + column
        place = counter, self._start + self._histograms + row * _HISTOGRAM
        if action in actions and code in codes:
            self._places[action, code] = place
        return place

    def text(self, *, sealed: bool, draining: bool) -> bytes:
        """Return everything as Prometheus reads it (text format 0.0.4)."""
        lines = [
            *_family("kmsplan_requests_total", "counter", "Requests answered, by action and error code."),
            *self._requests(),
            *_family("kmsplan_request_duration_seconds", "histogram", "From the last byte of a request to its answer."),
            *self._durations(),
            *_family("kmsplan_sealed", "gauge", "Whether the engine is sealed."),
            f"kmsplan_sealed {int(sealed)}",
            *_family("kmsplan_draining", "gauge", "Whether the server is about to stop."),
            f"kmsplan_draining {int(draining)}",
            *self._per_worker(),
        ]
        return ("\n".join(lines) + "\n").encode()

    def _sum(self, place: int) -> int:
        return sum(self._words[worker * self._area + place] for worker in range(self._workers))

    def _requests(self) -> Iterator[str]:
        place = len(_GAUGES)
        for action in self._actions:
            for code in self._codes:
                count = self._sum(place)
                place += 1
                if count:
                    yield f'kmsplan_requests_total{{action="{action}",code="{code}"}} {count}'

    def _durations(self) -> Iterator[str]:
        for number, action in enumerate(self._actions):
            start = self._histograms + number * _HISTOGRAM
            counts = [self._sum(start + bucket) for bucket in range(len(BOUNDS) + 1)]
            if not any(counts):
                continue
            total = 0
            for bound, count in zip((*BOUNDS, "+Inf"), counts, strict=True):
                total += count
                yield f'kmsplan_request_duration_seconds_bucket{{action="{action}",le="{bound}"}} {total}'
            seconds = self._sum(start + _HISTOGRAM - 1) / 1e6
            yield f'kmsplan_request_duration_seconds_sum{{action="{action}"}} {seconds}'
            yield f'kmsplan_request_duration_seconds_count{{action="{action}"}} {total}'

    def _per_worker(self) -> Iterator[str]:
        texts = {
            CONNECTIONS: ("kmsplan_connections", "gauge", "Open connections."),
            IN_FLIGHT: ("kmsplan_requests_in_flight", "gauge", "Requests being answered."),
            STARTS: ("kmsplan_worker_starts_total", "counter", "How often the worker was started."),
            DROPPED: ("kmsplan_log_lines_dropped_total", "counter", "Log lines that nobody took in time."),
        }
        for gauge, (name, kind, text) in texts.items():
            yield from _family(name, kind, text)
            for worker in range(self._workers):
                yield f'{name}{{worker="{worker}"}} {self._words[worker * self._area + gauge]}'
        yield from _family("process_resident_memory_bytes", "gauge", "Resident memory.")
        for worker in range(self._workers):
            yield f'process_resident_memory_bytes{{worker="{worker}"}} {_resident(self._words[worker * self._area])}'


def _family(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"


def _resident(pid: int) -> int:
    """Return a process's resident memory in bytes; 0 where it has gone."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
