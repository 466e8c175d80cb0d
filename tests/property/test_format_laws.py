"""Laws of the canonical form: whatever is written, and however, it says the same afterwards."""

from __future__ import annotations

import json
import re
from random import Random
from typing import TypeVar

from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from yamllint import linter
from yamllint.config import YamlLintConfig

from kmsplan.config.canonical import formatted
from kmsplan.config.document import Document, parse
from kmsplan.config.place import Source
from kmsplan.config.problems import Problems
from kmsplan.report.format_diff import format_diff
from kmsplan.report.style import Style

T = TypeVar("T")
THOROUGH = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=100)
SPACE = YamlLintConfig(
    """
    rules:
      braces: {min-spaces-inside: 0, max-spaces-inside: 0}
      brackets: {min-spaces-inside: 0, max-spaces-inside: 0}
      colons: {max-spaces-before: 0, max-spaces-after: 1}
      commas: {max-spaces-before: 0, max-spaces-after: 1, min-spaces-after: 1}
      comments: {min-spaces-from-content: 2, require-starting-space: false}
      empty-lines: {max: 1, max-start: 0, max-end: 0}
      hyphens: {max-spaces-after: 1}
      indentation: {spaces: 2, indent-sequences: true}
      new-line-at-end-of-file: enable
      trailing-spaces: enable
    """
)


class Typist:
    """Types any configuration in any manner, with comments that are counted."""

    def __init__(self, random: Random, *, sprawling: bool) -> None:
        self._random = random
        self._sprawling = sprawling
        """Whether brackets and texts have lines of their own."""
        self._comments = 0

    def text(self) -> str:
        head = self._one("", "", "---\n", "%YAML 1.1\n---\n") if self._sprawling else ""
        text = head + self._loose(0) + self._mapping(self._one(0, 0, 0, 2), 3) + self._loose(0)
        text = text.replace("\n", "\r\n") if self._chance(0.1) else text
        return text.rstrip() if self._chance(0.1) else text

    def _one(self, *choices: T) -> T:
        return self._random.choice(choices)

    def _chance(self, part: float) -> bool:
        return self._random.random() < part

    def _comment(self) -> str:
        self._comments += 1
        return f"#{self._one('', ' ')}c{self._comments}."

    def _behind(self) -> str:
        return self._one("", "", "", " " + self._comment(), "      " + self._comment(), "\t" + self._comment())

    def _loose(self, indent: int) -> str:
        """What stands between the lines."""
        anywhere = self._random.randint(0, 12)
        pieces = ("", "", "", "\n", "   \n", *(f"{' ' * at}{self._comment()}\n" for at in (indent, 0, anywhere)))
        return self._one(*pieces) + self._one("", "", *pieces)

    def _scalar(self) -> str:
        plain = ("x", "90d", "1", "~", "k:v?", "a b", "漢字", "-1", "''", "'it''s # not'", '"a: \\"b\\" # c"', "${x}")
        return self._one(*plain[: -1 if self._sprawling else None])  # which brackets would end

    def _break(self) -> str:
        if not self._sprawling or self._chance(0.7):
            return self._one("", " ", "  ")
        return self._one("\n  ", f"\n\n\n{' ' * self._random.randint(0, 20)}", f" {self._comment()}\n ")

    def _flow(self, depth: int) -> str:
        if depth == 0 or self._chance(0.4):
            return self._one('"p\n  q\n\n r"', "'p\n q'", "p\n   q") if self._spread() else self._scalar_in_flow()
        items = [self._flow(depth - 1) for _ in range(self._random.randint(0, 3))]
        if self._chance(0.5):
            opening, closing = "[", "]"
        else:
            opening, closing = "{", "}"
            marks = (": ", ":   ", " : ")
            items = [f"{self._one('k', '')}{at}k{self._one(*marks)}{item}" for at, item in enumerate(items)]
        comma = self._one("", ",") if items and self._sprawling else ""
        inner = (self._break() + "," + " " + self._break()).join(items)
        return f"{opening}{self._break()}{inner}{comma}{self._break()}{closing}"

    def _spread(self) -> bool:
        return self._sprawling and self._chance(0.2)

    def _scalar_in_flow(self) -> str:
        return self._one("x", "90d", "1", "'[q]'", '"{r}"', "漢", "a b")

    def _lines(self, indent: int) -> str:
        """A text in block style."""
        at = indent + self._random.randint(1, 5)
        more = (f"{' ' * at}t # none", "", f"{' ' * at}  deeper", " " * (at + 2), " " * max(0, at - 1))
        body = "".join(f"{self._one(*more)}\n" for _ in range(self._random.randint(0, 3)))
        return f"{self._one('|', '>')}{self._one('', '-', '+')}{self._behind()}\n{' ' * at}first\n{body}"

    def _value(self, indent: int, depth: int) -> str:
        kind = self._random.randint(0, 9)
        if kind <= 1 and self._sprawling:
            return f" {self._lines(indent)}"
        if kind == 2 and self._sprawling:
            return f"{self._behind()}\n{' ' * (indent + self._random.randint(1, 4))}{self._flow(1)}\n"
        if kind <= 3 or depth == 0:
            return f"{self._one(' ', '   ')}{self._scalar()}{self._behind()}\n"
        if kind <= 5:
            return f"{self._one(' ', '   ')}{self._flow(2)}{self._behind()}\n"
        begun = f"{self._behind()}\n{self._loose(indent)}"
        if kind == 6:
            return begun + self._list(indent, depth - 1)
        deeper = indent + self._random.randint(1, 5)
        return begun + self._one(self._mapping, self._list)(deeper, depth - 1)

    def _mapping(self, indent: int, depth: int, *, begun: bool = False) -> str:
        lines = list[str]()
        for at in range(self._random.randint(1, 4)):
            margin = "" if begun and not lines else " " * indent
            key = f"{self._one('key', chr(39))}{at}"
            key = f"{key}'" if key.startswith("'") else key
            if self._sprawling and self._chance(0.04):
                lines.append(f"{margin}? {key}{self._behind()}\n{' ' * indent}:{self._value(indent, depth)}")
            else:
                lines.append(f"{margin}{key}{self._one(':', ' :')}{self._value(indent, depth)}")
            lines.append(self._loose(indent))
        return "".join(lines)

    def _list(self, indent: int, depth: int, *, begun: bool = False) -> str:
        lines = list[str]()
        for _ in range(self._random.randint(1, 3)):
            margin = "" if begun and not lines else " " * indent
            space = self._random.randint(1, 3)
            inner = indent + 1 + space
            nested = depth > 0 and self._chance(0.5)
            entry = (
                " " * space + self._one(self._mapping, self._list)(inner, depth - 1, begun=True)
                if nested
                else self._value(indent, 0)
            )
            lines.append(f"{margin}-{entry}{self._loose(indent)}")
        return "".join(lines)


