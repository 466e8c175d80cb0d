from __future__ import annotations

from time import process_time
from typing import Any

import pytest

from kmsplan.kms.policy import condition_problem, default_policy, meant, policy_problem

OWNER = "1234567890123456"


def policy(**changes: Any) -> dict[str, Any]:
    whole = default_policy(OWNER)
    whole["Statement"][0] |= changes
    return whole


def test_the_default_policy_is_well_formed_and_has_no_condition() -> None:
    assert policy_problem(default_policy(OWNER)) is None
    assert condition_problem(default_policy(OWNER)) is None


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ("kms:*", "a policy is a JSON object, not the text 'kms:*'"),
        ({}, "A policy needs `Statement`"),
        ({**policy(), "Version": 1}, 'Version: Version is the text "1", in quotes; not the number 1'),
        ({**policy(), "Statement": []}, "Statement: Statement is a list of one or more statements, not an empty list"),
        ({**policy(), "Statement": ["all"]}, "Statement[0]: A statement is a mapping, not the text 'all'"),
        (policy(Effect="allow"), "Statement[0].Effect: Effect is Allow or Deny, not the text 'allow'"),
        (policy(Sid="a!b"), "Statement[0].Sid: Sid is text of up to 128 letters"),
        (policy(Principal={"AWS": ["*"]}), "Statement[0].Principal: Principal is a mapping with `RAM` alone"),
        (policy(Principal={"RAM": ["acs:ram::1:group/ops"]}), "Principal.RAM lists acs:ram::ACCOUNT:user/NAME"),
        (policy(Principal={"RAM": ["acs:ram::1:user/*"]}), "not the text 'acs:ram::1:user/*'"),
        (policy(Principal={"RAM": ["acs:ram::*:*"]}), "not the text 'acs:ram::*:*'"),
        (policy(Action="kms:*"), "Statement[0].Action: Action is a list of one or more texts, not the text 'kms:*'"),
        (policy(Action=["oss:GetObject"]), "not the text 'oss:GetObject'"),
        (policy(Resource=["acs:kms:*:*:key/1"]), 'Resource is ["*"]: a key policy is about its own key'),
        (policy(Condition=["x"]), "Statement[0].Condition: Condition is a mapping, not a list"),
        (policy(NotAction=["kms:*"]), "A statement has no 'NotAction'; it has Action, Condition, Effect"),
        ({**policy(), "Statement": policy()["Statement"] * 400}, "bytes; the KMS takes 32768"),
        (policy(Condition={"x": object()}), "The policy holds something that is no JSON"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(found: Any, said: str) -> None:
    assert said in (policy_problem(found) or "nothing")


def test_unknown_actions_are_no_problem() -> None:
    assert policy_problem(policy(Action=["kms:Levitate", "kms:Describe*"])) is None


def test_a_condition_is_named_with_what_to_do_instead() -> None:
    assert condition_problem(policy(Condition={})) is None
    said = condition_problem(policy(Condition={"IpAddress": {"acs:SourceIp": "10.0.0.0/8"}})) or ""
    assert said.startswith("Statement[0].Condition: The embedded engine evaluates no conditions")
    assert "Leave the condition out" in said


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (["kms:Decrypt"], ["kms:Decrypt"]),
        (["kms:decrypt"], ["kms:Decrypt"]),
        (["kms:*crypt"], ["kms:AsymmetricDecrypt", "kms:Decrypt"]),
        (["kms:*m*Decrypt", "kms:**List***"], ["kms:AsymmetricDecrypt", "kms:ListKeys"]),
        (["kms:*"], ["kms:AsymmetricDecrypt", "kms:Decrypt", "kms:ListKeys"]),
        (["kms:Decrypt*s", "kms:ecrypt"], []),
    ],
)
def test_a_star_means_any_letters_and_names_compare_without_regard_to_case(
    actions: list[str], expected: list[str]
) -> None:
    names = ["kms:AsymmetricDecrypt", "kms:Decrypt", "kms:ListKeys"]
    assert [name for name in names if meant(actions).fullmatch(name)] == expected


@pytest.mark.parametrize("stars", ["*" * 1000, "*e" * 400, "*t*e*a" * 400])
def test_no_number_of_stars_takes_long(stars: str) -> None:
    assert policy_problem(policy(Action=[f"kms:{stars}z"])) is None
    began = process_time()
    assert not meant([f"kms:{stars}z"]).fullmatch("kms:GenerateDataKeyWithoutPlaintext")
    assert process_time() - began < 1
