"""A configured policy: plans show what it holds back, and no apply passes it."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import jsonschema
import pytest

from kmsplan.policy.schema import policy_schema

if TYPE_CHECKING:
    from tests.project import Project

KEYS = """\
kmsplan: 1
instances: {core: {type: software}}
keys:
  orders: {instance: core, rotation: 90d, aliases: [orders]}
  legacy: {instance: core}
"""
POLICY = KEYS + "policy: {packs: [baseline]}\n"


def waived(days: int, rule: str = "R101") -> str:
    day = (datetime.now(UTC) + timedelta(days=days)).date()
    return POLICY + f"waivers: [{{address: key.legacy, rule: {rule}, owner: ada, reason: moving, expires: {day}}}]\n"


@pytest.fixture
def guarded(project: Project) -> Project:
    """A configuration that breaks its own policy."""
    project.write(POLICY)
    return project


def made_by_hand(project: Project) -> str:
    return project.call(
        "CreateKey",
        f"DKMSInstanceId={project.identity('instance.core')}",
        "KeySpec=Aliyun_AES_256",
        "KeyUsage=ENCRYPT/DECRYPT",
        "Origin=Aliyun_KMS",
    )


def nothing_was_made(project: Project) -> bool:
    return not (project.root / "state").exists()


def test_a_plan_that_would_break_a_rule_shows_it_and_exits_with_4(guarded: Project) -> None:
    answer = guarded.run("plan", code=4)
    assert "A rule of the policy is broken (P121)" in answer.out
    assert "on kmsplan.yaml:5:3, key.legacy" in answer.out
    assert "R101 (baseline): Keys that can rotate do. Here key.rotation_days is 0." in answer.out
    (violation,) = guarded.run("plan", "--json", code=4).json()["violations"]
    assert (violation["code"], violation["address"], violation["brake"]) == ("P121", "key.legacy", False)


@pytest.mark.parametrize("flags", [[], ["--allow-mass", "--allow-delete", "1", "--allow-in-use", "key.legacy"]])
def test_apply_refuses_before_anything_is_done_and_no_flag_lets_it_pass(guarded: Project, flags: list[str]) -> None:
    answer = guarded.run("apply", "--auto-approve", *flags, code=4)
    assert "nothing was changed" in answer.err
    assert not (guarded.root / "state" / "engine").exists()


def test_an_apply_that_asks_refuses_before_it_asks(guarded: Project) -> None:
    answer = guarded.run("apply", code=4, stdin="yes\n")
    assert "Enter a value" not in answer.out


def test_what_holds_no_plan_back_is_noted_beside_it(guarded: Project) -> None:
    guarded.write(KEYS + "policy: {packs: [baseline], severity: {R101: warning}}\n")
    answer = guarded.run("plan")
    assert "Policy: 1 warning. kmsplan policy check shows each." in answer.err
    assert "Policy" not in answer.out
    assert "Policy" not in guarded.run("--quiet", "plan").text


def test_a_waiver_lets_it_pass_to_the_end_of_its_last_day(guarded: Project) -> None:
    now = datetime.now(UTC)
    if now.hour == 23 and now.minute == 59:
        time.sleep(60 - now.second)
    guarded.write(waived(0))
    guarded.apply()
    assert "key.legacy, until" in guarded.run("policy", "check").out


def test_one_that_ended_yesterday_does_not_and_is_named(guarded: Project) -> None:
    guarded.write(waived(-1))
    assert "The waiver of ada (moving) ended on" in guarded.run("plan", code=4).out
    assert "K427" in guarded.run("validate").err


def test_a_policy_that_comes_later_holds_the_keys_that_were_there_before(project: Project) -> None:
    project.write(KEYS)
    project.apply()
    project.write(POLICY)
    project.run("plan", code=4)
    project.run("plan", "--target", "key.orders")
    project.write(POLICY.replace("legacy: {instance: core}", "legacy: {instance: core, rotation: 365d}"))
    project.apply()


def test_a_saved_plan_is_bound_to_the_policy_it_was_made_under(guarded: Project) -> None:
    reviewed = waived(30)
    guarded.write(reviewed)
    guarded.run("plan", "-o", "saved.plan")
    guarded.run("policy", "check", "saved.plan")
    for weaker in (KEYS, waived(32), reviewed.replace("[baseline]", "[{pack: baseline, deletion_window: 1}]")):
        guarded.write(weaker)
        guarded.run("apply", "saved.plan", code=7)
        guarded.run("policy", "check", "saved.plan", code=7 if "policy" in weaker else 1)
    guarded.write(reviewed)
    guarded.run("apply", "saved.plan")


def test_a_plan_that_was_saved_although_refused_is_refused_again(project: Project) -> None:
    project.write(KEYS)
    project.apply()
    project.write(POLICY + "default_key: {}\n")
    project.run("plan", "-o", "saved.plan", code=4)
    answer = project.run("apply", "saved.plan", code=4)
    assert answer.text.count("A rule of the policy is broken") == 1


def test_variables_cannot_weaken_it(guarded: Project) -> None:
    guarded.write(KEYS + 'variables: {off: {default: R101}}\npolicy: {packs: [baseline], disabled: ["${var.off}"]}\n')
    assert "K306" in guarded.run("plan", code=1).err


def test_offline_nothing_is_reached(guarded: Project) -> None:
    answer = guarded.run("policy", "check", "--offline", "--json", code=4)
    jsonschema.validate(answer.json(), policy_schema())
    assert [one["rule"] for one in answer.json()["findings"]] == ["R101"]
    assert nothing_was_made(guarded)


def test_the_check_itself_writes_nothing(guarded: Project) -> None:
    before = sorted(path.name for path in guarded.root.rglob("*"))
    guarded.run("policy", "check", code=4)
    assert sorted(path.name for path in guarded.root.rglob("*")) == before


def test_what_the_kms_holds_is_judged_whoever_made_it(guarded: Project) -> None:
    guarded.write(waived(30))
    guarded.apply()
    guarded.run("policy", "check", "--observed")
    made = made_by_hand(guarded)
    answer = guarded.run("policy", "check", "--observed", "--json", code=4)
    found = {(one["rule"], one["address"], one["identity"]) for one in answer.json()["findings"]}
    assert {rule for rule, address, identity in found if identity == made or not address} == {"R101", "R103"}
    guarded.run("policy", "check")
    guarded.run("plan")


def test_keys_are_judged_by_what_the_engine_says_of_them(guarded: Project) -> None:
    guarded.write(KEYS + "policy: {packs: [{pack: baseline, unused_days: 0}]}\n" + waived(30).split("\n", 6)[6])
    guarded.apply()
    rules = guarded.run("policy", "check", "--json").json()["rules"]
    (unused,) = [rule for rule in rules if rule["id"] == "R116"]
    assert unused["held"] == 2, "the engine notes every use"


def test_rules_of_ones_own_refuse_too(guarded: Project) -> None:
    (guarded.root / "policy").mkdir()
    guarded.write("rules: {house: {title: '<b>::error::', must: key.name != \"legacy\"}}\n", "policy/house.yaml")
    guarded.write(KEYS + "policy: {rules: [policy/*.yaml]}\n")
    answer = guarded.run("plan", code=4)
    assert "house (policy/house.yaml): <b>::error::." in answer.out
    guarded.write('rules: {house: {title: x, must: key.nam != "legacy"}}\n', "policy/house.yaml")
    answer = guarded.run("validate", code=1)
    assert "policy/house.yaml line 1, column 36" in answer.err
    assert "Did you mean 'key.name'?" in answer.err


def test_a_mistyped_pack_is_found_by_validate(guarded: Project) -> None:
    guarded.write(KEYS + "policy: {packs: [basline]}\n")
    assert "Did you mean 'baseline'?" in guarded.run("validate", code=1).err


def test_what_init_writes_keeps_the_baseline(project: Project) -> None:
    project.run("init")
    project.run("policy", "check", "--pack", "baseline", "--offline")


def test_a_configuration_without_a_policy_says_how_to_begin(project: Project) -> None:
    project.write(KEYS)
    assert "policy: {packs: [baseline]}" in project.run("policy", "check", code=1).err
    assert "R101" in project.run("policy", "check", "--pack", "baseline", code=4).out


@pytest.mark.parametrize("flags", [["--offline", "--observed"], ["--offline", "x.plan"], ["--observed", "x.plan"]])
def test_views_that_contradict_each_other_are_refused(guarded: Project, flags: list[str]) -> None:
    guarded.run("policy", "check", *flags, code=1)


def test_a_pack_that_there_is_not_is_a_near_miss(guarded: Project) -> None:
    assert "Did you mean 'strict'?" in guarded.run("policy", "check", "--pack", "strikt", code=1).err


def test_rules_are_listed_and_explained(guarded: Project) -> None:
    assert "R101  Keys that can rotate do" in guarded.run("policy", "list").out
    assert len(guarded.run("policy", "list", "--json").json()["packs"]) == 6
    assert "params.rotation_days" in guarded.run("policy", "explain", "r102").out
    assert "Did you mean 'R1" in guarded.run("policy", "explain", "R10l", code=1).err


def test_without_the_extra_a_policy_says_what_to_install(guarded: Project) -> None:
    (guarded.root / "cel_expr_python.py").write_text("raise ModuleNotFoundError(name='cel_expr_python')\n")
    guarded.environ["PYTHONPATH"] = str(guarded.root)
    answer = guarded.run("plan", code=1)
    assert "pip install 'kmsplan[policy]'" in answer.err


def test_an_import_is_recorded_whatever_the_policy_says_of_it(guarded: Project) -> None:
    guarded.write(waived(30))
    guarded.apply()
    made = made_by_hand(guarded)
    guarded.write(waived(30).replace("keys:\n", "keys:\n  found: {instance: core}\n"))
    guarded.run("import", "key.found", made)
    assert "key.found" in guarded.run("plan", code=4).out


def test_a_report_names_the_environment_it_was_made_from(guarded: Project) -> None:
    guarded.write(waived(30))
    guarded.apply()
    document = json.loads(guarded.run("policy", "check", "--json").out)
    assert document["environment"].startswith("embedded/")
    assert document["refused"] is False
