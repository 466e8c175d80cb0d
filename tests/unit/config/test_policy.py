from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kmsplan.config.configuration import Configuration
from kmsplan.config.load import load
from kmsplan.config.packs import catalogue, packs
from kmsplan.config.policy import policy_of
from kmsplan.rule.expression import language

if TYPE_CHECKING:
    from kmsplan.rule.definition import Chosen

Load = Callable[..., Configuration]


def rules(configuration: Configuration) -> dict[str, Chosen]:
    assert configuration.policy is not None
    return {rule.definition.id: rule for rule in configuration.policy.rules}


def test_without_the_section_there_is_no_policy(loaded: Load) -> None:
    assert loaded("").policy is None


def test_a_pack_brings_its_rules_with_what_it_sets(loaded: Load) -> None:
    found = rules(loaded("policy: {packs: [strict]}\n"))
    assert list(found) == list(packs()["strict"].rules)
    assert (found["R102"].values, found["R102"].packs) == ({"rotation_days": 90}, ("strict",))


def test_a_parameter_is_set_wherever_the_pack_has_it(loaded: Load) -> None:
    found = rules(loaded("policy: {packs: [{pack: baseline, deletion_window: 60}]}\n"))
    assert [found[rule].values for rule in ("R104", "R119")] == [{"deletion_window": 60}] * 2


def test_of_two_packs_the_stricter_counts_and_the_clauses_of_both(loaded: Load) -> None:
    found = rules(loaded("policy: {packs: [pci-dss, strict, cis]}\n"))
    assert (found["R102"].values, found["R102"].packs) == ({"rotation_days": 90}, ("pci-dss", "strict", "cis"))
    assert len(found["R102"].clauses) == 2
    assert found["R118"].severity == "error"


def test_of_two_lists_of_specs_what_is_in_both_is_left(loaded: Load) -> None:
    found = rules(loaded("policy: {packs: [gm-t, {pack: baseline, specs: [RSA_3072, EC_SM2]}]}\n"))
    assert found["R111"].values == {"specs": ("EC_SM2",)}


def test_severity_and_disabled_have_the_last_word(loaded: Load) -> None:
    found = rules(loaded("policy: {packs: [baseline], severity: {R101: note}, disabled: [R102]}\n"))
    assert found["R101"].severity == "note"
    assert "R102" not in found


def test_rules_of_ones_own_come_from_files(loaded: Load, tmp_path: Path) -> None:
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy/a.yaml").write_text('rules: {one: {title: One, must: "true", clauses: [x]}}\n')
    (tmp_path / "policy/b.yaml").write_text("rules: {two: {title: Two, judges: change, must: change.deletes}}\n")
    found = rules(loaded("policy: {rules: [policy/*.yaml, policy/a.yaml]}\n"))
    assert {name: rule.packs for name, rule in found.items()} == {
        "one": ("policy/a.yaml",),
        "two": ("policy/b.yaml",),
    }
    assert found["one"].clauses == ("x",)


def test_a_pattern_means_no_more_than_its_folder(loaded: Load, tmp_path: Path) -> None:
    folder = tmp_path / "[a]"
    folder.mkdir()
    (folder / "kmsplan.yaml").write_text("kmsplan: 1\npolicy: {rules: [own.rules]}\n")
    (folder / "own.rules").write_text('rules: {one: {title: One, must: "true"}}\n')
    assert list(rules(load(folder, variables={}, variable_files=[], environ={}))) == ["one"]
    assert loaded("").policy is None


@pytest.mark.parametrize("name", list(packs()))
def test_every_pack_compiles_with_what_it_sets(name: str) -> None:
    for rule in policy_of([name]).rules:
        compiled = language(rule.definition.judges).compile
        compiled(rule.definition.when, rule.values)
        compiled(rule.definition.must, rule.values)


def test_all_packs_together_are_a_policy() -> None:
    assert {rule.definition.id for rule in policy_of(packs()).rules} == set(catalogue())


def test_a_clause_names_what_it_is_of() -> None:
    known = ("NIST SP ", "CIS ", "PCI DSS v4.0.1, ", "GM/T ", "GB/T ")
    clauses = [one for pack in packs().values() for picked in pack.rules.values() for one in picked.clauses]
    assert clauses
    assert [one for one in clauses if not one.startswith(known)] == []
