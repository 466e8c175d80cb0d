"""What each form of a report costs: one process each makes a plan of many changes, and writes it in that form."""

from __future__ import annotations

import gc
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kmsplan.report.form import Subject, forms, render
from tests.benchmark.process import measure
from tests.reports import many, scene

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Written:
    """One report."""

    form: str
    seconds: float
    """To render it; the best of several."""
    size: int
    """Bytes."""
    beyond: float
    """MiB of the process beyond one that makes the same plan and no report."""


def compare(root: Path, environ: Mapping[str, str], count: int, times: int) -> list[Written]:
    """Return what a plan of so many changes costs in every form, JSON first."""
    wanted = ["json", *(form for form in forms(Subject.PLAN) if form != "json")]
    none = _peak(root, environ, "none", count)[1]
    found = []
    for form in wanted:
        runs = [_peak(root, environ, form, count) for _ in range(times)]
        told, peak = min(runs, key=lambda run: float(run[0]["seconds"]))
        found.append(Written(form, float(told["seconds"]), int(told["size"]), max(0.0, peak - none)))
    return found


def _peak(root: Path, environ: Mapping[str, str], form: str, count: int) -> tuple[Mapping[str, float], float]:
    sample = measure(
        [sys.executable, "-m", "tests.benchmark.reports", form, str(count), str(root / "told")],
        root,
        {**environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    return json.loads((root / "told").read_bytes()), sample.peak


def main(form: str, count: int, target: str) -> None:
    """Write one report in this process, and note how long it took."""
    gc.disable()  # as the command line does
    value = many(Subject.PLAN, count)
    began = time.perf_counter()
    text = "" if form == "none" else render(Subject.PLAN, form, value, scene())
    seconds = time.perf_counter() - began
    Path(target).write_text(json.dumps({"seconds": seconds, "size": len(text.encode())}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
