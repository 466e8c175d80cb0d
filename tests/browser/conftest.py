"""A browser, and reports that it shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from kmsplan.report.form import render
from tests.chromium import Browser, start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium import webdriver

    from tests.browser.specimen import Specimen


@dataclass
class Reader(Browser):
    """Somebody who opens reports."""

    folder: Path
    source: str = ""
    """Of the report that is open."""

    def show(self, specimen: Specimen) -> None:
        """Make a report and open it."""
        self.source = render(specimen.subject, "html", specimen.value, specimen.scene)
        path = self.folder / f"{specimen.subject}.html"
        path.write_text(self.source)
        self.complaints()
        self.open(path)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """One browser for all tests of this process."""
    started = start(tmp_path_factory.mktemp("profile"))
    yield started
    started.quit()


@pytest.fixture
def browser(chromium: webdriver.Chrome, tmp_path: Path) -> Iterator[Reader]:
    """A browser with a window of 1280 by 900."""
    reader = Reader(chromium, tmp_path)
    reader.size(1280)
    reader.media()
    yield reader
    reader.scripts(on=True)
