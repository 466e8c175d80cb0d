"""No text of anybody acts in any form: it makes no tag, no mark, no command and no broken document."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree
from markdown_it import MarkdownIt

from kmsplan.plan.plan import Plan
from kmsplan.report.escape import escape
from kmsplan.report.form import Subject, forms, render
from kmsplan.report.markdown_text import code, details, fenced, marker, prose, row
from tests.reports import HOSTILE, MAKERS, scene

if TYPE_CHECKING:
    from kmsplan.report.scene import Scene

PIECES = st.sampled_from(
    [
        *"\n\r\t|`*_~<>&[](){}#@!:;,%$\\'\"=+-/ \0\x1b\x7f\x85\u2028\u202e\ufeff\ufffe",
        "```",
        "````",
        "<!--",
        "-->",
        "</details>",
        "<script>",
        "&lt;",
        "::error::",
        "##vso[task.complete]",
        "%0A",
        "]]>",
        "](x)",
        "http://e.example",
        "www.e.example",
        "@admin",
        "\udc80",
        "\ud800",
        "word",
        "1. ",
        "- ",
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=3), max_size=12).map("".join)
TAGS = {"<code>", "</code>", "<br>", "<sub>", "</sub>", "<details>", "</details>", "<summary>", "</summary>"}
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def attacked(subject: Subject, text: str) -> tuple[Any, Scene]:
    """A value, and where it is from, with a text of anybody's in each; file names alone need not be UTF-8."""
    said = text.encode(errors="ignore").decode()
    value = MAKERS[subject](said)
    if isinstance(value, Plan):
        value = replace(value, environment=said)
    places = {address: replace(span, filename=f"{text}.yaml") for address, span in scene().places.items()}
    return value, replace(scene(text.strip("/") or "x"), environment=said, places=places)


def tags(markdown: str) -> set[str]:
    """Every tag and comment that a reader would see in the HTML, but for the marker."""
    raw = [token.content for token in PARSER.parse(markdown) if token.type == "html_block"]
    raw += [
        child.content
        for token in PARSER.parse(markdown)
        for child in token.children or ()
        if child.type == "html_inline"
    ]
    found = {tag for text in raw for tag in re.findall(r"<[^>]*>?", text)}
    return {tag for tag in found if not tag.startswith("<!-- kmsplan:")}


def kinds(markdown: str) -> set[str]:
    tokens = PARSER.parse(markdown)
    return {one.type for token in tokens for one in (token, *(token.children or ()))}


@pytest.mark.parametrize("subject", list(MAKERS))
@pytest.mark.parametrize("form", ["markdown", "github-summary"])
@settings(max_examples=25, deadline=None)
@given(text=TEXTS)
def test_markdown_holds_our_tags_alone_and_no_link(subject: Subject, form: str, text: str) -> None:
    markdown = render(subject, form, *attacked(subject, text))
    assert tags(markdown) <= TAGS
    assert not kinds(markdown) & {"link_open", "image", "em_open", "s_open", "code_inline", "blockquote_open"}


@pytest.mark.parametrize("subject", list(MAKERS))
def test_markdown_has_the_same_shape_whatever_the_text_is(subject: Subject) -> None:
    def shape(text: str) -> list[str]:
        return [token.type for token in PARSER.parse(render(subject, "markdown", *attacked(subject, text)))]

    assert shape(HOSTILE) == shape("payments")


@given(TEXTS)
def test_prose_and_code_are_read_back_as_they_were(text: str) -> None:
    for written in (f"x {prose(text)} x", f"x {code(text)} x"):
        (inline,) = (token for token in PARSER.parse(written) if token.type == "inline")
        read = "".join(child.content for child in inline.children or () if child.type == "text")
        assert read.replace("\u200b", "") in (f"x {escape(text)} x", f"x {escape(text)} x".replace("  ", " "))


