from __future__ import annotations

import os
from pathlib import Path

import pytest

from kmsplan.kms.spec import KeySpec
from kmsplan.report.reference import PAGES, kms_page
from kmsplan.resource.kinds import KINDS

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_reference_pages_equal_the_tables(name: str) -> None:
    page = PAGES[name]()
    if os.environ.get("KMSPLAN_UPDATE"):
        (DOCS / name).write_text(page)
    assert (DOCS / name).read_text() == page


def test_every_attribute_of_every_kind_is_on_the_page() -> None:
    page = PAGES["configuration.md"]()
    missing = [
        a.name for kind in KINDS.values() for a in kind.attributes if f"| `{a.name}` |" not in page and a.written
    ]
    assert missing == []


def test_every_spec_is_on_the_page() -> None:
    assert [spec for spec in KeySpec if f"| `{spec}` |" not in kms_page()] == []
