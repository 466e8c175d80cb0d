"""The canonical form of a file, one rule after the other."""

from __future__ import annotations

import time

import pytest

from kmsplan.config.canonical import NotFormattableError, canonical, formatted, same
from kmsplan.config.document import Document, parse
from kmsplan.config.place import Source
from kmsplan.config.problems import Problems


def document(text: str) -> Document:
    problems = Problems()
    found = parse(Source("kmsplan.yaml", text), problems)
    assert found is not None
    assert problems.diagnostics() == ()
    return found


RULES = {
    "a level is indented by two columns": ("a:\n      b:\n       c: 1\n", "a:\n  b:\n    c: 1\n"),
    "the top level is not indented": ("  a: 1\n  b: 2\n", "a: 1\nb: 2\n"),
    "a list in a mapping is indented": ("a:\n- x\n-   y\nb: 1\n", "a:\n  - x\n  - y\nb: 1\n"),
    "a list in a list is indented": ("a:\n- - x\n  - y\n-\n  - z\n", "a:\n  - - x\n    - y\n  -\n    - z\n"),
    "an entry's attributes stand below each other": (
        "a:\n-   x: 1\n    y:\n    - 2\n",
        "a:\n  - x: 1\n    y:\n      - 2\n",
    ),
    "one space is behind a colon, none in front of it": ("a  :    1\nb:\t2\n", "a: 1\nb: 2\n"),
    "a value may stand below its key": ("a:\n      1\nb:\n {c: 2}\n", "a:\n  1\nb:\n  {c: 2}\n"),
    "a question mark stays": ("?   a\n:   b\n", "? a\n: b\n"),
    "within brackets is no space at the ends": (
        "a: [ x,y , z ]\nb: { c: 1,d : 2 }\n",
        "a: [x, y, z]\nb: {c: 1, d: 2}\n",
    ),
    "a colon has its space where JSON has none": ('{"a":1,"b":[2]}\n', '{"a": 1, "b": [2]}\n'),
    "a missing value keeps its space": ("a: {b: , c: }\n", "a: {b: , c: }\n"),
    "a last comma stays": ("a: [x, ]\n", "a: [x,]\n"),
    "lines in brackets are indented": (
        "a: {\n b: [\n 1 ],\n        c: 2\n        }\n",
        "a: {\n  b: [\n    1],\n  c: 2\n}\n",
    ),
    "lines in brackets stand below the first value": (
        "a: {b: 1,\n  c: [2,\n 3]}\n- : x\n".replace("- : x\n", ""),
        "a: {b: 1,\n    c: [2,\n        3]}\n",
    ),
    "two brackets that open one line indent once": ("a: [{\n     b: 1\n     }]\n", "a: [{\n  b: 1\n}]\n"),
    "brackets in a list's entry count from the entry": ("a:\n- b: {\n  c: 1}\n", "a:\n  - b: {\n      c: 1}\n"),
    "brackets stand below wide characters": ("漢: [1,\n  2]\n", "漢: [1,\n     2]\n"),
    "of blank lines in a row one stays": ("\n\na: 1\n\n \n\n\nb: 2\n\n\n", "a: 1\n\nb: 2\n"),
    "the last line ends": ("a: 1", "a: 1\n"),
    "a comment behind something is two columns off": (
        "a: 1 # x\nb: # y\n  c: 2\t# z\n",
        "a: 1  # x\nb:  # y\n  c: 2  # z\n",
    ),
    "comments below each other stay so": ("a:   1    # x\nbcd: 2    # y\n", "a: 1    # x\nbcd: 2  # y\n"),
    "comments that go on below stay so": ("a:   1 # x\n       # y\nb: 2\n", "a: 1  # x\n      # y\nb: 2\n"),
    "comments below wide characters stay so": ("a: 漢字 # x\nb: 1234 # y\n", "a: 漢字  # x\nb: 1234  # y\n"),
    "a comment is indented as what follows": (
        "a:\n# x\n    b: 1\n  # y\n    c: 2\n",
        "a:\n  # x\n  b: 1\n  # y\n  c: 2\n",
    ),
    "a last comment stays with its block": (
        "a:\n    b:\n        c: 1\n        # c\n    # b\n# end\n",
        "a:\n  b:\n    c: 1\n    # c\n  # b\n# end\n",
    ),
    "a comment behind a block stays with it": (
        "a:\n    b: 1\n    # b\nc:\n- d\n # d\n# e\ne: 2\n",
        "a:\n  b: 1\n  # b\nc:\n  - d\n  # d\n# e\ne: 2\n",
    ),
    "a comment in brackets is indented as they are": (
        "a: [ # x\n# y\n 1,\n # z\n ]\n",
        "a: [  # x\n  # y\n  1,\n  # z\n]\n",
    ),
    "a comment's text is its author's": ("#x\n#  y  \n#!z\na: 1\n", "#x\n#  y\n#!z\na: 1\n"),
    "quotes stay": ("a: 'x'\nb: \"y\"\n'c': z\n", "a: 'x'\nb: \"y\"\n'c': z\n"),
    "quoted text on several lines is indented": (
        "a: \"x\n y\n\n      z\"\nb: ['p\n q']\n",
        "a: \"x\n  y\n\n  z\"\nb: ['p\n      q']\n",
    ),
    "plain text on several lines is indented": ("a: x\n     y\n\n   z\n", "a: x\n  y\n\n  z\n"),
    "a text in block style is indented, its own lines are not": (
        "a: |\n     x\n       y\n   \n     z # no comment\nb: >-  # folded\n     p\n",
        "a: |\n  x\n    y\n\n  z # no comment\nb: >-  # folded\n  p\n",
    ),
    "a text that says how far it is indented stays so": ("a:\n    b: |1\n       x\n", "a:\n  b: |1\n     x\n"),
    "a text that keeps its last line breaks keeps them": ("a: |+\n x\n\n\nb: 1\n", "a: |+\n  x\n\n\nb: 1\n"),
    "blank lines behind other texts are blank lines": ("a: |\n x\n\n\n\nb: 1\n", "a: |\n  x\n\nb: 1\n"),
    "a text whose last line has no end gets none": ("a: |\n x", "a: |\n  x"),
    "of which it makes no difference it gets one": ("a: |-\n x", "a: |-\n  x\n"),
    "marks of documents stay": ("%YAML 1.1\n# x\n---   # y\na:  1\n...\n", "%YAML 1.1\n# x\n---  # y\na: 1\n...\n"),
    "lines end as the first one does": ("a:  1\r\nb: |\r\n    x\nc: 2\n", "a: 1\r\nb: |\r\n  x\r\nc: 2\r\n"),
    "nothing stays nothing": ("\n \n", ""),
    "comments alone stay": ("\n  # x\n\n\n# y", "# x\n\n# y\n"),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_makes_a_text_canonical_and_leaves_canonical_text_alone(rule: str) -> None:
    before, after = RULES[rule]
    assert formatted(document(before)).source.text == after
    assert canonical(after) == after


def test_a_document_in_canonical_form_is_given_back_itself() -> None:
    tidy = document("a: 1\n")
    assert formatted(tidy) is tidy


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: 2\n", "another value"),
        ("a: 1\nb: 1\n", "another key"),
        ("a: 1\n", "a comment less"),
        ('a: "1"  # x\n', "another type"),
        ("a: [1]\n", "not the value alone"),
        ("a: [", "no YAML"),
        ("a: 1  # x\na: 1\n", "a duplicate key"),
    ],
)
def test_a_text_that_does_not_say_the_same_is_refused(text: str, why: str) -> None:
    assert why
    with pytest.raises(NotFormattableError):
        same(document("a: 1 # x\n"), text)


def test_a_large_file_takes_seconds() -> None:
    text = "keys:\n" + "".join(f"   k{at}:  {{instance: core,tags: {{a: b}} }} # {at}\n" for at in range(10_000))
    began = time.process_time()
    assert canonical(text).startswith("keys:\n  k0: {instance: core, tags: {a: b}}  # 0\n")
    assert time.process_time() - began < 6  # 1 s; a machine may be slow
