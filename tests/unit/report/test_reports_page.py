"""docs/reports.md: its table is the code's, its excerpts are golden reports."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kmsplan.report.form import Subject, forms

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "reports.md").read_text()
EXCERPTS = re.findall(r"^`(tests/case/report/\S+)`:\n\n(`{3,})\w+\n(.*?)\n\2$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_table_lists_every_form_of_every_subject() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \|(.*?)\|(.*?)\|(.*?)\|(.*?)\|(.*?)\| \S", PAGE, re.MULTILINE)
    subjects = (Subject.PLAN, Subject.DRIFT, Subject.OUTCOME, Subject.POLICY, Subject.VALIDATION)
    said = {(subject, row[0]) for row in rows for subject, cell in zip(subjects, row[1:], strict=True) if cell.strip()}
    assert said == {(subject, form) for subject in subjects for form in forms(subject)}


def test_the_page_has_an_excerpt_of_every_form_that_has_a_case() -> None:
    shown = {Path(name).stem for name, _, _ in EXCERPTS}
    assert shown == {"markdown", "sarif", "junit", "github", "github-output", "azure"} | {
        "gitlab-terraform",
        "gitlab-codequality",
    }


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, _, text in EXCERPTS], ids=range(len(EXCERPTS)))
def test_an_excerpt_is_what_the_report_says(name: str, text: str) -> None:
    report = (ROOT / name).read_text()
    places = [report.find(part) for part in text.split("\n...\n")]
    assert -1 not in places
    assert places == sorted(places)
