"""What a formatting changes, for people: every line that does, and no literal secret."""

from __future__ import annotations

import pytest

from kmsplan.config.canonical import formatted
from kmsplan.config.document import parse
from kmsplan.config.place import Source
from kmsplan.config.problems import Problems
from kmsplan.report.format_diff import format_diff
from kmsplan.report.style import Style


def diff(text: str, *, color: bool = False) -> str:
    before = parse(Source("keys.yaml", text), Problems())
    assert before is not None
    return format_diff("keys.yaml", before, formatted(before), Style(color=color))


def test_lines_that_change_stand_between_lines_that_do_not() -> None:
    assert diff("a:  1\n\n\n\nb: 2\nc: 3\n") == (
        "--- keys.yaml\n+++ keys.yaml\n@@ -1,6 +1,4 @@\n-a:  1\n+a: 1\n \n-\n-\n b: 2\n c: 3\n"
    )


def test_of_a_file_in_canonical_form_there_is_nothing_to_tell() -> None:
    assert diff("a: 1\n") == ""


def test_colours_are_for_terminals() -> None:
    assert "\x1b[" in diff("a:  1\n", color=True)


@pytest.mark.parametrize(
    "text",
    [
        "vault: {pin:  S3cret}\n",
        "vault: {hsm_pin:  'S3cret'}\n",
        "vault:\n    pin: |\n       S3cret\n       S3cret\n",
        "vault:\n    pin:\n       S3cret\n",
        'vault:\n    pin: "S3cret\n     S3cret"\n',
        "vault:\n    passphrase:\n      value: S3cret\n      more: [S3cret]\n",
        "vault:\n    access_key:\n    - S3cret\n",
        "url:  https://me:S3cret@example.com/\n",
        "a:  1  # pin: S3cret\n",
        "a:  1\n# url: https://me:S3cret@example.com/\n",
    ],
)
def test_a_literal_secret_is_not_shown(text: str) -> None:
    shown = diff(text)
    assert "S3cret" in text
    assert "S3cret" not in shown
    assert "(not shown)" in shown


def test_where_a_secret_comes_from_is_shown() -> None:
    assert "+pin: {env: HSM_PIN}\n" in diff("pin:   {env: HSM_PIN}\n")
    assert "+  file: material.bin\n" in diff("material:\n      file: material.bin\n")
