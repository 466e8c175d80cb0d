"""Names for what has none: in form, unique, and the same at every run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmsplan.adopt.naming import LENGTH, sentence, slug, unique
from kmsplan.resource.address import NAME


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("orders", "orders"),
        ("orders/prod", "orders-prod"),
        ("  The key: of 'orders' ", "The-key-of-orders"),
        ("-_-", ""),
        ("密钥", ""),
        ("a" * 70, "a" * 64),
        ("a" * 63 + "--", "a" * 63),
    ],
)
def test_a_text_becomes_a_name(text: str, name: str) -> None:
    assert slug(text) == name


def test_of_a_long_sentence_the_first_words_are_taken() -> None:
    assert sentence("encrypts the orders of the payment service, and more") == "encrypts-the-orders-of-the-payment"
    assert sentence("a" * 50) == "a" * 40


def test_one_name_for_two_is_told_apart_by_numbers_in_the_order_of_their_identities() -> None:
    assert unique({"key-3": ["a"], "key-1": ["a"], "key-2": ["a-2"]}) == {
        "key-1": "a",
        "key-3": "a-2",
        "key-2": "a-2-2",
    }
    long = "a" * LENGTH
    assert unique({"key-1": [long], "key-2": [long]}) == {"key-1": long, "key-2": "a" * 62 + "-2"}


def test_without_a_usable_name_the_identity_is_the_name() -> None:
    assert unique({"key-1": ["", "~"], "!": []}) == {"key-1": "key-1", "!": "unnamed"}


@given(st.dictionaries(st.text("key-123", min_size=1, max_size=6), st.lists(st.text(max_size=8), max_size=2)))
def test_names_are_in_form_unique_and_do_not_depend_on_the_order(candidates: dict[str, list[str]]) -> None:
    names = unique(candidates)
    assert names.keys() == candidates.keys()
    assert all(NAME.fullmatch(name) for name in names.values())
    assert len(set(names.values())) == len(names)
    assert unique(dict(reversed(candidates.items()))) == names


@given(st.text(max_size=100))
def test_a_text_is_a_name_or_nothing(text: str) -> None:
    for name in (slug(text), sentence(text)):
        assert name == "" or NAME.fullmatch(name)
