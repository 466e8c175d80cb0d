from __future__ import annotations

from typing import Any

import pytest

from kmsplan.adopt.editing import REMOVED, Changes, NotEditableError, edited


def changes(values: dict[str, dict[str, Any]] | None = None, **lists: Any) -> Changes:
    """Paths are written with dots."""
    made = Changes()
    for path, said in (values or {}).items():
        made.values[tuple(path.split("."))].update(said)
    for path, added in lists.get("added", {}).items():
        made.added[tuple(path.split("."))].extend(added)
    for path, removed in lists.get("removed", {}).items():
        made.removed[tuple(path.split("."))].update(removed)
    return made


@pytest.mark.parametrize(
    ("before", "values", "after"),
    [
        ("k:\n  a: 1  # one\n  b: 2\n", {"k": {"a": 7}}, "k:\n  a: 7  # one\n  b: 2\n"),
        ("k: {a: 1, b: 2}\n", {"k": {"a": 7}}, "k: {a: 7, b: 2}\n"),
        ('k: {a: "x, y", b: 2}\n', {"k": {"a": "z, }"}}, "k: {a: 'z, }', b: 2}\n"),
        ("k:\n  a:\n  b: 2\n", {"k": {"a": 7}}, "k:\n  a: 7\n  b: 2\n"),
        ("k: {a: , b: 2}\n", {"k": {"a": 7}}, "k: {a: 7, b: 2}\n"),
        ("k:\n  a: 'long\n    text'\n  b: 2\n", {"k": {"a": None}}, "k:\n  a: null\n  b: 2\n"),
        ("k:\n  a: |\n    two\n    lines\n\n  # next\n  b: 2\n", {"k": {"a": "x"}}, "k:\n  a: x\n\n  # next\n  b: 2\n"),
        ("k:\n  a:\n    x: 1\n    y: 2\n  b: 2\n", {"k": {"a": {"z": 1}}}, "k:\n  a: {z: 1}\n  b: 2\n"),
        ("k:\n  a:\n  - x\n  - y\n  b: 2\n", {"k": {"a": []}}, "k:\n  a: []\n  b: 2\n"),
        ("k:\n  a: {x: 1,\n      y: 2}  # c\n", {"k": {"a": False}}, "k:\n  a: false  # c\n"),
    ],
)
def test_a_value_is_replaced_where_it_stands(before: str, values: dict[str, Any], after: str) -> None:
    assert edited(before, changes(values)).text == after


@pytest.mark.parametrize(
    ("before", "values", "after"),
    [
        (
            "k:\n  a: 1  # one\n\n  # of m\nm: 1\n",
            {"k": {"b": True}},
            "k:\n  a: 1  # one\n  b: true\n\n  # of m\nm: 1\n",
        ),
        ("k:\n  a: 1", {"k": {"b": 2}}, "k:\n  a: 1\n  b: 2"),
        ("k: {a: 1}\n", {"k": {"b": 2, "c": 3}}, "k: {a: 1, b: 2, c: 3}\n"),
        ("k: {\n  a: 1,\n}\n", {"k": {"b": 2}}, "k: {\n  a: 1, b: 2,\n}\n"),
        ("k: {}\n", {"k": {"b": 2}}, "k: {b: 2}\n"),
        ("k:\n", {"k": {"b": 2}}, "k: {b: 2}\n"),
        ("k:\r\n  a: 1\r\nm: 1\r\n", {"k": {"b": 2}}, "k:\r\n  a: 1\r\n  b: 2\r\nm: 1\r\n"),
        (
            "k:\n  a:\n    x: 1\nm: 1\n",
            {"k": {"b": 2}, "k.a": {"y": 3}},
            "k:\n  a:\n    x: 1\n    y: 3\n  b: 2\nm: 1\n",
        ),
        ("k:\n  a:\n    x: 1", {"k": {"b": 2}, "k.a": {"y": 3}}, "k:\n  a:\n    x: 1\n    y: 3\n  b: 2"),
    ],
)
def test_a_new_entry_comes_behind_the_last(before: str, values: dict[str, Any], after: str) -> None:
    assert edited(before, changes(values)).text == after


