from __future__ import annotations

import json
from dataclasses import replace

import pytest

from kmsplan.config.diagnostic import Diagnostic, Severity, Span
from kmsplan.report.diagnostics_json import diagnostics_json
from kmsplan.report.diagnostics_text import diagnostic_line, diagnostics_text
from kmsplan.report.style import Style

PROBLEM = Diagnostic(
    code="K103",
    summary="Unknown attribute",
    detail="rotaton is no attribute of a key. Did you mean rotation?",
    span=Span("kmsplan.yaml", 12, 5, 12, 12),
    excerpt="    rotaton: 90d",
    address="key.orders",
)


def test_a_problem_shows_its_place_the_line_and_a_caret_under_it() -> None:
    assert diagnostics_text([PROBLEM], Style()) == (
        "Error: Unknown attribute (K103)\n"
        "  on kmsplan.yaml line 12, column 5, in key.orders:\n"
        "  12:     rotaton: 90d\n"
        "          ^^^^^^^\n"
        "  rotaton is no attribute of a key. Did you mean rotation?\n"
    )


@pytest.mark.parametrize(
    ("excerpt", "column", "end", "line", "caret"),
    [
        ("漢字: x", 5, 6, "  1: 漢字: x", "           ^"),
        ("\tkey: x", 2, 5, "  1: \\tkey: x", "       ^^^"),
        ("a: \x1b[31m", 4, 5, "  1: a: \\x1b[31m", "        ^^^^"),
        ("short", 99, 100, "  1: short", "          ^"),
        ("", 1, 1, "  1:", "     ^"),
    ],
)
def test_the_caret_stands_where_the_eye_sees_the_column(
    excerpt: str, column: int, end: int, line: str, caret: str
) -> None:
    odd = replace(PROBLEM, excerpt=excerpt, span=Span("f", 1, column, 1, end), address=None)
    assert diagnostics_text([odd], Style()).split("\n")[2:4] == [line, caret]


def test_a_problem_over_several_lines_is_marked_to_the_end_of_the_first() -> None:
    long = replace(PROBLEM, span=Span("f", 1, 5, 3, 2))
    assert diagnostics_text([long], Style()).split("\n")[3] == " " * 9 + "^" * 12


def test_several_problems_are_counted_and_warnings_are_not_errors() -> None:
    warning = replace(PROBLEM, severity=Severity.WARNING, span=None, excerpt=None)
    text = diagnostics_text([PROBLEM, PROBLEM, warning], Style())
    assert text.count("Error:") == 2
    assert "Warning: Unknown attribute (K103)\n  in key.orders\n" in text
    assert text.endswith("\n2 errors, 1 warning.\n")


def test_text_of_users_cannot_act_on_the_terminal() -> None:
    hostile = replace(PROBLEM, detail="line\n\x1b[2J", span=Span("a\x1b.yaml", 1, 1, 1, 2), address="key.\u202e")
    text = diagnostics_text([hostile], Style())
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert text.endswith("  line\n  \\x1b[2J\n")


def test_the_json_has_every_place() -> None:
    document = json.loads(diagnostics_json([PROBLEM]))
    assert (document["valid"], document["error_count"], document["format_version"]) == (False, 1, "1.0")
    (found,) = document["diagnostics"]
    assert found["range"] == {
        "filename": "kmsplan.yaml",
        "start": {"line": 12, "column": 5},
        "end": {"line": 12, "column": 12},
    }
    assert (found["severity"], found["code"], found["address"]) == ("error", "K103", "key.orders")
    assert found["snippet"] == {"code": "    rotaton: 90d"}


def test_no_problems_are_valid_and_warnings_alone_too() -> None:
    assert json.loads(diagnostics_json([]))["valid"] is True
    warned = json.loads(diagnostics_json([replace(PROBLEM, severity=Severity.WARNING, span=None, excerpt=None)]))
    assert (warned["valid"], warned["error_count"], warned["warning_count"]) == (True, 0, 1)
    assert warned["diagnostics"][0]["range"] is None


@pytest.mark.parametrize(("span", "place"), [(PROBLEM.span, " kmsplan.yaml:12:5:"), (None, "")])
def test_a_problem_beside_something_else_is_one_line(span: Span | None, place: str) -> None:
    warning = replace(PROBLEM, severity=Severity.WARNING, span=span, detail="a\nb \x1b[31m")
    assert diagnostic_line(warning, Style()) == f"Warning:{place} a\\nb \\x1b[31m (K103)"
    assert diagnostic_line(warning, Style(color=True)).startswith("\x1b[1;33mWarning:\x1b[0m")
