"""What holds of every HTML report, seen without a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmsplan.report.form import Subject, render
from kmsplan.report.html.page import Column, Mark, Page, Row, Section, Table, Tone
from kmsplan.report.html.render import FIRST
from kmsplan.report.html.render import render as render_page
from tests.browser.specimen import EVIL, VALUES, specimen

EVERY = pytest.mark.parametrize("subject", sorted(VALUES))
MARK = Mark("~", "changed", Tone.CHANGE)


class Elements(HTMLParser):
    """Counts elements and attributes as a browser would see them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found = list[tuple[str, tuple[str, ...]]]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))


def page(subject: Subject, evil: str = "") -> str:
    one = specimen(subject, evil)
    return render(subject, "html", one.value, one.scene)


def table(*rows: Row) -> str:
    columns = (Column("Object"), Column("Action", chips=True))
    section = Section(id="rows", title="Rows", table=Table(columns=columns, rows=rows))
    return render_page(
        Page(title="t", headline="h", tone=Tone.GOOD, when="w", environment="", figures=(), sections=(section,))
    )


def data(text: str) -> Any:
    (found,) = re.findall(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)
    return json.loads(found)


@EVERY
def test_the_same_report_is_the_same_file(subject: Subject) -> None:
    assert page(subject) == page(subject)


@EVERY
def test_a_file_says_by_hash_which_style_and_which_script_it_runs_and_that_nothing_else_may(subject: Subject) -> None:
    text = page(subject, EVIL)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)"', text)
    directives = dict(one.strip().split(" ", 1) for one in policy.replace("&#39;", "'").split(";"))
    for directive, element in (("style-src", "style"), ("script-src", "script")):
        (body,) = re.findall(rf"<{element}>(.*?)</{element}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert directives.pop(directive) == f"'sha256-{digest}'"
    assert directives == {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'"}


@EVERY
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(evil=st.text(st.sampled_from("<>&\"'`=/!-{}%#$()[]; \\\n\tascriptimgonload\u202e\u2028\x00\x1b"), max_size=40))
def test_no_text_of_others_makes_an_element_or_an_attribute(subject: Subject, evil: str) -> None:
    # A letter stands first, so that no text is empty where a plain one is not.
    assert Elements(page(subject, f"x{evil}")).found == Elements(page(subject, "x")).found


@EVERY
def test_no_part_of_a_page_is_there_without_anything_in_it(subject: Subject) -> None:
    text = page(subject)
    assert len(re.findall(r"<section ", text)) >= 2
    assert re.findall(r"<h2[^>]*>[^<]*</h2>\s*(?:<p>[^<]*</p>)?\s*</section>", text) == []


def test_rows_beyond_the_first_are_data_and_lines_that_come_again_stand_there_once() -> None:
    rows = [Row(MARK, (f"key.{number}", "changed"), ("+ the same", f"~ {number}")) for number in range(FIRST + 20)]
    text = table(*rows)
    assert text.count('<tr role="row" class="change">') == FIRST
    found = data(text)
    assert (found["marks"], len(found["rows"])) == ([["~", "change"]], FIRST + 20)
    assert found["lines"][:2] == [["add", "+ the same"], ["edit", "~ 0"]]
    assert found["rows"][-1] == [0, f"key.{FIRST + 19}", "changed", [0, FIRST + 20]]
    assert f"The first {FIRST} of {FIRST + 20} rows" in text


def test_no_text_can_end_the_element_that_holds_the_rows() -> None:
    text = table(Row(MARK, ("</script><script>alert(1)</script><!--", "changed")))
    assert text.count("<script") == 2
    assert data(text)["rows"][0][1] == "</script><script>alert(1)</script><!--"


def test_a_column_of_one_value_or_of_very_many_has_no_chips() -> None:
    one, other = Row(MARK, ("a", "changed")), Row(MARK, ("b", "vanished"))
    assert "<fieldset" not in table(one, one)
    assert "<fieldset" not in table(*(Row(MARK, ("a", str(number))) for number in range(100)))
    assert table(one, other).count('aria-pressed="false" data-value') == 2
