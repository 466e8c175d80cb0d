"""The page of concepts uses the words of the code, all of them."""

from __future__ import annotations

import re
from pathlib import Path

from kmsplan.kms.lifecycle import KeyState
from kmsplan.plan.plan import GLYPHS, Action
from kmsplan.resource.step import Status

PAGE = (Path(__file__).parents[2] / "docs" / "concepts.md").read_text()


def test_every_change_stands_in_the_table_with_its_sign() -> None:
    rows = re.findall(r"^\| ([a-z-]+) \| (?:`(.+?)`)? ?\|", PAGE.partition("| change | sign |")[2], re.MULTILINE)
    assert dict(rows) == {action.value: GLYPHS[action].strip() for action in Action}


def test_every_state_of_a_key_and_of_a_record_is_told() -> None:
    assert [word for word in (*KeyState, *Status) if f"`{word}`" not in PAGE] == []