@pytest.mark.parametrize(
    ("before", "names", "after"),
    [
        ("k:\n  a: 1\n  b: 2  # two\n  c: 3\n", "b", "k:\n  a: 1\n  c: 3\n"),
        ("k:\n  a: 1\n  b: 2", "b", "k:\n  a: 1\n"),
        ("k: {a: 1, b: 2, c: 3}\n", "a", "k: {b: 2, c: 3}\n"),
        ("k: {a: 1, b: 2, c: 3}\n", "bc", "k: {a: 1}\n"),
        ("k: {a: 1, b: 2, c: 3}\n", "ac", "k: {b: 2}\n"),
        ("k: {a: 1}\n", "a", "k: {}\n"),
        ("k:\n  a: 1\n  b: 2\nm: 1\n", "ab", "k: {}\nm: 1\n"),
    ],
)
def test_an_entry_is_taken_out_whole(before: str, names: str, after: str) -> None:
    assert edited(before, changes({"k": dict.fromkeys(names, REMOVED)})).text == after


def test_entries_come_and_go_and_change_at_once() -> None:
    values = {"k": {"a": REMOVED, "b": 7, "d": 4}}
    assert edited("k: {a: 1, b: 2, c: 3}\n", changes(values)).text == "k: {b: 7, c: 3, d: 4}\n"
    assert edited("k:\n  a: 1\n  b: 2\n", changes({"k": {"b": REMOVED, "d": 4}})).text == "k:\n  a: 1\n  d: 4\n"
    assert edited("k:\n  a: 1\n", changes({"k": {"a": REMOVED, "d": 4}})).text == "k: {d: 4}\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("k: [a, b]\n", "k: [b, c]\n"),
        ("k: [a]\n", "k: [c]\n"),
        ("k:\n- a\n- b\n", "k:\n- b\n- c\n"),
        ("k:\n  - a  # x\n  - b  # y\nm: 1\n", "k:\n  - b  # y\n  - c\nm: 1\n"),
    ],
)
def test_lists_are_edited_item_by_item(before: str, after: str) -> None:
    assert edited(before, changes(added={"k": ["c"]}, removed={"k": ["a"]})).text == after


def test_the_end_of_a_list_may_go_while_another_comes() -> None:
    assert edited("k: [a, b]\n", changes(added={"k": ["c"]}, removed={"k": ["b"]})).text == "k: [a, c]\n"


def test_an_emptied_list_stays_as_one() -> None:
    assert edited("k:\n- a\nm: 1\n", changes(removed={"k": ["a"]})).text == "k: []\nm: 1\n"


@pytest.mark.parametrize("text", ["k: {a: 1}\n", "k: 7\n", "m: 1\n"])
def test_a_place_that_is_not_there_is_named(text: str) -> None:
    with pytest.raises(NotEditableError, match=r"k.b is not written there|k.b.c is not written there"):
        edited(text, changes({"k.b": {"c": 1}}))


def test_two_changes_of_one_place_are_refused() -> None:
    with pytest.raises(NotEditableError, match="two changes meet in line 1"):
        edited("k: {a: {x: 1}}\n", changes({"k": {"a": 7}, "k.a": {"x": 2}}))


def test_a_list_that_is_none_is_named() -> None:
    with pytest.raises(NotEditableError, match="k is no list"):
        edited("k: {a: 1}\n", changes(added={"k": ["c"]}))


def test_an_entry_that_shares_its_line_is_not_taken_out() -> None:
    with pytest.raises(NotEditableError, match="line 2"):
        edited("? k\n: ? a\n  : 1\n  ? b\n  : 2\n", changes({"k": {"a": REMOVED}}))


@pytest.mark.parametrize("text", ["\u202eturned", "für 密钥 \U0001f600", "a\nb", "no", "012", "", "- a: b # c", "[x]"])
def test_a_written_text_reads_as_it_was(text: str) -> None:
    import yaml  # noqa: PLC0415

    after = edited("k: {a: 1, b: 2}\n", changes({"k": {"a": text}})).text
    assert yaml.load(after, Loader=yaml.BaseLoader)["k"]["a"] == text  # noqa: S506 - every scalar as its text
    assert "\u202e" not in after
