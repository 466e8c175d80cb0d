from __future__ import annotations

from typing import Any

import pytest
import yaml

from kmsplan.config.document import DEPTH_LIMIT, HOLE, Document, _syntax, has_hole, parse
from kmsplan.config.place import Source
from kmsplan.config.problems import Problems


def read(text: str) -> tuple[Document | None, list[str]]:
    problems = Problems()
    document = parse(Source("a.yaml", text), problems)
    return document, [found.code for found in problems.diagnostics()]


def value(text: str) -> Any:
    document, codes = read(text)
    assert document is not None
    assert codes == []
    return document.value


def place(text: str, *path: str | int, key: bool = False) -> str:
    document, _ = read(text)
    assert document is not None
    span = document.locate(document.value, path, document.place_of_start(), key=key).span
    return f"{span.line}:{span.column}-{span.end_line}:{span.end_column}"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-12", -12),
        ("123456789012345678", 123456789012345678),
        ("1.5", 1.5),
        ("-0.25", -0.25),
    ],
)
def test_the_typed_values_are_those_of_json(written: str, meant: object) -> None:
    found = value(f"a: {written}")["a"]
    assert found == meant
    assert type(found) is type(meant)


@pytest.mark.parametrize(
    "written",
    [
        *("yes", "no", "on", "off", "y", "n", "True", "FALSE", "Null", "NO"),
        *("012", "0x1F", "0o17", "1_000", "+1", "1e3", ".5", "5.", "1:30", ".inf", ".nan", "--"),
        *("2027-12-31", "2027-12-31T10:00:00Z", "1234567890123456789", "=", "<<"),
    ],
)
def test_what_other_readers_turn_into_something_else_stays_text(written: str) -> None:
    assert value(f"a: {written}") == {"a": written}


@pytest.mark.parametrize("quoted", ['"true"', "'1'", '"null"', "'~'", '""'])
def test_quotes_make_text(quoted: str) -> None:
    assert value(f"a: {quoted}") == {"a": quoted[1:-1]}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "---\n...\n", "\n\n", "{}"])
def test_an_empty_file_is_an_empty_mapping(text: str) -> None:
    assert value(text) == {}


def test_block_scalars_and_folded_text_are_read_as_yaml_says() -> None:
    assert value("a: |\n  x\n  y\nb: >-\n  x\n  y\nc: x\n  y\n") == {"a": "x\ny\n", "b": "x y", "c": "x y"}


TEXT = """\
keys:
  orders: {instance: core, "tags": {a: 'b c'}}
  äöü:
    aliases:
      - one
      - "two"
"""


@pytest.mark.parametrize(
    ("path", "key", "expected"),
    [
        (("keys",), True, "1:1-1:5"),
        (("keys", "orders"), True, "2:3-2:9"),
        (("keys", "orders", "instance"), False, "2:22-2:26"),
        (("keys", "orders", "tags"), True, "2:28-2:34"),
        (("keys", "orders", "tags", "a"), False, "2:40-2:45"),
        (("keys", "äöü"), True, "3:3-3:6"),
        (("keys", "äöü", "aliases", 0), False, "5:9-5:12"),
        (("keys", "äöü", "aliases", 1), False, "6:9-6:14"),
    ],
)
def test_every_key_and_value_has_its_place(path: tuple[str | int, ...], *, key: bool, expected: str) -> None:
    assert place(TEXT, *path, key=key) == expected


def test_places_are_the_same_with_windows_line_ends() -> None:
    assert place(TEXT.replace("\n", "\r\n"), "keys", "äöü", "aliases", 1) == "6:9-6:14"


def test_a_path_that_the_file_does_not_show_leads_as_far_as_it_can() -> None:
    assert place(TEXT, "keys", "orders", "tags", "missing") == "2:36-2:37"
    assert place(TEXT, "keys", "orders", "instance", "deeper") == "2:22-2:26"


@pytest.mark.parametrize(
    ("text", "code", "rest"),
    [
        ("a: 1\na: 2\n", "K108", {"a": 1}),
        ("a: {b: 1, b: 2, b: 3}\n", "K108", {"a": {"b": 1}}),
        ("a: &x [1]\n", "K110", {"a": [1]}),
        ("&x a: 1\n", "K110", {"a": 1}),
        ("a: !!int '1'\n", "K111", {"a": "1"}),
        ("!!str a: 1\n", "K111", {"a": 1}),
        ("a: ! b\n", "K111", {"a": "b"}),
    ],
)
def test_what_is_refused_but_clear_is_read_all_the_same(text: str, code: str, rest: object) -> None:
    document, codes = read(text)
    assert set(codes) == {code}
    assert document is not None
    assert document.value == rest


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("a: &x 1\nb: *x\n", ["K110", "K110"]),
        ("a: {<<: {b: 1}}\n", ["K109"]),
        ("a: {1: x, 2: y}\n", ["K113", "K113"]),
        ("a: {true: x}\n", ["K113"]),
        ("a: {~: x}\n", ["K113"]),
        ("a: {'': x, ~: y}\n", ["K113"]),
        ("a: {? [x, {y: z}] : 1}\n", ["K113"]),
        ("a: {*x : 1}\n", ["K110", "K113"]),
        ('a: "\\0"\n', ["K105"]),
        ('"a\\0": 1\n', ["K105"]),
    ],
)
def test_what_cannot_be_understood_leaves_a_hole(text: str, codes: list[str]) -> None:
    document, found = read(text)
    assert found == codes
    assert document is not None
    assert not document.plain
    assert has_hole(document.value)


def test_a_quoted_merge_key_is_a_key() -> None:
    assert value("'<<': 1") == {"<<": 1}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: [1\n", "K106"),
        ("a: 'b\n", "K106"),
        ("a: b: c\n", "K106"),
        ("a: @b\n", "K106"),
        ("a: 1\n b: 2\n", "K106"),
        ("%YAML 3.0\n---\na: 1\n", "K106"),
        ("a:\n\tb: 1\n", "K107"),
        ("a:\n  b:\n  \tc: 1\n", "K107"),
        ("a: 1\n---\nb: 2\n", "K112"),
        ("[" * 70, "K114"),
        ("[1]", "K115"),
        ("text", "K115"),
        ("a: \x07", "K105"),
        ("a: 1\rb: 2", "K105"),
        ("a: \u2029b", "K105"),
        ("a: \u202eb", "K105"),
        ("a: \x85b", "K105"),
        ("a: \ufeffb", "K105"),
    ],
)
def test_what_breaks_a_file_stops_its_reading(text: str, code: str) -> None:
    assert read(text) == (None, [code])


def test_nesting_up_to_the_limit_is_read() -> None:
    text = "[" * (DEPTH_LIMIT - 1) + "]" * (DEPTH_LIMIT - 1)
    assert list(value(f"a: {text}")) == ["a"]
    assert read(f"a: [{text}]") == (None, ["K114"])


def test_a_bomb_of_aliases_is_never_built() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    document, codes = read("\n".join(lines))
    assert set(codes) == {"K110"}
    assert document is not None
    assert document.value["a59"] == [HOLE, HOLE]


def test_a_hole_says_what_it_is() -> None:
    assert repr(HOLE) == "HOLE"


def test_an_error_of_the_parser_without_a_place_is_told_too() -> None:
    problems = Problems()
    _syntax(yaml.YAMLError("no idea"), Source("a.yaml", "a: 1"), problems)
    (found,) = problems.diagnostics()
    assert (found.code, "no idea" in found.detail) == ("K106", True)
