"""Adopting what a KMS holds already: one object by command, or everything by the configuration that is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from kmsplan.kms.operation import (
    CreateAlias,
    DisableKey,
    ScheduleKeyDeletion,
    SetDeletionProtection,
    SetKeyPolicy,
)
from kmsplan.kms.spec import KeySpec
from tests.engines import Clock, Lab, new_instance, new_key
from tests.project import Project
from tests.served import Served, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOSTILE = (
    "yes",
    "012",
    "- a: b # c",
    "${var.x} $${y}",
    "'\"\\",
    "two\nlines\r\n\t",
    "{[&*!|>%@`",
    "\u202eturned",
    "\U0001f600 für 密钥",
    "kmsplan: 1\nkeys: {}\n",
)
POLICY = {
    "Version": "1",
    "Statement": [
        {"Sid": "a", "Effect": "Allow", "Principal": {"RAM": ["acs:ram::1:*"]}, "Action": ["kms:*"], "Resource": ["*"]},
    ],
}


@dataclass
class Held:
    """An engine that nobody has managed, and some of what it holds."""

    project: Project
    instance: str
    ordinary: str
    going: str


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    """An engine with hostile words in it, keys in every state, and keys of other kinds."""
    project = Project(tmp_path_factory.mktemp("held"))
    project.write("kmsplan: 1\n")
    project.run("engine", "init")
    project.run("engine", "service-key", "oss")
    project.run("engine", "service-key", "--migrated", "0b8c3e0a-86a0-4f4c-9f0e-7f9e4a5d6c7b")
    project.call("CreateKey", "KeySpec=Aliyun_AES_256", "KeyUsage=ENCRYPT/DECRYPT", "Origin=Aliyun_KMS")
    lab = Lab(project.root / "state" / "engine", Clock(datetime.now(UTC)))
    engine = lab.open()
    instance = new_instance(engine, key_quota=2000, tags={"yes": "no", "01": "1e3"})
    for text in HOSTILE:
        new_key(engine, instance, description=text)
    ordinary = new_key(engine, instance, rotation=7_776_000, tags={"on": "off", "=": "-"})
    signer = new_key(engine, instance, KeySpec.EC_P256)
    going = new_key(engine, instance)
    for operation in (
        CreateAlias(alias="alias/orders/prod", key=ordinary),
        CreateAlias(alias="alias/-", key=ordinary),
        CreateAlias(alias="alias/alias/twice", key=ordinary),
        CreateAlias(alias="alias/true", key=signer),
        CreateAlias(alias="alias/going", key=going),
        DisableKey(key=signer),
        SetDeletionProtection(key=ordinary, enable=True),
        SetKeyPolicy(key=signer, policy=POLICY),
        ScheduleKeyDeletion(key=going, window_days=7),
    ):
        engine.execute(operation)
    lab.close()
    return Held(project, instance, ordinary, going)


def plan_actions(project: Project) -> dict[str, tuple[str, list[str]]]:
    """What a plan would do, and which attributes would change."""
    changes: list[dict[str, Any]] = project.run("plan", "--json").json()["resource_changes"]
    return {one["address"]: (one["change"]["action"], one["change"]["attributes"]) for one in changes}


def test_everything_is_written_adopted_and_then_as_it_should_be(held: Held) -> None:
    answer = held.project.run("import", "--all", "--out", "adopted")
    assert "Wrote 1 instance, 12 keys, 2 default or service keys and 3 aliases to adopted." in answer.out
    assert "Left out: 4." in answer.err
    left_out = (held.project.root / "adopted" / "import.yaml").read_text()
    assert f"# - {held.going}: its deletion is scheduled for 20" in left_out
    assert f"# - alias/going: it points at {held.going}, which is left out" in left_out
    assert "# - alias/alias/twice: no configuration can declare an alias of this name" in left_out
    assert "# - 0b8c3e0a-86a0-4f4c-9f0e-7f9e4a5d6c7b: it was migrated from KMS 1.0" in left_out
    keys = yaml.safe_load((held.project.root / "adopted" / "keys.yaml").read_text())
    assert keys["keys"]["orders-prod"]["rotation"] == "90d"
    assert keys["keys"]["true"]["policy"] == POLICY

    again = held.project.run("import", "--all", "--out", "again")
    assert again.out.replace("again", "adopted") == answer.out
    for path in sorted((held.project.root / "again").iterdir()):
        assert path.read_text() == (held.project.root / "adopted" / path.name).read_text()

    adopted = Project(held.project.root / "adopted")
    adopted.run("validate")
    actions = plan_actions(adopted)
    assert len(actions) == 1 + 12 + 2 + 3
    assert set(map(str, actions.values())) == {"('adopt', [])"}
    before = held.project.run("engine", "status", "--json").json()["keys"]
    adopted.apply()
    assert "No changes" in adopted.run("plan", "--detailed-exitcode").out
    assert held.project.run("engine", "status", "--json").json()["keys"] == before
    assert adopted.state()["records"]["alias.-"]["identity"] == "alias/-"


def test_what_another_configuration_owns_is_taken_over_by_name_alone(applied: Project) -> None:
    lineage = applied.state()["lineage"]
    refused = applied.run("import", "--all", "--out", "theirs").text
    assert "Wrote 0 instances, 0 keys, 0 default or service keys and 0 aliases" in refused
    comment = (applied.root / "theirs" / "import.yaml").read_text()
    assert f"lineage {lineage} owns it, as key.orders; --adopt-owned {lineage} takes it over" in comment
    answer = applied.run("import", "--all", "--out", "mine", "--adopt-owned", lineage)
    assert "Wrote 1 instance, 2 keys" in answer.out
    mine = Project(applied.root / "mine")
    assert set(plan_actions(mine)) == {"instance.core", "key.orders", "key.signer", "alias.orders"}
    mine.apply()
    assert "No changes" in mine.run("plan", "--detailed-exitcode").out
    assert "P106" in applied.run("plan", code=4).text


def test_nothing_is_written_over(basic: Project) -> None:
    (basic.root / "full").mkdir()
    (basic.root / "full" / "notes").write_text("mine")
    assert "full holds something already" in basic.run("import", "--all", "--out", "full", code=1).err
    assert [path.name for path in (basic.root / "full").iterdir()] == ["notes"]
    (basic.root / "empty").mkdir()
    basic.run("import", "--all", "--out", "empty")
    assert (basic.root / "empty" / "kmsplan.yaml").exists()
    assert [path.name for path in basic.root.iterdir() if path.name.startswith(".")] == []
    for wrong in (["import", "--all"], ["import", "key.a"]):
        assert "import takes ADDRESS and IDENTITY" in basic.run(*wrong, code=1).err


CORE = "kmsplan: 1\ninstances:\n  core: {type: software}\n"


def test_one_object_is_adopted_and_what_differs_is_left_to_the_next_plan(project: Project) -> None:
    project.write("kmsplan: 1\n")
    project.run("engine", "init")
    instance = project.call("CreateInstance", "ProductType=software", "Spec=1000", "KeyNum=1000")
    made = ("KeySpec=Aliyun_AES_256", "KeyUsage=ENCRYPT/DECRYPT", "Origin=Aliyun_KMS")
    key = project.call("CreateKey", f"DKMSInstanceId={instance}", *made)

    unknown = project.run("import", "instance.core", instance, code=1).err
    assert "instance.core is not declared" in unknown
    assert "instances:\n  core: {type: software, spec: 1000, deletion_protection: false}\n" in unknown
    assert "its kind is instance" in project.run("import", "key.core", instance, code=1).err
    assert "core is no address" in project.run("import", "core", instance, code=1).err

    project.write(f"{CORE}keys:\n  orders: {{instance: core, rotation: 90d}}\n")
    early = project.run("import", "key.orders", key, code=1).err
    assert f"Import that first: kmsplan import instance.core {instance}" in early
    assert "P107" in project.run("import", "instance.core", key, code=4).err
    assert not (project.root / "state" / "kmsplan.state.json").exists()

    project.run("import", "instance.core", instance)
    shown = project.run("import", "key.orders", key).out
    assert f"key.orders: adopted ({key})" in shown
    assert re.search(r"~ rotation +\= null -> 90d", shown)
    record = project.state()["records"]["key.orders"]
    assert (record["identity"], record["attributes"]["rotation"]) == (key, None)
    assert plan_actions(project)["key.orders"] == ("update", ["rotation", "deletion_protection"])
    assert "recorded already" in project.run("import", "key.orders", key, code=1).err
    project.write(f"{CORE}keys:\n  orders: {{instance: core}}\n  second: {{instance: core}}\n")
    taken = project.run("import", "key.second", key, code=4).err
    assert "it is managed already, as key.orders" in taken
    project.apply()
    assert "No changes" in project.run("plan", "--detailed-exitcode").out


def test_an_object_of_another_lineage_is_refused_unless_that_is_named(applied: Project) -> None:
    lineage, instance = applied.state()["lineage"], applied.identity("instance.core")
    there = Project(applied.root / "there")
    there.root.mkdir()
    there.write(f"engine: {{embedded: {{path: ../state/engine}}}}\n{CORE}")
    there.run("state", "init", code=1)  # the address is one of the other configuration's
    there.write(f"engine: {{embedded: {{path: ../state/engine}}}}\n{CORE.replace('core:', 'mine:')}")
    there.run("state", "init")
    refused = there.run("import", "instance.mine", instance, code=4).err
    assert "P106" in refused
    assert f"owner: {lineage}" in refused
    assert "P106" in there.run("import", "instance.mine", instance, "--adopt-owned", "0" * 32, code=4).err
    there.run("import", "instance.mine", instance, "--adopt-owned", lineage)
    assert "No changes" in there.run("plan", "--detailed-exitcode").out

    # As if it had been cut off between the record and the owner tag: the same command finishes.
    tag = f'Tag={{"kmsplan:owner": "{lineage}/instance.core/t"}}'
    there.call("TagResources", "ResourceType=instance", f"ResourceId={instance}", tag)
    assert "P106" in there.run("plan", code=4).text
    there.run("import", "instance.mine", instance, "--adopt-owned", lineage)
    assert "No changes" in there.run("plan", "--detailed-exitcode").out


@pytest.mark.hsm
def test_hardware_keys_are_written_with_the_reference_to_their_pin(token: Project) -> None:
    hsm = "hsm: {module: /usr/lib/softhsm/libsofthsm2.so, token: test, pin: {env: HSM_PIN}}"
    token.write(f"kmsplan: 1\ninstances:\n  vault: {{type: hardware, {hsm}}}\nkeys:\n  root: {{instance: vault}}\n")
    token.apply()
    lineage = token.state()["lineage"]
    token.run("import", "--all", "--out", "adopted", "--adopt-owned", lineage)
    instances = yaml.safe_load((token.root / "adopted" / "instances.yaml").read_text())
    assert instances["instances"]["vault"]["hsm"]["pin"] == {"env": "HSM_PIN"}
    assert all("4711-0815" not in path.read_text() for path in (token.root / "adopted").iterdir())
    adopted = Project(token.root / "adopted", token.environ)
    assert set(map(str, plan_actions(adopted).values())) == {"('adopt', [])"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("served"))


def test_a_region_is_adopted_over_the_wire_api(served: Served, tmp_path: Path) -> None:
    made = ("KeySpec=Aliyun_AES_256", "KeyUsage=ENCRYPT/DECRYPT", "Origin=Aliyun_KMS")
    instance = served.project.call("CreateInstance", "ProductType=software", "Spec=1000", "KeyNum=1000")
    key = served.project.call("CreateKey", f"DKMSInstanceId={instance}", "Description=a: 'b' ${c}", *made)
    served.project.call("CreateAlias", "AliasName=alias/orders", f"KeyId={key}")
    cloud = Project(tmp_path, served.environ)
    cloud.write(yaml.safe_dump({"kmsplan": 1, "engine": {"alibaba": served.engine()}}))
    cloud.run("import", "--all", "--out", "adopted")
    adopted = Project(tmp_path / "adopted", served.environ)
    assert plan_actions(adopted) == dict.fromkeys(("alias.orders", "instance.software", "key.orders"), ("adopt", []))
    adopted.apply()
    assert "No changes" in adopted.run("plan", "--detailed-exitcode").out