def read(text: str) -> Document | None:
    problems = Problems()
    document = parse(Source("kmsplan.yaml", text), problems)
    return None if problems else document


def comments(text: str) -> list[str]:
    return re.findall(r"# ?c\d+\.", text)


def says_the_same(before: Document) -> str:
    """Check the laws of one document, and return its new text."""
    after = formatted(before)
    assert json.dumps(after.value) == json.dumps(before.value)  # in the same order
    assert "".join(after.source.text.split()) == "".join(before.source.text.split())
    assert formatted(after) is after
    return after.source.text


@given(st.randoms(use_true_random=False))
@THOROUGH
def test_whatever_is_typed_says_the_same_and_is_formatted_once_for_all(random: Random) -> None:
    text = Typist(random, sprawling=True).text()
    before = read(text)
    assume(before is not None)
    assert before is not None
    assert comments(says_the_same(before)) == comments(text)


@given(st.text(alphabet=" \n-:{}[]\"'|>#,?+1ab漢\t\r", max_size=60))
@example("a:\n- b\n # c\n# d\ne: {f: , g: [h, ]}")
@example("a: |1\n  b\n\n\n# c")
@THOROUGH
def test_any_text_that_can_be_read_says_the_same(text: str) -> None:
    before = read(text)
    assume(before is not None)
    assert before is not None
    says_the_same(before)


@given(st.randoms(use_true_random=False))
@THOROUGH
def test_a_linter_has_nothing_to_say_of_space(random: Random) -> None:
    text = Typist(random, sprawling=False).text()
    before = read(text)
    assert before is not None, text
    new = says_the_same(before)
    found = [*linter.run(new.replace("\r\n", "\n"), SPACE)]
    assert [str(one) for one in found] == [], new


def patched(text: str, diff: str) -> str:
    """Apply a unified diff as `patch` does."""
    old, new, at = text.splitlines(), list[str](), 0
    for line in diff.splitlines()[2:]:
        if hunk := re.match(r"@@ -(\d+),(\d+) ", line):
            start = int(hunk[1]) - (hunk[2] != "0")
            new += old[at:start]
            at = start
            continue
        if line[0] != "+":
            assert old[at] == line[1:]
            at += 1
        if line[0] != "-":
            new.append(line[1:])
    return "\n".join([*new, *old[at:]])


@given(st.randoms(use_true_random=False))
@THOROUGH
def test_a_diff_makes_the_new_lines_of_the_old_ones(random: Random) -> None:
    before = read(Typist(random, sprawling=True).text().replace("\r\n", "\n").replace("\t", " "))
    assume(before is not None)
    assert before is not None
    after = formatted(before)
    diff = format_diff("kmsplan.yaml", before, after, Style(color=False))
    assert patched(before.source.text, diff) == after.source.text.removesuffix("\n")
