"""The page on pipelines: what it tells people to run is run, and prints what the page shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.pages import run_page
from tests.project import KMSPLAN

if TYPE_CHECKING:
    from tests.project import Project

ROOT = Path(__file__).parents[2]


def test_every_command_of_the_page_prints_what_it_shows(project: Project) -> None:
    project.environ["PATH"] = f"{ROOT / 'examples' / 'ci' / 'shell'}:{Path(KMSPLAN).parent}:/usr/bin:/bin"
    run_page(ROOT / "docs" / "ci.md", project)
