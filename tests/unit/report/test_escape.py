from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmsplan.report.escape import escape, quote


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain é 漢 😀", "plain é 漢 😀"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202eback", "\\u202eback"),
        ("a\u2066b\u2069", "a\\u2066b\\u2069"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("line\u2028break", "line\\u2028break"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_a_terminal_would_act_on_becomes_visible(text: str, expected: str) -> None:
    assert escape(text) == expected


@given(st.text())
def test_nothing_that_controls_or_hides_survives(text: str) -> None:
    kept = {"Cc", "Cs", "Zl", "Zp"} & {unicodedata.category(character) for character in escape(text)}
    assert kept == set()
    assert not {"\u202a", "\u202b", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068"} & set(escape(text))


def test_quotes_cannot_be_forged() -> None:
    assert quote('say "hi" \\ bye\n') == '"say \\"hi\\" \\\\ bye\\n"'
