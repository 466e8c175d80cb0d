from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmsplan.rule.definition import Chosen, Definition, Parameter, Policy, Stricter, Value, stricter
from kmsplan.rule.fact import Subject

NUMBERS = st.integers(0, 9)
LISTS = st.lists(st.sampled_from("abc"), unique=True).map(tuple)


def asks(kind: Stricter) -> Parameter:
    return Parameter(default=0, stricter=kind, doc="")


@pytest.mark.parametrize(
    ("kind", "first", "second", "result"),
    [
        (Stricter.LOWER, 90, 365, 90),
        (Stricter.HIGHER, 90, 365, 365),
        (Stricter.FEWER, ("a", "b", "c"), ("c", "b", "d"), ("b", "c")),
        (Stricter.MORE, ("a", "b"), ("c", "b"), ("a", "b", "c")),
        (Stricter.NEITHER, "owner", "team", "team"),
    ],
)
def test_the_stricter_value_counts(kind: Stricter, first: Value, second: Value, result: Value) -> None:
    assert stricter(asks(kind), first, second) == result


@given(st.sampled_from([Stricter.LOWER, Stricter.HIGHER]), NUMBERS, NUMBERS)
def test_it_does_not_matter_which_of_two_numbers_comes_first(kind: Stricter, first: int, second: int) -> None:
    assert stricter(asks(kind), first, second) == stricter(asks(kind), second, first)


@given(st.sampled_from([Stricter.FEWER, Stricter.MORE]), LISTS, LISTS)
def test_nor_of_two_lists(kind: Stricter, first: tuple[str, ...], second: tuple[str, ...]) -> None:
    joined, turned = stricter(asks(kind), first, second), stricter(asks(kind), second, first)
    assert isinstance(joined, tuple)
    assert isinstance(turned, tuple)
    assert set(joined) == set(turned)


def test_the_facts_of_a_policy_are_all_that_decides_how_it_judges() -> None:
    rule = Chosen(
        definition=Definition(id="a", title="t", judges=Subject.KEY, must="true", remedy="r"),
        severity="note",
        packs=("p",),
        values={"days": 3},
    )
    assert Policy((rule,)).facts == {
        "a": {"severity": "note", "judges": "key", "when": "true", "must": "true", "values": {"days": 3}}
    }
