"""Golden reports: every subject in every form, of values in which something hostile stands wherever it can.

With KMSPLAN_UPDATE=1 in the environment the files are written instead of compared; read the difference before
committing.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from kmsplan import __version__
from kmsplan.report.form import Subject, forms, render
from tests.reports import HOSTILE, MAKERS, NOTHING, scene

FOLDER = Path(__file__).parent
SUFFIXES = {
    "text": "txt",
    "markdown": "md",
    "github-summary": "md",
    "junit": "xml",
    "json": "json",
    "sarif": "json",
    "gitlab-codequality": "json",
    "gitlab-terraform": "json",
}
FORMS = (
    "markdown",
    "junit",
    "sarif",
    "github",
    "github-summary",
    "github-output",
    "gitlab-terraform",
    "gitlab-codequality",
    "azure",
)
CASES = [(subject, form) for subject in MAKERS for form in FORMS if form in forms(subject)]
CASES.append((Subject.OUTCOME, "json"))
"""Text, and JSON of the others, have cases of their own."""
TELLING = [case for case in CASES if case[1] not in ("github-summary", "github-output", "gitlab-terraform")]
"""Forms that tell something of anybody's, and do it in a way of their own."""


def settled(text: str) -> str:
    """What changes with every version is not part of a case."""
    return re.sub(r"sha256:[0-9a-f]{64}|\"digest\":\"[0-9a-f]{64}\"", "sha256:DIGEST", text).replace(
        __version__, "VERSION"
    )


def check(name: str, text: str) -> None:
    path = FOLDER / name
    if os.environ.get("KMSPLAN_UPDATE"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(settled(text).encode())
    assert settled(text) == path.read_bytes().decode()


@pytest.mark.parametrize(("subject", "form"), CASES)
def test_a_report_says_what_the_case_says(subject: Subject, form: str) -> None:
    check(f"{subject}/{form}.{SUFFIXES.get(form, 'txt')}", render(subject, form, MAKERS[subject]("payments"), scene()))


@pytest.mark.parametrize(("subject", "form"), TELLING)
def test_hostile_text_stays_text(subject: Subject, form: str) -> None:
    text = render(subject, form, MAKERS[subject](HOSTILE), scene())
    check(f"{subject}/{form}.hostile.{SUFFIXES.get(form, 'txt')}", text)


@pytest.mark.parametrize(("subject", "form"), CASES)
def test_where_there_is_nothing_to_say_a_report_says_that(subject: Subject, form: str) -> None:
    check(f"{subject}/{form}.nothing.{SUFFIXES.get(form, 'txt')}", render(subject, form, NOTHING[subject], scene()))
