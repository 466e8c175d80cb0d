from __future__ import annotations

import inspect
import re
from pathlib import Path

from kmsplan.plan import brakes, rules

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "errors.md").read_text()
CODE = re.compile(r'"(P\d{3})"')


def used() -> list[str]:
    return [code for module in (rules, brakes) for code in CODE.findall(inspect.getsource(module))]


def test_every_code_is_used_for_one_problem() -> None:
    assert len(used()) == len(set(used())) == 26


def test_every_code_is_explained_and_nothing_else_is() -> None:
    assert re.findall(r"^#### (P\d{3}) ", PAGE, re.MULTILINE) == sorted(used())


def test_a_long_list_is_cut_and_counted() -> None:
    assert rules.some(["a", "b"]) == "a, b"
    assert rules.some(list("abcdefg")) == "a, b, c, d, e and 2 more"
