from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmsplan.kms.naming import (
    Owner,
    alias_problem,
    arn,
    format_duration,
    instance_id,
    key_id,
    key_version_id,
    parse_duration,
    tag_problem,
)


@pytest.mark.parametrize("name", ["alias/orders", "alias/team/orders-1_x", "alias/" + "a" * 249])
def test_good_aliases_pass(name: str) -> None:
    assert alias_problem(name) is None


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("orders", "alias/NAME"),
        ("alias/", "alias/NAME"),
        ("alias/acs/oss", "reserved"),
        ("alias/acs", "reserved"),
        ("alias/a b", "letters"),
        ("alias/ä", "letters"),
        ("alias/" + "a" * 250, "255"),
    ],
)
def test_bad_aliases_say_which_rule_they_break(name: str, problem: str) -> None:
    assert problem in str(alias_problem(name))


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("", "x", "empty"),
        ("aliyun-x", "x", "aliyun"),
        ("acs:x", "x", "acs:"),
        ("k" * 129, "x", "128"),
        ("k", "v" * 129, "128"),
        ("k;", "v", "letters"),
    ],
)
def test_bad_tags_say_which_rule_they_break(key: str, value: str, problem: str) -> None:
    assert problem in str(tag_problem(key, value))


def test_a_tag_may_use_every_published_character() -> None:
    assert tag_problem(r"a/\_-.+=:@ Z9", "") is None


@pytest.mark.parametrize(
    ("text", "seconds"), [("7d", 604_800), ("604800s", 604_800), ("2h", 7200), ("5m", 300), ("7", None), ("-7d", None)]
)
def test_durations_are_read_in_every_unit(text: str, seconds: int | None) -> None:
    assert parse_duration(text) == seconds


@given(st.integers(0, 10**8))
def test_a_formatted_duration_reads_back(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


def test_ids_have_the_published_forms_and_lengths() -> None:
    key = key_id(bytes(range(21)))
    assert key == "key-abcdefghijklmnopqrstu"
    assert len(key) == 25
    assert len(key_version_id(key, bytes(10))) == 36
    assert instance_id(bytes(21)) == "kst-" + "a" * 21
    assert arn("local", "1" * 16, f"key/{key}") == f"acs:kms:local:1111111111111111:key/{key}"


@given(st.from_regex(r"[a-z0-9]{20}", fullmatch=True), st.from_regex(r"key\.[a-z~0-9]{1,64}", fullmatch=True))
def test_an_owner_tag_round_trips_and_fits_into_a_tag(lineage: str, address: str) -> None:
    owner = Owner(lineage, address, "0123456789abcdef")
    assert Owner.parse(str(owner)) == owner
    assert tag_problem("kmsplan:owner", str(owner).replace("~", "-")) is None


@pytest.mark.parametrize("text", ["", "x", "a/b", "/b/c"])
def test_other_tag_values_are_no_owner(text: str) -> None:
    assert Owner.parse(text) is None
