from __future__ import annotations

import json
from typing import Any

import pytest

from kmsplan.engine.access.decision import admit, permit, require_owner_kept, require_reach
from kmsplan.engine.access.role import Role
from kmsplan.engine.audit import Request
from kmsplan.engine.caller import Caller
from kmsplan.engine.keystore.instance import DEFAULT_CMK_HOME, SERVICE_KEY_HOME
from kmsplan.engine.keystore.key import KeyRow
from kmsplan.kms.error import KmsError
from kmsplan.kms.policy import default_policy

OWNER, OTHER = "1111222233334444", "5555666677778888"
PERMITTED = "permitted"


def request(action: str, account: str | None = OWNER, user: str = "root", role: Role = Role.ADMINISTRATOR) -> Request:
    caller = Caller(actor="LTAI", account=account, user=user, role=role)
    return Request(action=action, resource=None, time="2026-01-01T00:00:00Z", request_id="r", caller=caller)


def key(policy: dict[str, Any] | None = None, instance: str = "kst-a") -> KeyRow:
    nothing: list[Any] = [None] * len(KeyRow._fields)
    text = None if policy is None else json.dumps(policy)
    return KeyRow(*nothing)._replace(key_id="key-a", instance_id=instance, policy=text)


def statement(effect: str, principals: str, actions: str) -> dict[str, Any]:
    return {
        "Effect": effect,
        "Principal": {"RAM": [f"acs:ram::{name}" for name in principals.split()]},
        "Action": actions.split(),
        "Resource": ["*"],
    }


def policy(*statements: tuple[str, str, str]) -> dict[str, Any]:
    return {"Version": "1", "Statement": [statement(*found) for found in statements]}


def verdict(asked: Request, row: KeyRow, *, by_arn: bool = True) -> str:
    try:
        permit(asked, row, OWNER, by_arn=by_arn)
    except KmsError as error:
        return error.code
    return PERMITTED


NO = "Forbidden.NoPermission"
ALL = ("Allow", f"{OWNER}:*", "kms:*")


