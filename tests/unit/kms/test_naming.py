from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmsplan.kms.naming import (
    Arn,
    Owner,
    alias_problem,
    arn,
    format_duration,
    instance_id,
    is_old_key_id,
    key_id,
    key_version_id,
    parse_arn,
    parse_duration,
    service_alias,
    service_problem,
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
    key = key_id(bytes(range(8)), 1_767_225_600.25)
    assert key == "key-6474846241090abcdefgh"
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


def test_an_arn_reads_back() -> None:
    text = arn("cn-hangzhou", "1" * 16, "alias/a/b")
    assert parse_arn(text) == Arn("cn-hangzhou", "1" * 16, "alias", "a/b")
    assert parse_arn("acs:kms:local:1:keystore/kst-1") == Arn("local", "1", "keystore", "kst-1")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "key-1",
        "acs:kms:local:1",
        "acs:kms:local:1:key",
        "acs:kms:local:1:key/",
        "acs:kms:local:1:/a",
        "acs:kms::1:key/a",
        "acs:kms:local::key/a",
        "acs:oss:local:1:key/a",
        "aws:kms:local:1:key/a",
    ],
)
def test_other_texts_are_no_arn(text: str) -> None:
    assert parse_arn(text) is None


def test_a_services_alias_is_its_own_and_nobody_elses() -> None:
    assert service_alias("oss") == "alias/acs/oss"
    assert alias_problem(service_alias("oss")) is not None
    assert [name for name in ("oss", "polar-db", "9s") if service_problem(name)] == []
    assert [name for name in ("", "Oss", "a/b", "-a", "a" * 64) if not service_problem(name)] == []


def test_old_key_ids_are_uuids() -> None:
    assert is_old_key_id("86a9efd9-3d16-4894-bd4f-1fc43f3f2abf")
    assert not any(
        map(is_old_key_id, ("key-1", "86A9EFD9-3d16-4894-bd4f-1fc43f3f2abf", "86a9efd93d164894bd4f1fc43f3f2abf"))
    )
