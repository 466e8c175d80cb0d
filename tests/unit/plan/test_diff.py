from __future__ import annotations

from kmsplan.plan.diff import comparison, complete, differences, learned, setting_differences
from kmsplan.resource.address import Address
from kmsplan.resource.kinds import KINDS

KEY = KINDS["key"]
BEFORE = complete(KEY, {"instance": "instance.core", "usage": "ENCRYPT/DECRYPT", "tags": {"a": "1", "b": "2"}})


def test_equal_objects_do_not_differ() -> None:
    assert differences(KEY, BEFORE, dict(BEFORE)) == ()


def test_the_order_of_tags_is_no_difference() -> None:
    assert differences(KEY, BEFORE, {**BEFORE, "tags": {"b": "2", "a": "1"}}) == ()


def test_differences_come_in_table_order() -> None:
    after = {**BEFORE, "tags": {}, "spec": "EC_P256", "enabled": False}
    assert differences(KEY, BEFORE, after) == ("spec", "enabled", "tags")


def test_settings_are_not_compared_with_the_kms() -> None:
    after = {**BEFORE, "deletion_window": 7, "on_replace": "succeed"}
    assert differences(KEY, BEFORE, after) == ()
    assert setting_differences(KEY, BEFORE, after) == ("deletion_window", "on_replace")


def test_what_was_not_read_counts_as_unchanged() -> None:
    unread = {name: value for name, value in BEFORE.items() if name != "policy"}
    assert differences(KEY, {**BEFORE, "policy": {"Version": "1"}}, unread) == ()
    assert differences(KEY, BEFORE, {**unread, "enabled": False}) == ("enabled",)


def test_complete_fills_in_the_tables_defaults_and_keeps_what_is_said() -> None:
    assert (BEFORE["enabled"], BEFORE["deletion_window"], BEFORE["policy"]) == (True, 30, None)
    assert complete(KEY, {"enabled": False})["enabled"] is False
    assert "aliases" not in BEFORE


def test_a_record_learns_what_no_operation_will_change() -> None:
    observed = {**BEFORE, "enabled": False, "description": "x"}
    assert learned(KEY, BEFORE, observed, ("enabled",)) == {"description": "x"}


def test_comparison_sees_identities_as_addresses() -> None:
    same = comparison(KINDS["alias"], {"key-1": Address("key.orders")})
    assert same({"key": "key-1"}, {"key": "key.orders"})
    assert not same({"key": "key-2"}, {"key": "key.orders"})


def test_comparison_is_not_sure_where_something_is_missing() -> None:
    same = comparison(KEY, {})
    assert same(BEFORE, BEFORE)
    assert not same({name: value for name, value in BEFORE.items() if name != "tags"}, BEFORE)
    assert not same({name: value for name, value in BEFORE.items() if name != "instance"}, BEFORE)