@pytest.mark.parametrize(
    ("statements", "account", "user", "action", "expected"),
    [
        # one effect
        ([ALL], OWNER, "root", "Encrypt", PERMITTED),
        ([ALL], OWNER, "user/a", "Encrypt", PERMITTED),
        ([ALL], OWNER, "role/a", "Encrypt", PERMITTED),
        ([ALL], OTHER, "root", "Encrypt", NO),
        ([("Allow", f"{OWNER}:root", "kms:*")], OWNER, "root", "Encrypt", PERMITTED),
        ([("Allow", f"{OWNER}:root", "kms:*")], OWNER, "user/a", "Encrypt", NO),
        ([("Allow", f"{OWNER}:user/a", "kms:*")], OWNER, "user/a", "Encrypt", PERMITTED),
        ([("Allow", f"{OWNER}:user/a", "kms:*")], OWNER, "user/ab", "Encrypt", NO),
        ([("Allow", f"{OWNER}:user/a", "kms:*")], OWNER, "role/a", "Encrypt", NO),
        ([("Allow", f"{OWNER}:user/a", "kms:*")], OTHER, "user/a", "Encrypt", NO),
        ([("Allow", f"{OWNER}:user/a {OWNER}:role/b", "kms:*")], OWNER, "role/b", "Encrypt", PERMITTED),
        # actions
        ([("Allow", f"{OWNER}:*", "kms:Decrypt")], OWNER, "root", "Decrypt", PERMITTED),
        ([("Allow", f"{OWNER}:*", "kms:Decrypt")], OWNER, "root", "Encrypt", NO),
        ([("Allow", f"{OWNER}:*", "kms:Decrypt")], OWNER, "root", "AsymmetricDecrypt", NO),
        (
            [("Allow", f"{OWNER}:*", "kms:GenerateDataKey*")],
            OWNER,
            "root",
            "GenerateDataKeyWithoutPlaintext",
            PERMITTED,
        ),
        ([("Allow", f"{OWNER}:*", "kms:*crypt")], OWNER, "root", "Encrypt", PERMITTED),
        ([("Allow", f"{OWNER}:*", "kms:*crypt")], OWNER, "root", "GenerateDataKey", NO),
        ([("Allow", f"{OWNER}:*", "kms:decrypt")], OWNER, "root", "Decrypt", PERMITTED),
        ([("Allow", f"{OWNER}:*", "kms:Levitate")], OWNER, "root", "Decrypt", NO),
        ([("Allow", f"{OWNER}:*", "kms:Levitate kms:Decrypt")], OWNER, "root", "Decrypt", PERMITTED),
        # a denial beats whatever allows, before and after it
        ([ALL, ("Deny", f"{OWNER}:user/a", "kms:Decrypt")], OWNER, "user/a", "Decrypt", NO),
        ([ALL, ("Deny", f"{OWNER}:user/a", "kms:Decrypt")], OWNER, "user/b", "Decrypt", PERMITTED),
        ([ALL, ("Deny", f"{OWNER}:user/a", "kms:Decrypt")], OWNER, "user/a", "Encrypt", PERMITTED),
        ([("Deny", f"{OWNER}:*", "kms:decrypt"), ALL], OWNER, "user/a", "Decrypt", NO),
        ([ALL, ("Deny", f"{OTHER}:*", "kms:*")], OWNER, "root", "Decrypt", PERMITTED),
        # other accounts
        ([ALL, ("Allow", f"{OTHER}:*", "kms:Decrypt")], OTHER, "user/x", "Decrypt", PERMITTED),
        ([ALL, ("Allow", f"{OTHER}:role/x", "kms:Decrypt")], OTHER, "user/x", "Decrypt", NO),
        ([ALL, ("Allow", f"{OTHER}:*", "kms:Decrypt")], OTHER, "root", "Encrypt", NO),
    ],
)
def test_a_policy_decides(
    statements: list[tuple[str, str, str]], account: str, user: str, action: str, expected: str
) -> None:
    assert verdict(request(action, account, user), key(policy(*statements))) == expected


@pytest.mark.parametrize("name", ["key", "default", "service"])
def test_a_key_without_a_policy_is_its_accounts_alone(name: str) -> None:
    row = key(instance={"key": "kst-a", "default": DEFAULT_CMK_HOME, "service": SERVICE_KEY_HOME}[name])
    assert verdict(request("DescribeKey", OWNER, "user/a"), row) == PERMITTED
    assert verdict(request("DescribeKey", OTHER), row) == NO


@pytest.mark.parametrize("home", [DEFAULT_CMK_HOME, SERVICE_KEY_HOME])
def test_a_policy_on_a_default_or_service_key_is_not_looked_at(home: str) -> None:
    row = key(policy(("Deny", f"{OWNER}:*", "kms:*"), ("Allow", f"{OTHER}:*", "kms:*")), instance=home)
    assert verdict(request("DescribeKey"), row) == PERMITTED
    assert verdict(request("DescribeKey", OTHER), row) == NO


def test_another_account_has_to_name_the_arn() -> None:
    row = key(policy(ALL, ("Allow", f"{OTHER}:*", "kms:*")))
    assert verdict(request("Encrypt", OTHER), row) == PERMITTED
    assert verdict(request("Encrypt", OTHER), row, by_arn=False) == NO
    require_reach(request("Encrypt", OTHER), "acs:kms:local:1111222233334444:key/key-a", OWNER)
    for name in ("key-a", "alias/a"):
        with pytest.raises(KmsError, match=f"The specified key {name} is not found") as caught:
            require_reach(request("Encrypt", OTHER), name, OWNER)
        assert caught.value.code == "Forbidden.KeyNotFound"
    require_reach(request("Encrypt"), "alias/a", OWNER)
    require_reach(request("Encrypt", None), "alias/a", OWNER)


