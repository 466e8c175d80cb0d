"""HTML reports: what making one costs beyond the plan, and how long a browser takes to open it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmsplan.report.form import Subject, render
from kmsplan.report.scene import Scene
from tests.benchmark.process import Sample, measure, repeat
from tests.benchmark.workload import write_kmsplan
from tests.browser.specimen import many
from tests.chromium import Browser, start

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Opened:
    """One page in Chromium."""

    changes: int
    size: float
    """MB."""
    opened: float
    """Seconds until the page is whole and its table can be used."""
    filtered: float
    """Seconds from a word in the filter until its rows are shown, the first time."""


def made(root: Path, kmsplan: str, environ: Mapping[str, str], times: int) -> tuple[Sample, Sample]:
    """Return what a plan of 10,000 new keys and aliases costs as text, and with a page beside it."""
    folder = root / "pages"
    folder.mkdir()
    write_kmsplan(folder, 10_000)
    plain = repeat(times, lambda: measure([kmsplan, "plan"], folder, environ))
    report = ["--report", "html=plan.html"]
    return plain, repeat(times, lambda: measure([kmsplan, "plan", *report], folder, environ))


def opened(root: Path, changes: int) -> Opened:
    """Open a page with so many changes."""
    path = root / f"{changes}.html"
    path.write_text(render(Subject.PLAN, "html", many(changes), Scene()))
    driver = start(root / "profile")
    try:
        browser = Browser(driver)
        begun = time.monotonic()
        browser.open(path)
        whole = time.monotonic()
        word = "const it = document.querySelector('input'); it.value = 'tenant-00042';"
        browser.js(f"{word} it.dispatchEvent(new Event('input'))")
        return Opened(changes, path.stat().st_size / 1e6, whole - begun, time.monotonic() - whole)
    finally:
        driver.quit()
