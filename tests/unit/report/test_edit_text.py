from __future__ import annotations

import re
import time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kmsplan.report.edit_text import edit_text
from kmsplan.report.style import Style

TEN = "".join(f"{number}\n" for number in range(1, 11))


def shown(before: str, *edits: tuple[int, int, str]) -> str:
    return edit_text("f.yaml", before, edits, Style())


def test_an_edit_is_shown_with_three_lines_around_it() -> None:
    at = TEN.index("5")
    assert shown(TEN, (at, at + 1, "five")) == (
        "--- f.yaml\n+++ f.yaml\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"
    )


def test_lines_that_come_and_go_are_whole_lines() -> None:
    at = TEN.index("5")
    assert "@@ -2,6 +2,8 @@\n 2\n 3\n 4\n+a\n+b\n 5\n 6\n 7\n" in shown(TEN, (at, at, "a\nb\n"))
    assert "@@ -2,7 +2,6 @@\n 2\n 3\n 4\n-5\n 6\n 7\n 8\n" in shown(TEN, (at, at + 2, ""))


def test_edits_far_apart_are_two_hunks_and_those_near_one() -> None:
    assert shown(TEN, (0, 1, "one"), (TEN.index("10"), len(TEN) - 1, "ten")).count("@@ -") == 2
    assert shown(TEN, (0, 1, "one"), (TEN.index("4"), TEN.index("4") + 1, "four")).count("@@ -") == 1


def test_an_end_without_a_line_break_is_a_line_too() -> None:
    assert shown("a\nb", (3, 3, "\nc")) == "--- f.yaml\n+++ f.yaml\n@@ -1,2 +1,3 @@\n a\n-b\n+b\n+c\n"


def test_what_changes_nothing_shows_nothing() -> None:
    assert shown(TEN) == ""
    assert shown(TEN, (0, 1, "1")) == ""


def test_text_of_others_stays_on_its_line() -> None:
    text = shown("a\u202e\x1b: 1\r\nb: 2\r\n", (5, 6, "\x1b[31m"))
    assert "-a\\u202e\\x1b: 1\n+a\\u202e\\x1b: \\x1b[31m\n b: 2\n" in text.replace("  ", " ")


@st.composite
def editions(draw: st.DrawFn) -> tuple[str, list[tuple[int, int, str]]]:
    before = draw(st.text("ab\n", max_size=60))
    places = sorted(draw(st.lists(st.integers(0, len(before)), max_size=8)))
    return before, [
        (start, end, draw(st.text("xy\n", max_size=4))) for start, end in zip(places[::2], places[1::2], strict=False)
    ]


def patched(before: str, diff: str) -> list[str]:
    """Return the lines that a diff makes of others."""
    lines, result, at = before.splitlines(), list[str](), 0
    for line in diff.splitlines()[2:]:
        if found := re.fullmatch(r"@@ -(\d+),(\d+) \+(\d+),(\d+) @@", line):
            start, size, new_start, new_size = map(int, found.groups())
            first = start - (size > 0)
            result += lines[at:first]
            at = first
            assert len(result) == new_start - (new_size > 0)
        elif line.startswith("+"):
            result.append(line[1:])
        else:
            assert lines[at] == line[1:]
            result += [line[1:]] if line.startswith(" ") else []
            at += 1
    return result + lines[at:]


@given(editions())
def test_a_diff_makes_of_the_old_lines_the_new_ones(edition: tuple[str, list[tuple[int, int, str]]]) -> None:
    before, edits = edition
    parts: list[str] = []
    at = 0
    for start, end, text in edits:
        parts += [before[at:start], text]
        at = end
    after = "".join((*parts, before[at:]))
    assert patched(before, shown(before, *edits)) == after.splitlines()


def test_ten_thousand_edits_are_shown_in_two_seconds() -> None:
    line = "  key: {instance: core}\n"
    edits: list[Any] = [(len(line) * number + 2, len(line) * number + 5, "other") for number in range(0, 60_000, 6)]
    begun = time.process_time()
    assert shown(line * 60_000, *edits).count("+  other") == 10_000
    assert time.process_time() - begun < 2
