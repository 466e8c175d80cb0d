"""The page on the API is made from the tables, and has all of them."""

from __future__ import annotations

import os
from pathlib import Path

from kmsplan.kms.error import ERRORS
from kmsplan.server.action.table import ROWS
from kmsplan.server.reference import OWN, api_page
from kmsplan.server.refusal import Refusal

PAGE = Path(__file__).parents[3] / "docs" / "api.md"


def test_the_page_equals_the_tables() -> None:
    if os.environ.get("KMSPLAN_UPDATE"):
        PAGE.write_text(api_page())
    assert PAGE.read_text() == api_page()


def test_every_action_has_one_row_and_the_sdk_has_91_of_them() -> None:
    page = api_page().partition("## Where it differs")[0]
    assert [action for action in ROWS if page.count(f"\n| `{action}` | ") != 1] == []
    assert len(ROWS.keys() - OWN.keys()) == 91


def test_every_error_code_has_one_row() -> None:
    page = api_page()
    codes = {*ERRORS, *(refusal.code for refusal in Refusal)}
    assert [code for code in codes if page.count(f"\n| `{code}` | ") != 1] == []
