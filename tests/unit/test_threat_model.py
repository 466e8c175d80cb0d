"""The threat model names a test for every check, and each of them is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "threat-model.md").read_text()
SHOWN = re.findall(r"\[([^\]]+)\]\((\.\./tests/[^)]+)\)", PAGE)
CHECKS = ("Key material", "The served API", "The audit trail", "Plans and approval", "The state")


@pytest.mark.parametrize(("words", "path"), SHOWN)
def test_a_test_that_the_page_names_is_in_the_file_that_it_links(words: str, path: str) -> None:
    name = f"test_{words.replace(' ', '_')}"
    assert re.search(rf"^def {name}\(", (DOCS / path).read_text(), re.MULTILINE)


@pytest.mark.parametrize("section", CHECKS)
def test_every_attack_has_a_test(section: str) -> None:
    text = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert rows
    assert [row for row in rows if "](../tests/" not in row] == []
