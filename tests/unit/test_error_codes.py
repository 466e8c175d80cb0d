"""Every code that anything can print is explained, once: problems in errors.md, rules of policies in policy.md."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = re.compile(r"[A-Z]\d{3}")
RULE = re.compile(r"^ *(?:- )?(?:id: )?([A-Z]\d{3})\b", re.MULTILINE)
EXPLAINED = re.compile(r"^(?:#{2,4} ([A-Z]\d{3}) |\| `?([A-Z]\d{3})`? \|)(.*)", re.MULTILINE)
NEVER_PRINTED = {"S100"}
"""The class of all errors of states; each that is raised has a code of its own."""


@cache
def in_source() -> frozenset[str]:
    """The codes that stand in the source as texts, or begin a rule in a file of its data."""
    found = set[str]()
    for path in (ROOT / "kmsplan").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
                found.add(node.value)
    found |= {code for path in (ROOT / "kmsplan" / "rule").glob("*.yaml") for code in RULE.findall(path.read_text())}
    return frozenset(found - NEVER_PRINTED)


def explained(page: str) -> dict[str, list[str]]:
    """By code: what stands behind it in its heading or row, once for each."""
    found: dict[str, list[str]] = {}
    for heading, row, text in EXPLAINED.findall((ROOT / "docs" / page).read_text()):
        found.setdefault(heading or row, []).append(text)
    return found


PAGES = {"errors.md": {"K", "P", "A", "S"}, "policy.md": {"R"}}


@pytest.mark.parametrize("page", sorted(PAGES))
def test_every_code_is_explained_once_and_no_other(page: str) -> None:
    letters = PAGES[page]
    told = {code: texts for code, texts in explained(page).items() if code[0] in letters}
    assert sorted(told) == sorted(code for code in in_source() if code[0] in letters)
    assert [code for code, texts in told.items() if len(texts) > 1] == []
    assert [code for code, texts in told.items() if not texts[0].strip(" |")] == []


def test_no_code_has_a_letter_that_no_page_explains() -> None:
    assert {code[0] for code in in_source()} <= set().union(*PAGES.values())


def test_every_code_that_a_page_names_exists() -> None:
    known = in_source() | NEVER_PRINTED
    pages = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "state" / "README.md"]
    named = {(page.name, code) for page in pages for code in re.findall(r"\(([KPASR]\d{3})(?:,|\))", page.read_text())}
    assert sorted(one for one in named if one[1] not in known) == []
