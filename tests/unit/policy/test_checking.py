from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kmsplan.config.packs import packs
from kmsplan.plan.plan import Plan, PlanOptions, Violation
from kmsplan.plan.planner import make_plan
from kmsplan.policy.checking import BROKEN, check, guarded
from kmsplan.policy.report import PolicyReport, Severity
from kmsplan.resource.address import Address
from kmsplan.resource.value import Present, Unreadable
from tests.policing import EVERYTHING, NOW, Story

BASELINE = {"packs": ["baseline"]}
ROTATES: dict[str, Any] = {"instance": "core", "rotation": "90d"}
STANDS: dict[str, Any] = {"instance": "core"}


def waiver(**changes: Any) -> dict[str, Any]:
    return {"address": "key.a", "rule": "R101", "owner": "ada", "reason": "moving", "expires": "2026-06-01"} | changes


def story(folder: Path, *, policy: Any = BASELINE, waivers: Any = (), **written: Any) -> Story:
    return Story(folder, {"keys": {"a": STANDS}, **written}, policy, list(waivers))


def plan_of(told: Story, **options: Any) -> Plan:
    configuration = told.configuration()
    recorded, observed = told._world(None)
    plan = make_plan(
        configuration=configuration,
        recorded=recorded,
        observed=observed,
        offer=EVERYTHING,
        options=PlanOptions(now=told.now, **options),
    )
    return guarded(plan, configuration, recorded, observed, told.now)


def broken(plan: Plan) -> list[Violation]:
    return [one for one in plan.violations if one.code == BROKEN]


def test_without_a_policy_nothing_is_judged(tmp_path: Path) -> None:
    configuration = replace(story(tmp_path).configuration(), policy=None)
    recorded, observed = story(tmp_path)._world(None)
    assert check(configuration, recorded, observed, None, NOW) == PolicyReport()


def test_a_broken_rule_refuses_the_plan_and_says_all_that_one_needs(tmp_path: Path) -> None:
    (violation,) = broken(plan_of(story(tmp_path)))
    assert not violation.brake
    assert violation.address == "key.a"
    assert violation.where.startswith("kmsplan.yaml:")
    assert violation.detail == (
        "R101 (baseline): Keys that can rotate do. Here key.rotation_days is 0. Declare a period: rotation: 90d."
    )


def test_a_warning_does_not(tmp_path: Path) -> None:
    assert broken(plan_of(story(tmp_path, policy={**BASELINE, "severity": {"R101": "warning"}}))) == []


def test_a_waiver_lets_it_pass_until_the_end_of_its_day(tmp_path: Path) -> None:
    assert broken(plan_of(story(tmp_path, waivers=[waiver()]))) == []
    late = story(tmp_path, waivers=[waiver()])
    late.now = NOW + timedelta(days=1)
    (violation,) = broken(plan_of(late))
    assert violation.detail.endswith(" The waiver of ada (moving) ended on 2026-06-01.")


@pytest.mark.parametrize(
    ("options", "addresses"),
    [
        ({}, ["key.a", "key.b"]),
        ({"targets": ("key.a",)}, ["key.a"]),
        ({"excludes": ("key.a",)}, ["key.b"]),
        ({"targets": ("instance.core",)}, []),
    ],
)
def test_a_plan_of_a_part_is_judged_for_that_part(options: Any, addresses: list[str], tmp_path: Path) -> None:
    plan = plan_of(story(tmp_path, keys={"a": STANDS, "b": STANDS}), **options)
    assert [one.address for one in broken(plan)] == addresses


def test_what_is_unchanged_is_judged_all_the_same(tmp_path: Path) -> None:
    assert [one.address for one in story(tmp_path, before="same").report().findings] == ["key.a"]


def test_a_plan_that_was_judged_before_is_judged_anew(tmp_path: Path) -> None:
    told = story(tmp_path)
    judged = plan_of(told)
    recorded, observed = told._world(None)
    again = guarded(judged, told.configuration(), recorded, observed, NOW)
    assert again.violations == judged.violations, "and not twice"
    mended = replace(told, waivers=[waiver()]).configuration()
    assert broken(guarded(judged, mended, recorded, observed, NOW)) == []


def test_a_plan_that_was_refused_before_anything_was_decided_is_left_alone(tmp_path: Path) -> None:
    stop = Violation(code="P101", address=None, summary="another KMS", detail="")
    plan = replace(plan_of(story(tmp_path)), changes=(), violations=(stop,))
    recorded, observed = story(tmp_path)._world(None)
    assert guarded(plan, story(tmp_path).configuration(), recorded, observed, NOW) is plan


def test_destroying_everything_is_judged_by_the_rules_about_changes(tmp_path: Path) -> None:
    key = {**STANDS, "deletion_protection": False, "deletion_window": "7d"}
    told = story(tmp_path, keys={"a": key}, before="same", policy={"packs": ["baseline", "cis"]})
    configuration = told.configuration()
    recorded, observed = told._world(configuration)
    options = PlanOptions(now=NOW, destroy=True)
    plan = make_plan(
        configuration=configuration, recorded=recorded, observed=observed, offer=EVERYTHING, options=options
    )
    found = check(configuration, recorded, observed, plan, NOW)
    assert {one.rule.id for one in found.findings} == {"R119", "R121"}