@given(TEXTS)
def test_a_cell_stays_one_cell(text: str) -> None:
    table = f"{row(['a', 'b'])}{row(['---', '---'])}{row([prose(text), code(text)])}"
    cells = [token for token in PARSER.parse(table) if token.type == "td_open"]
    assert len(cells) == 2


@given(st.lists(TEXTS, max_size=4))
def test_no_text_ends_its_fence(lines: list[str]) -> None:
    content = "".join(f"{escape(line)}\n" for line in lines)
    tokens = PARSER.parse(details("s", fenced("diff", content)))
    (fence,) = (token for token in tokens if token.type == "fence")
    assert fence.content == content


@given(TEXTS)
def test_no_environment_ends_the_marker(text: str) -> None:
    written = marker(text, "plan")
    assert written.endswith(":plan -->\n")
    assert re.fullmatch(r"<!-- kmsplan:(?:(?!--)[\w.%/~-])*:plan -->\n", written, re.ASCII)


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("@admin", "&#64;&#8203;admin"),
        ("#12", "&#35;&#8203;12"),
        ("!3", "&#33;&#8203;3"),
        ("GH-12", "GH-&#8203;12"),
        ("www.e.example", "www&#46;e.example"),
        ("https://e.example", "https&#58;//e.example"),
    ],
)
def test_nothing_that_a_forge_would_link_is_left(text: str, broken: str) -> None:
    assert prose(text) == broken


@pytest.mark.parametrize("subject", list(MAKERS))
@settings(max_examples=25, deadline=None)
@given(text=TEXTS)
def test_github_sees_our_commands_alone(subject: Subject, text: str) -> None:
    plain, hostile = (render(subject, "github", *attacked(subject, one)) for one in ("payments", text))
    commands = [re.match(r"::(error|warning|notice) (?:[a-z]+=[^,:]*,?)+::", line) for line in hostile.splitlines()]
    assert all(commands)
    assert len(commands) == len(plain.splitlines())
    assert "##[" not in hostile


@pytest.mark.parametrize("subject", list(MAKERS))
@settings(max_examples=25, deadline=None)
@given(text=TEXTS)
@example(text="###vso[task.complete]")
@example(text="####[command]")
def test_azure_sees_our_commands_alone(subject: Subject, text: str) -> None:
    plain, hostile = (render(subject, "azure", *attacked(subject, one)) for one in ("payments", text))
    heads = [
        re.match(r"##vso\[task\.logissue (?:[a-z]+=[^;\]]*;){5}\](?!.*##)|(?!.*##)", line)
        for line in hostile.splitlines()
    ]
    assert all(heads)
    assert len(heads) == len(plain.splitlines())


@pytest.mark.parametrize("subject", list(MAKERS))
@settings(max_examples=25, deadline=None)
@given(text=TEXTS | st.text())
def test_junit_is_xml_whatever_the_text_is(subject: Subject, text: str) -> None:
    document = render(subject, "junit", *attacked(subject, text))
    root = etree.fromstring(document.encode())
    assert {node.tag for node in root.iter()} <= {
        *("testsuites", "testsuite", "properties", "property", "testcase", "failure", "error", "skipped")
    }


@pytest.mark.parametrize("subject", [one for one in MAKERS if "sarif" in forms(one)])
@pytest.mark.parametrize("form", ["sarif", "gitlab-codequality"])
@settings(max_examples=25, deadline=None)
@given(text=TEXTS)
def test_json_is_json_whatever_the_text_is(subject: Subject, form: str, text: str) -> None:
    document = render(subject, form, *attacked(subject, text))
    assert json.loads(document.encode())
    assert escape(document.replace("\n", "")) == document.replace("\n", "")


def test_every_form_of_every_subject_is_looked_at_somewhere() -> None:
    here = {"markdown", "github-summary", "github", "azure", "junit"}
    numbers_alone = {"github-output", "gitlab-terraform"}
    by_schema = {"json", "sarif", "gitlab-codequality"}
    of_their_own = {"text", "html"}
    assert {form for subject in MAKERS for form in forms(subject)} == here | numbers_alone | by_schema | of_their_own
