"""Guides: what they tell people to run is run, in its order, and what they show is what is printed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.pages import blocks, compare, read, run_page

if TYPE_CHECKING:
    from tests.project import Project

DOCS = Path(__file__).parents[2] / "docs"
GUIDES = ["getting-started.md", *sorted(page.name for page in DOCS.glob("how-to-*.md"))]


def eight_days_pass(project: Project) -> None:
    """Every key becomes eight days older: seven have to lie between two versions."""
    before = (datetime.now(UTC) - timedelta(days=8)).strftime("%Y-%m-%dT%H:%M:%SZ")
    with closing(sqlite3.connect(project.root / "state" / "engine" / "keystore.db")) as connection, connection:
        connection.execute("UPDATE key SET creation_date = ?, last_rotation_date = ?", (before, before))


@pytest.mark.parametrize("page", GUIDES)
def test_every_command_of_a_guide_does_what_the_guide_shows(page: str, project: Project) -> None:
    run_page(DOCS / page, project, {"eight days pass": eight_days_pass})


def test_a_page_that_shows_something_else_is_found_out(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KMSPLAN_UPDATE", raising=False)
    page = project.root / "page.md"
    page.write_text("```console\n$ echo a; echo b; (exit 3)\n...\nc\n(exit code 3)\n```\n")
    with pytest.raises(AssertionError, match="echo a"):
        run_page(page, project)
    page.write_text("```console\n$ true\n(exit code 1)\n```\n")
    with pytest.raises(AssertionError, match="ended with 0"):
        run_page(page, project)
    page.write_text("```python\n```\n")
    with pytest.raises(AssertionError, match="the kind python"):
        run_page(page, project)


@pytest.mark.parametrize(
    ("shown", "printed", "fits"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a\n", "a\nb\n", False),
        ("a\n...\n", "a\nb\n", True),
        ("...\nb\n", "a\nb\n", True),
        ("...\na\n", "a\nb\n", False),
        ("a\n...\nc\n...\ne\n", "a\nb\nc\nd\ne\n", True),
        ("a\n...\nc\nb\n...\n", "a\nb\nc\n", False),
        ("key-abcdefghijklmnopqrstu\n", "key-zyxwvutsrqponmlkjihgf\n", True),
    ],
)
def test_an_ellipsis_stands_for_any_lines_and_ids_for_others(shown: str, printed: str, *, fits: bool) -> None:
    if fits:
        compare(f"$ x\n{shown}", f"$ x\n{printed}")
        return
    with pytest.raises(AssertionError):
        compare(f"$ x\n{shown}", f"$ x\n{printed}")


def test_a_command_may_go_on_in_the_next_line() -> None:
    (block,) = blocks("1. Text\n\n   ```console\n   $ a \\\n     b\n   said\n   (exit code 2)\n   ```\n")
    (step,) = read(block.text)
    assert (step.command, step.shown, step.code) == ("a \\\n  b", "said\n", 2)
