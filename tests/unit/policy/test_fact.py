from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kmsplan.kms.spec import SPECS, KeySpec
from kmsplan.policy.fact import key_facts
from kmsplan.policy.planned import planned
from kmsplan.policy.present import present
from kmsplan.policy.thing import Ground, Thing
from kmsplan.rule.fact import FACTS, Subject, Type
from tests.policing import NOW, Story

CHECKS = {
    Type.BOOL: lambda value: isinstance(value, bool),
    Type.INT: lambda value: type(value) is int,
    Type.STRING: lambda value: isinstance(value, str),
    Type.STRINGS: lambda value: isinstance(value, list) and all(isinstance(item, str) for item in value),
    Type.TAGS: lambda value: isinstance(value, dict),
    Type.STATEMENTS: lambda value: isinstance(value, list),
    Type.TIME: lambda value: value is NOW,
}
WRITTEN: dict[str, Any] = {
    "instances": {
        "core": {"type": "software"},
        "vault": {"type": "hardware", "hsm": {"module": "/m.so", "token": "t", "pin": {"env": "P"}}},
    },
    "keys": {
        "a": {"instance": "core", "aliases": ["x", "b"], "rotation": "180h", "used_by": ["app"], "tags": {"k": "v"}},
        "s": {"instance": "vault", "spec": "RSA_3072", "rotation": {"min_versions": 2}},
        "i": {"instance": "core", "origin": "EXTERNAL"},
    },
    "default_key": {},
    "observed": {
        "key.a": {"made": 10, "rotated": 5, "used": 2},
        "key.i": {"imported": "2026-07-01T00:00:00Z"},
    },
    "before": "same",
}


def things(folder: Path, written: dict[str, Any] = WRITTEN, *, as_observed: bool = False) -> dict[str, Thing]:
    told = Story(folder, written, {"packs": ["baseline"]})
    configuration = told.configuration()
    recorded, observed = told._world(configuration if written.get("before") else None)
    ground = Ground(desired=configuration.desired, now=NOW, recorded=recorded, observed=observed)
    view = present if as_observed else planned
    return {thing.address: thing for thing in view(ground)}


@pytest.mark.parametrize("as_observed", [False, True])
def test_every_fact_is_of_the_type_that_the_table_says(as_observed: bool, tmp_path: Path) -> None:  # noqa: FBT001
    for thing in things(tmp_path, as_observed=as_observed).values():
        table = FACTS[thing.subject]
        known = {name: value for name, value in thing.facts.items() if name in table}
        assert [name for name, value in known.items() if not CHECKS[table[name].type](value)] == []
        missing = {name for name, fact in table.items() if name not in known and not fact.sometimes}
        assert missing == set(), thing.address


def test_what_is_declared_and_observed_comes_together(tmp_path: Path) -> None:
    found = things(tmp_path)["key.a"].facts
    assert found["key.rotation_days"] == 8, "part of a day counts as one"
    assert (found["key.aliases"], found["key.instance"]) == (["b", "x"], "instance.core")
    assert found["key.can_rotate"] is True
    assert [found[f"observed.{name}_days"] for name in ("age", "material_age", "unused")] == [10, 5, 2]


def test_the_observed_view_knows_the_same_but_what_the_plan_says(tmp_path: Path) -> None:
    declared, held = things(tmp_path / "d"), things(tmp_path / "o", as_observed=True)
    assert set(declared) == set(held)
    for address, thing in declared.items():
        here = held[address].facts
        assert {name: here.get(name) for name in thing.facts if thing.subject is not Subject.CHANGE} == dict(
            thing.facts
        ), address


def test_material_that_the_configuration_does_not_say_is_as_the_kms_has_it(tmp_path: Path) -> None:
    found = things(tmp_path)["key.i"].facts
    assert (found["key.material_expires"], found["key.material_days"]) == (True, 29)


def test_before_a_key_is_made_only_that_is_known(tmp_path: Path) -> None:
    found = things(tmp_path, {**WRITTEN, "before": None})["key.a"].facts
    assert {name: value for name, value in found.items() if name.startswith("observed.")} == {"observed.exists": False}
    assert found["key.identity"] == ""


@pytest.mark.parametrize(
    ("spec", "strength"),
    [
        ("Aliyun_AES_128", 128),
        ("Aliyun_AES_192", 192),
        ("Aliyun_AES_256", 256),
        ("Aliyun_SM4", 128),
        ("Aliyun_DES3_192", 112),
        ("RSA_2048", 112),
        ("RSA_3072", 128),
        ("RSA_4096", 128),
        ("EC_P256", 128),
        ("EC_P256K", 128),
        ("EC_SM2", 128),
        ("HMAC_SHA_224", 224),
        ("HMAC_SHA_512", 512),
    ],
)
def test_strengths_are_those_of_the_table(spec: str, strength: int) -> None:
    assert facts(spec)["key.strength"] == strength


@pytest.mark.parametrize("spec", list(KeySpec))
def test_every_spec_has_a_strength_and_a_family(spec: KeySpec) -> None:
    found = facts(spec)
    assert found["key.strength"] >= 112
    assert (found["key.family"], found["key.bits"]) == (SPECS[spec].family, SPECS[spec].bits)


def facts(spec: str) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "instance": "instance.core",
        "spec": spec,
        "usage": None,
        "origin": "Aliyun_KMS",
        "enabled": True,
        "rotation": None,
        "deletion_protection": True,
        "description": "",
        "tags": {},
    }
    return key_facts("key", attributes, instance_type="software", aliases=())


@pytest.mark.parametrize("as_observed", [False, True])
def test_a_rule_can_ask_for_keys_that_stand_for_an_object_of_a_token(as_observed: bool, tmp_path: Path) -> None:  # noqa: FBT001
    keys = {"theirs": {"instance": "vault", "hsm_object": "0A01"}, "ours": {"instance": "vault"}}
    written = {"instances": WRITTEN["instances"], "keys": keys, "before": "same"}
    found = things(tmp_path, written, as_observed=as_observed)
    assert {name: found[f"key.{name}"].facts["key.hsm_object"] for name in keys} == {"theirs": "0a01", "ours": ""}
