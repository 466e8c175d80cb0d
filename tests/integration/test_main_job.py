"""The main job: validate, plan, apply, no changes, a change behind its back, drift."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.project import Project


def test_plan_apply_plan_says_no_changes(basic: Project) -> None:
    assert "Plan: 4 to add, 0 to change, 0 to destroy." in basic.run("plan").out
    assert "Apply complete! Resources: 4 added, 0 changed, 0 destroyed." in basic.apply().out
    assert "No changes." in basic.run("plan", "--detailed-exitcode").out


def test_detailed_exitcode_is_2_when_there_are_changes_and_plain_plan_is_0(basic: Project) -> None:
    plain, detailed = basic.run("plan", code=0), basic.run("plan", "--detailed-exitcode", code=2)
    assert plain.out == detailed.out


def test_a_plan_writes_nothing(basic: Project) -> None:
    before = sorted(path.name for path in basic.root.rglob("*"))
    basic.run("plan")
    assert sorted(path.name for path in basic.root.rglob("*")) == before


def test_drift_names_what_changed_behind_its_back(applied: Project) -> None:
    applied.run("drift", code=0)
    applied.call("DisableKey", "KeyId=alias/orders")
    drift = applied.run("drift", "--json", code=2).json()
    (changed,) = drift["drift"]
    assert (changed["address"], changed["kind"]) == ("key.orders", "changed")
    (attribute,) = changed["attributes"]
    assert attribute == {
        "name": "enabled",
        "recorded": True,
        "observed": False,
        "desired": True,
        "verdict": "revert",
    }


def test_apply_puts_back_what_drifted(applied: Project) -> None:
    applied.call("DisableKey", "KeyId=alias/orders")
    applied.apply()
    applied.run("drift", code=0)
    assert "No changes." in applied.run("plan", "--detailed-exitcode", code=0).out


@pytest.mark.parametrize(
    ("operation", "parameters", "kind", "attribute"),
    [
        ("DisableKey", ["KeyId={signer}"], "changed", "enabled"),
        ("UpdateKeyDescription", ["KeyId={signer}", "Description=mine"], "changed", "description"),
        ("UpdateRotationPolicy", ["KeyId={orders}"], "changed", "rotation"),
        (
            "SetDeletionProtection",
            ["KeyId={orders}", "EnableDeletionProtection=false"],
            "changed",
            "deletion_protection",
        ),
        ("TagResources", ["ResourceId={orders}", "ResourceType=key", 'Tag={"team":"x"}'], "changed", "tags"),
        ("UntagResources", ["ResourceId={orders}", "ResourceType=key", 'TagKey=["team"]'], "changed", "tags"),
        ("UpdateAlias", ["AliasName=alias/orders", "KeyId={signer}"], "changed", "key"),
        ("DeleteAlias", ["AliasName=alias/orders"], "vanished", None),
        ("ScheduleKeyDeletion", ["KeyId={signer}", "PendingWindowInDays=7"], "pending_deletion", None),
        ("ModifyInstance", ["KmsInstanceId={core}", "KeyNum=500"], "changed", "key_quota"),
        (
            "CreateKey",
            ["DKMSInstanceId={core}", "KeySpec=Aliyun_AES_256", "KeyUsage=ENCRYPT/DECRYPT", "Origin=Aliyun_KMS"],
            "unmanaged",
            None,
        ),
    ],
)
def test_every_change_behind_its_back_is_reported(
    applied: Project, operation: str, parameters: list[str], kind: str, attribute: str | None
) -> None:
    names = {
        name: applied.identity(address)
        for name, address in [("orders", "key.orders"), ("signer", "key.signer"), ("core", "instance.core")]
    }
    for name, identity in names.items():
        parameters = [parameter.replace(f"{{{name}}}", identity) for parameter in parameters]
    applied.call(operation, *parameters)
    (drift,) = applied.run("drift", "--json", code=2).json()["drift"]
    assert drift["kind"] == kind
    if attribute:
        assert [found["name"] for found in drift["attributes"]] == [attribute]


@pytest.mark.parametrize("change", ["alias", "tag", "schedule"])
def test_apply_after_any_drift_converges(applied: Project, change: str) -> None:
    orders, signer = applied.identity("key.orders"), applied.identity("key.signer")
    match change:
        case "alias":
            applied.call("UpdateAlias", "AliasName=alias/orders", f"KeyId={signer}")
        case "tag":
            applied.call("UntagResources", f"ResourceId={orders}", "ResourceType=key", 'TagKey=["team"]')
        case _:
            applied.call("ScheduleKeyDeletion", f"KeyId={signer}", "PendingWindowInDays=7")
    applied.apply()
    applied.run("plan", "--detailed-exitcode", code=0)
    applied.run("drift", code=0)
    assert (applied.identity("key.orders"), applied.identity("key.signer")) == (orders, signer)


def test_the_keys_are_keys(applied: Project) -> None:
    blob = applied.run("engine", "encrypt", "alias/orders", "--context", "a=b", stdin="a secret").out
    (applied.root / "blob").write_text(blob)
    assert applied.run("engine", "decrypt", "--context", "a=b", "--in", "blob").out == "a secret"
    failed = applied.run("engine", "decrypt", "--context", "a=c", "--in", "blob", code=1)
    assert "does not open" in failed.err


def test_signatures_verify_and_others_do_not(applied: Project) -> None:
    (applied.root / "message").write_text("hello")
    (applied.root / "other").write_text("hellO")
    signer = applied.identity("key.signer")
    applied.run("engine", "sign", signer, "--message", "message", "--out", "signature")
    applied.run("engine", "verify", signer, "--message", "message", "--signature", "signature")
    applied.run("engine", "verify", signer, "--message", "other", "--signature", "signature", code=1)


def test_the_audit_trail_verifies_after_all_of_it(applied: Project) -> None:
    assert "verified" in applied.run("engine", "audit", "verify").out
    exported = applied.run("engine", "audit", "export").out
    assert exported.count("CreateKey") == 2


def test_files_with_secrets_are_private(applied: Project) -> None:
    for name in ("root.key", "keystore.db"):
        (found,) = applied.root.rglob(name)
        assert stat.S_IMODE(found.stat().st_mode) == 0o600


def test_the_root_key_is_announced_once(basic: Project) -> None:
    assert "root key" in basic.apply().err
    assert "root key" not in basic.apply().text


def test_apply_asks_and_takes_only_yes(basic: Project) -> None:
    assert "cancelled" in basic.run("apply", stdin="y\n", code=9).err
    assert not (basic.root / "state" / "engine").exists()
    basic.run("apply", stdin="yes\n")
    basic.run("plan", "--detailed-exitcode", code=0)


def test_apply_without_approval_and_without_input_changes_nothing(basic: Project) -> None:
    answer = basic.run("apply", stdin="", code=5)
    assert "--auto-approve" in answer.err
    assert not (basic.root / "state" / "engine").exists()
