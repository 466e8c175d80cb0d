"""What the parts of the benchmark share: how kmsplan and Terraform are called, their workloads, a line of the table."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmark.process import Sample, measure
from tests.benchmark.workload import write_kmsplan, write_terraform

if TYPE_CHECKING:
    from tests.benchmark.load import Load

KMSPLAN = str(Path(sys.executable).with_name("kmsplan"))
TERRAFORM = shutil.which("terraform")
ENVIRON = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("KMSPLAN_", "TF_", "PYTHON"))},
    "TF_CLI_CONFIG_FILE": os.devnull,
    "CHECKPOINT_DISABLE": "1",
    "TF_IN_AUTOMATION": "1",
    "NO_COLOR": "1",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    work: str
    figure: str
    peer: str
    ratio: str
    wanted: str


def figure(sample: Sample) -> str:
    return f"{sample.wall:.2f} s wall, {sample.cpu:.2f} s CPU, {sample.peak:.0f} MB"


def rate(load: Load) -> str:
    return f"{load.rate:,.0f}/s, p50 {load.p50:.1f} ms, p99 {load.p99:.1f} ms"


@dataclass(frozen=True, slots=True)
class Bench:
    """What was asked for, and a folder for all of it; whoever made that removes it."""

    root: Path
    times: int
    """Of how many runs a figure is the median."""
    big: bool
    """Also 100,000 keys."""
    soak: float
    """Minutes of lasting load."""
    _applied: dict[int, tuple[Path, Sample]] = field(default_factory=dict)

    def kmsplan(self, folder: Path, *arguments: str, codes: tuple[int, ...] = (0,)) -> Sample:
        return measure([KMSPLAN, *arguments], folder, ENVIRON, codes)

    def terraform(self, folder: Path, *arguments: str) -> Sample:
        return measure([str(TERRAFORM), *arguments, "-input=false", "-no-color"], folder, ENVIRON)

    def applied(self, count: int) -> tuple[Path, Sample]:
        """Return a folder with `count` keys and aliases applied from nothing, and what that took."""
        if count not in self._applied:
            folder = self.root / f"kmsplan-{count}"
            folder.mkdir()
            write_kmsplan(folder, count)
            self._applied[count] = folder, self.kmsplan(folder, "apply", "--auto-approve")
        return self._applied[count]

    def terraform_applied(self, count: int) -> tuple[Path, Sample]:
        """Return a Terraform folder with the same applied."""
        folder = self.root / f"terraform-{count}"
        folder.mkdir()
        write_terraform(folder, count)
        self.terraform(folder, "init")
        return folder, self.terraform(folder, "apply", "-auto-approve")