def test_the_role_is_asked_before_the_policy() -> None:
    row = key(policy(ALL))
    assert verdict(request("ScheduleKeyDeletion", role=Role.USER), row) == NO
    assert verdict(request("Encrypt", role=Role.AUDITOR), row) == NO
    assert verdict(request("Encrypt", role=Role.USER), row) == PERMITTED


def test_an_action_that_stands_for_two_is_asked_by_the_name_of_each() -> None:
    row = key(policy(("Allow", f"{OWNER}:*", "kms:ReEncryptFrom")))
    permit(request("ReEncrypt"), row, OWNER, by_arn=False, action="ReEncryptFrom")
    with pytest.raises(KmsError, match="does not permit ReEncryptTo to acs:ram::1111222233334444:root"):
        permit(request("ReEncrypt"), row, OWNER, by_arn=False, action="ReEncryptTo")


def test_the_owner_of_the_folder_is_bound_by_nothing() -> None:
    asked = request("Levitate", None, role=Role.AUDITOR)
    admit(asked, OWNER)
    assert verdict(asked, key(policy(("Deny", f"{OWNER}:*", "kms:*"))), by_arn=False) == PERMITTED


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (request("Levitate"), "The role of the access key, administrator, does not permit Levitate"),
        (request("CreateKey", role=Role.USER), "The role of the access key, user, does not permit CreateKey"),
        (request("CreateKey", OTHER), "CreateKey is not about a single key, and account 5555666677778888 has nothing"),
        (request("ListKeys", OTHER), "ListKeys is not about a single key"),
    ],
)
def test_what_no_policy_can_permit_is_refused_at_once(asked: Request, said: str) -> None:
    with pytest.raises(KmsError, match=said) as caught:
        admit(asked, OWNER)
    assert caught.value.code == NO


def test_a_condition_that_came_from_elsewhere_never_allows_and_always_denies() -> None:
    conditional = policy(ALL)
    conditional["Statement"][0]["Condition"] = {"Bool": {"acs:SecureTransport": ["true"]}}
    assert verdict(request("Encrypt"), key(conditional)) == NO
    denied = policy(ALL, ("Deny", f"{OWNER}:*", "kms:*"))
    denied["Statement"][1]["Condition"] = {"Bool": {"acs:SecureTransport": ["false"]}}
    assert verdict(request("Encrypt"), key(denied)) == NO


@pytest.mark.parametrize(
    ("statements", "kept"),
    [
        ([ALL], True),
        ([("Allow", f"{OWNER}:user/a", "kms:Set*")], True),
        ([("Allow", f"{OWNER}:role/a", "kms:SetKeyPolicy")], True),
        ([("Allow", f"{OWNER}:*", "kms:Decrypt")], False),
        ([("Allow", f"{OTHER}:*", "kms:*")], False),
        ([ALL, ("Deny", f"{OWNER}:*", "kms:SetKeyPolicy")], False),
        ([ALL, ("Deny", f"{OWNER}:root {OWNER}:user/a", "kms:*")], True),
        ([("Allow", f"{OWNER}:user/a", "kms:*"), ("Deny", f"{OWNER}:user/a", "kms:Set*")], False),
        ([("Allow", f"{OWNER}:user/a {OWNER}:user/b", "kms:*"), ("Deny", f"{OWNER}:user/a", "kms:Set*")], True),
    ],
)
def test_a_policy_under_which_nobody_could_set_another_is_refused(
    statements: list[tuple[str, str, str]], *, kept: bool
) -> None:
    asked, wanted = request("SetKeyPolicy"), policy(*statements)
    if kept:
        require_owner_kept(asked, wanted, OWNER)
    else:
        with pytest.raises(KmsError, match=f"Allow kms:SetKeyPolicy to acs:ram::{OWNER}") as caught:
            require_owner_kept(asked, wanted, OWNER)
        assert caught.value.code == "InvalidParameter"
    require_owner_kept(request("SetKeyPolicy", None), wanted, OWNER)
    require_owner_kept(asked, None, OWNER)
    require_owner_kept(asked, default_policy(OWNER), OWNER)
