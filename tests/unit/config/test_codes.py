from __future__ import annotations

import re
from pathlib import Path

from kmsplan.config.codes import CODES

ROOT = Path(__file__).parents[3]
HEADING = re.compile(r"^#### (K\d{3}) (.+)$", re.MULTILINE)
OUTSIDE = {"K102", "K103", "K603", "K604", "K605", "K606", "K607", "K608", "K609"}
"""Shown by other tests: files and modes that cannot be kept in a repository, and secrets, which are read later."""


def documented() -> dict[str, str]:
    return dict(HEADING.findall((ROOT / "docs" / "errors.md").read_text()))


def test_every_code_is_explained_under_its_summary() -> None:
    assert documented() == dict(CODES)


def test_every_explanation_has_text() -> None:
    text = (ROOT / "docs" / "errors.md").read_text()
    for code in CODES:
        after = text.partition(f"#### {code} ")[2].split("\n", 2)[2]
        assert re.match(r"\S.{20,}", after), code


def test_every_code_has_a_case() -> None:
    cases = (ROOT / "tests" / "case" / "config").glob("*/diagnostics.txt")
    shown = {code for path in cases for code in re.findall(r"^K\d{3}", path.read_text(), re.MULTILINE)}
    assert shown | OUTSIDE == set(CODES)
    assert not shown & OUTSIDE


def test_a_summary_is_short_and_has_no_full_stop() -> None:
    for summary in CODES.values():
        assert len(summary) <= 60
        assert not summary.endswith(".")