def test_offline_what_only_the_kms_knows_is_skipped(tmp_path: Path) -> None:
    told = story(tmp_path, keys={"a": ROTATES})
    recorded, _ = told._world(None)
    found = check(told.configuration(), recorded, None, None, NOW)
    assert found.findings == ()
    assert {judged.rule.id: judged.unknown for judged in found.judged if judged.skipped} == {
        "R116": ("observed.exists",)
    }


def test_the_observed_view_judges_what_is_there_and_not_what_is_declared(tmp_path: Path) -> None:
    told = story(tmp_path, keys={"a": ROTATES}, before="same", observed={"key.a": {"rotation": None}})
    assert told.report().findings == ()
    (finding,) = told.report(as_observed=True).findings
    assert (finding.rule.id, finding.address, finding.identity) == ("R101", "key.a", "key-a")
    assert finding.span is not None


def test_it_judges_what_nobody_manages_too(tmp_path: Path) -> None:
    told = story(tmp_path, before="same", waivers=[waiver(address="key-a")])
    configuration = told.configuration()
    recorded, observed = told._world(configuration)
    nobodys = replace(
        observed,
        objects={},
        others=tuple(replace(one, owner=None) for one in observed.objects.values() if isinstance(one, Present)),
    )
    unmanaged = replace(recorded, records={}, lineage="")
    found = check(configuration, unmanaged, nobodys, None, NOW, as_observed=True)
    assert [(one.address, one.identity) for one in found.waived] == [("", "key-a")]
    assert found.objects == 2
    skipped = {judged.rule.id: judged.unknown for judged in found.judged if judged.skipped}
    assert skipped["R104"] == ("key.deletion_window",), "no record says it"


def test_the_observed_view_leaves_out_what_waits_for_its_deletion(tmp_path: Path) -> None:
    told = story(tmp_path, before="same", observed={"key.a": {"state": "PendingDeletion"}})
    assert [one.address for one in told.report(as_observed=True).findings] == []


def test_what_could_not_be_read_is_counted_as_skipped_and_not_as_kept(tmp_path: Path) -> None:
    told = story(tmp_path, before="same")
    configuration = told.configuration()
    recorded, observed = told._world(configuration)
    silent = Unreadable("InternalFailure", "no answer")
    unread = replace(observed, objects=dict.fromkeys((*observed.objects, "key-nobodys"), silent))
    found = check(configuration, recorded, unread, None, NOW, as_observed=True)
    assert (found.findings, found.objects) == ((), 3)
    skipped = {judged.rule.id: judged.skipped for judged in found.judged}
    assert (skipped["R103"], skipped["R122"]) == (2, 1)


def test_a_key_whose_material_is_out_of_reach_is_known_to_be_so(tmp_path: Path) -> None:
    told = story(tmp_path, before="same", policy={"packs": ["baseline"], "disabled": ["R101"]})
    configuration = told.configuration()
    recorded, observed = told._world(configuration)
    away = replace(observed, objects={**observed.objects, "key-a": Unreadable("Rejected.Unavailable", "no answer")})
    desired = dict(configuration.desired)
    instance = desired[Address("instance.core")]
    desired[Address("instance.core")] = replace(
        instance, attributes={**instance.attributes, "type": "external", "proxy": None}
    )
    (finding,) = check(replace(configuration, desired=desired), recorded, away, None, NOW).findings
    assert (finding.rule.id, finding.message) == ("R117", 'observed.state is "Unavailable"')


def test_a_moved_key_keeps_its_history(tmp_path: Path) -> None:
    told = story(
        tmp_path,
        policy={"packs": [{"pack": "strict", "unused_days": 30}]},
        keys={"b": STANDS},
        before={"keys": {"a": STANDS}},
        moved=[{"from": "key.a", "to": "key.b"}],
        observed={"key.a": {"used": 31}},
    )
    found = [one for one in told.report().findings if one.rule.id == "R116"]
    assert [(one.address, one.identity) for one in found] == [("key.b", "key-a")]


def test_every_rule_can_be_judged_in_both_views(tmp_path: Path) -> None:
    every = {"packs": ["baseline", "strict", "cis", "gm-t", "nist-800-57", "pci-dss"]}
    told = story(tmp_path, policy=every, keys={"a": {**ROTATES, "aliases": ["a"]}}, default_key={}, before="same")
    for as_observed in (False, True):
        found = told.report(as_observed=as_observed)
        assert [one.message for one in (*found.findings, *found.waived) if "cannot be judged" in one.message] == []
        assert Address("key.a") in {one.address for one in found.findings}


@pytest.mark.parametrize("first", list(packs()))
@pytest.mark.parametrize("second", list(packs()))
def test_a_further_pack_never_lets_anything_pass(first: str, second: str, tmp_path: Path) -> None:
    keys = {
        "a": {"instance": "core", "rotation": "180d", "deletion_window": "7d"},
        "b": {"instance": "core", "spec": "RSA_2048", "tags": {"data": "pii"}, "deletion_protection": False},
        "c": {"instance": "core", "spec": "Aliyun_SM4"},
    }

    def errors(name: str, chosen: list[str]) -> set[tuple[str, str]]:
        (tmp_path / name).mkdir()
        found = story(tmp_path / name, keys=keys, policy={"packs": chosen}).report().findings
        return {(one.rule.id, one.address) for one in found if one.rule.severity is Severity.ERROR}

    assert errors("one", [first]) <= errors("two", [first, second])
