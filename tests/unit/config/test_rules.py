from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from kmsplan.config.codes import CODES
from kmsplan.config.configuration import Configuration
from kmsplan.config.diagnostic import ConfigurationError
from kmsplan.config.rules import KEY_RULES
from kmsplan.kms.capability import KeyStorageMechanism, Origin, import_refusal, rotation_refusal
from kmsplan.kms.naming import POLICY_BYTES
from kmsplan.kms.policy import check_policy
from kmsplan.kms.spec import INSTANCE_TYPES, SPECS, KeySpec, KeyType, KeyUsage
from kmsplan.resource.kinds import KINDS

Load = Callable[..., Configuration]
RULES = {rule.code: rule for rule in KEY_RULES}
CORE = "instances: {core: {type: software}}\n"
POLICY: dict[str, Any] = {
    "Version": "1",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"RAM": ["acs:ram::1234567890123456:user/ops"]},
            "Action": ["kms:Decrypt", "kms:Describe*", "kms:*"],
            "Resource": ["*"],
            "Condition": {"StringEquals": {"kms:tag/team": ["payments"]}},
        }
    ],
}


def test_rules_read_recorded_attributes_and_have_known_codes() -> None:
    for rule in KEY_RULES:
        assert rule.code in CODES
        assert {rule.at, *rule.reads} <= set(KINDS["key"].by_name)
    assert len(RULES) == len(KEY_RULES)


@pytest.mark.parametrize(("key_type", "spec"), [*product((*INSTANCE_TYPES, KeyType.DEFAULT_CMK), KeySpec)])
def test_a_spec_is_refused_exactly_where_the_table_has_none(key_type: KeyType, spec: KeySpec) -> None:
    detail = RULES["K401"].check(key_type, spec.value)
    assert (detail is None) == (key_type in SPECS[spec].instance_types)
    assert detail is None or (spec.value in detail and "offered by" in detail)


@pytest.mark.parametrize(("spec", "usage"), [*product(KeySpec, KeyUsage)])
def test_a_usage_is_refused_exactly_where_the_table_has_none(spec: KeySpec, usage: KeyUsage) -> None:
    detail = RULES["K402"].check(spec.value, usage.value)
    assert (detail is None) == (usage in SPECS[spec].usages)


@pytest.mark.parametrize(
    ("key_type", "spec", "origin", "mechanism"),
    [*product(INSTANCE_TYPES, (KeySpec.AES_256, KeySpec.EC_P256), Origin, (None, *KeyStorageMechanism))],
)
def test_rotation_and_import_are_refused_exactly_where_the_table_does(
    key_type: KeyType, spec: KeySpec, origin: Origin, mechanism: KeyStorageMechanism | None
) -> None:
    stored = mechanism.value if mechanism else None
    detail = RULES["K403"].check(key_type, spec.value, origin.value, stored, 90 * 86_400)
    reason = rotation_refusal(key_type, spec, origin, mechanism)
    assert (detail is None) == (reason is None)
    assert reason is None or reason in str(detail)
    assert RULES["K403"].check(key_type, spec.value, origin.value, stored, None) is None
    refused = origin is Origin.EXTERNAL and import_refusal(key_type, spec) and key_type in SPECS[spec].instance_types
    assert (RULES["K415"].check(key_type, spec.value, origin.value) is not None) == bool(refused)


@pytest.mark.parametrize(("days", "fits"), [(6, False), (7, True), (365, True), (366, False)])
def test_rotation_takes_seven_days_to_a_year(days: int, *, fits: bool) -> None:
    assert (RULES["K404"].check(days * 86_400) is None) == fits


@pytest.mark.parametrize(("days", "fits"), [(0, False), (6, False), (7, True), (366, True), (367, False), (7.5, False)])
def test_a_deletion_window_is_seven_to_366_whole_days(days: float, *, fits: bool) -> None:
    assert (RULES["K405"].check(days) is None) == fits


def test_a_policy_with_all_its_parts_is_taken() -> None:
    assert list(check_policy(POLICY)) == []


def test_a_policy_over_the_limit_is_refused() -> None:
    names = [f"acs:ram::1234567890123456:user/{number:04}" for number in range(1000)]
    statement = {**POLICY["Statement"][0], "Principal": {"RAM": names}}
    ((path, detail),) = check_policy({**POLICY, "Statement": [statement]})
    assert path == ()
    assert str(POLICY_BYTES) in detail


@pytest.mark.parametrize("value", ["x", 5, None, [], ["kms:a", 5]])
def test_a_policy_of_other_types_is_refused_not_crashed_on(value: object) -> None:
    statement = dict.fromkeys(POLICY["Statement"][0], value)
    assert list(check_policy({"Version": "1", "Statement": [statement]}))
    assert list(check_policy({"Version": value, "Statement": value}))


def test_many_wrong_names_get_hints_only_for_the_first(loaded: Load) -> None:
    keys = "".join(f"  key-{number}: {{instance: cor}}\n" for number in range(40))
    with pytest.raises(ConfigurationError) as caught:
        loaded(f"{CORE}keys:\n{keys}")
    hinted = [found for found in caught.value.diagnostics if "Did you mean 'core'" in found.detail]
    assert (len(caught.value.diagnostics), len(hinted)) == (40, 20)
    assert all("core" in found.detail for found in caught.value.diagnostics)


def test_an_alias_is_written_without_its_prefix(codes: Callable[..., list[str]]) -> None:
    assert codes(f"{CORE}keys: {{orders: {{instance: core, aliases: [alias/orders]}}}}\n") == ["K408"]


def test_a_key_quota_counts_the_keys_of_its_own_instance(codes: Callable[..., list[str]], loaded: Load) -> None:
    text = """
instances: {small: {type: software, key_quota: 100}, large: {type: software}}
variables: {names: {type: list}}
keys:
  "s-${each.key}": {instance: small, for_each: "${var.names}"}
  "l-${each.key}": {instance: large, for_each: "${var.names}"}
"""
    fits, over = (str([f"n{number}" for number in range(count)]) for count in (100, 101))
    assert len(loaded(text, variables={"names": fits}).desired) == 202
    assert codes(text, variables={"names": over}) == ["K417"]
