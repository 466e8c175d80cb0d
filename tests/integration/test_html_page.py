"""The page on HTML reports: its commands are run, and print what it shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.pages import run_page

if TYPE_CHECKING:
    from tests.project import Project

PAGE = Path(__file__).parents[2] / "docs" / "html.md"


def test_what_the_page_tells_people_to_run_does_what_it_says(project: Project) -> None:
    run_page(PAGE, project)
    for name in ("apply.html", "plan.html", "drift.html", "inventory.html", "due.html"):
        assert (project.root / name).read_text().startswith("<!doctype html>")
    assert "Apply complete: 5 added" in (project.root / "apply.html").read_text()
    assert "<svg" in (project.root / "graph.svg").read_text()
