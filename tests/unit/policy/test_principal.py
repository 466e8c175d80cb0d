from __future__ import annotations

from typing import Any

import pytest

from kmsplan.kms.policy import default_policy
from kmsplan.policy.principal import MANAGES, USES, Principals, principals

ADA, APP, ALL = "acs:ram::1:user/ada", "acs:ram::1:role/app", "acs:ram::1:*"


def policy(*statements: tuple[str, list[str], list[str]]) -> dict[str, Any]:
    made = [
        {"Effect": effect, "Principal": {"RAM": who}, "Action": actions, "Resource": ["*"]}
        for effect, who, actions in statements
    ]
    return {"Version": "1", "Statement": made}


def test_a_key_without_a_policy_names_nobody() -> None:
    assert principals(None) == Principals()


def test_the_default_policy_lets_the_account_do_everything() -> None:
    assert principals(default_policy("1")) == Principals((ALL,), (ALL,))


@pytest.mark.parametrize(
    ("action", "administers", "uses"),
    [
        ("kms:ScheduleKeyDeletion", True, False),
        ("kms:SetKeyPolicy", True, False),
        ("kms:DeleteKeyMaterial", True, False),
        ("kms:Decrypt", False, True),
        ("kms:asymmetricsign", False, True),
        ("kms:Generate*", False, True),
        ("kms:Create*", True, False),
        ("kms:*", True, True),
        ("kms:Describe*", False, False),
        ("kms:List*", False, False),
        ("kms:GetPublicKey", False, False),
        ("kms:AsymmetricVerify", False, False),
        ("kms:NoSuchAction", False, False),
    ],
)
def test_what_an_action_makes_of_who_may_do_it(action: str, administers: bool, uses: bool) -> None:  # noqa: FBT001
    found = principals(policy(("Allow", [ADA], [action])))
    assert (found.administrators, found.users) == ((ADA,) * administers, (ADA,) * uses)


def test_what_is_denied_is_not_allowed() -> None:
    found = principals(policy(("Allow", [ADA, APP], ["kms:*"]), ("Deny", [ADA], ["kms:*crypt"])))
    assert found.users == (APP, ADA), "Ada can still sign and make data keys"
    everything_used = [f"kms:{action}" for action in sorted(USES)]
    assert principals(policy(("Allow", [ADA], ["kms:*"]), ("Deny", [ADA], everything_used))).users == ()


def test_a_denial_of_the_whole_account_is_one_of_everybody_in_it() -> None:
    other = "acs:ram::2:user/eve"
    found = principals(policy(("Allow", [ADA, other], ["kms:Decrypt"]), ("Deny", [ALL], ["kms:Decrypt"])))
    assert found.users == (other,)


def test_managing_and_using_have_no_action_in_common() -> None:
    assert not MANAGES & USES
    assert {"Encrypt", "Decrypt", "AsymmetricSign", "GenerateDataKey", "GenerateMac"} <= USES
