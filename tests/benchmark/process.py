"""Whole-process measurements: wall and CPU seconds and peak memory, from wait4(2)."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one command."""

    wall: float
    """Seconds."""
    cpu: float
    """User and system seconds, child processes that were waited for included."""
    peak: float
    """MiB of the largest process."""


def measure(command: Sequence[str], folder: Path, environ: Mapping[str, str], codes: tuple[int, ...] = (0,)) -> Sample:
    """Run a command once; its exit code must be among `codes`."""
    log = folder / "benchmark.log"
    with log.open("wb") as output:
        start = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, env=dict(environ), stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in codes:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{log.read_text()[-2000:]}")
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def median(samples: Sequence[Sample]) -> Sample:
    """Return the median of each figure."""
    return Sample(*(statistics.median(getattr(sample, name) for sample in samples) for name in ("wall", "cpu", "peak")))


def repeat(times: int, once: Callable[[], Sample]) -> Sample:
    """Return the median of several runs."""
    return median([once() for _ in range(times)])
