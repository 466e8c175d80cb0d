"""Drift that explains itself: who did it, since when, who answers for it, and taking it over into the configuration."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest

if TYPE_CHECKING:
    from tests.project import Project

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "drift.json").read_text())
PLAIN = ("KeyUsage=ENCRYPT/DECRYPT", "Origin=Aliyun_KMS")
WAIVER = """
waivers:
- {address: key.orders, attribute: enabled, owner: ada, reason: until the move, expires: %s}
"""


def drifted(project: Project) -> None:
    """Three changes of two objects."""
    project.call("DisableKey", f"KeyId={project.identity('key.orders')}")
    project.call("UpdateKeyDescription", f"KeyId={project.identity('key.signer')}", "Description=mine")
    project.call("UpdateAlias", "AliasName=alias/orders", f"KeyId={project.identity('key.signer')}")


def test_the_engines_own_trail_tells_who_did_it_and_when(applied: Project) -> None:
    drifted(applied)
    document = applied.run("drift", "--json", code=2).json()
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    found = {one["address"]: one for one in document["drift"]}
    assert {address: one["cause"]["action"] for address, one in found.items()} == {
        "alias.orders": "UpdateAlias",
        "key.orders": "DisableKey",
        "key.signer": "UpdateKeyDescription",
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["key.orders"]["cause"]["time"])
    exported = [json.loads(line) for line in applied.run("engine", "audit", "export").out.splitlines()]
    request = next(entry for entry in exported if entry["action"] == "DisableKey")
    assert found["key.orders"]["cause"] == {
        "actor": request["actor"],
        "time": request["time"],
        "action": "DisableKey",
        "request_id": request["request_id"],
        "source": "embedded",
    }


def test_the_owner_tag_and_an_unmanaged_key_are_explained_too(applied: Project) -> None:
    signer = applied.identity("key.signer")
    applied.call("UntagResources", f"ResourceId={signer}", "ResourceType=key", 'TagKey=["kmsplan:owner"]')
    core = applied.identity("instance.core")
    applied.call("CreateKey", f"DKMSInstanceId={core}", "KeySpec=Aliyun_AES_256", *PLAIN)
    found = applied.run("drift", "--json", code=2).json()
    assert {one["kind"]: one["cause"]["action"] for one in found["drift"]} == {
        "changed": "UntagResources",
        "unmanaged": "CreateKey",
    }
    assert found["coverage"] == {"managed_keys": 2, "unmanaged_keys": 1, "percent": 66.7}
    assert "Coverage: 2 of 3 keys are managed (66 %)." in applied.run("drift", code=2).out


def test_an_exported_trail_tells_the_same_elsewhere(applied: Project) -> None:
    drifted(applied)
    applied.run("engine", "audit", "export", "--out", "events.jsonl")
    own, given = (applied.run("drift", "--json", *more, code=2).json() for more in ((), ("--events", "events.jsonl")))
    assert [one["cause"] for one in given["drift"]] == [one["cause"] for one in own["drift"]]


def test_events_of_actiontrail_tell_who_did_it(applied: Project) -> None:
    drifted(applied)
    event = {
        "eventName": "DisableKey",
        "eventTime": "2026-01-01T00:00:00Z",
        "userIdentity": {"userName": "eve"},
        "requestParameters": {"KeyId": applied.identity("key.orders")},
    }
    applied.write(json.dumps([event]), "events.json")
    text = applied.run("drift", "--events", "events.json", code=2).out
    assert "# by eve at 2026-01-01T00:00:00Z with DisableKey" in text
    assert text.count("# by ") == 1


def test_events_that_are_none_are_named_with_their_line(applied: Project) -> None:
    applied.write('{"eventName": "DisableKey"}\n', "events.json")
    answer = applied.run("drift", "--events", "events.json", code=1)
    assert "events.json:1: eventTime is missing" in answer.err
    assert "--events takes" in answer.err


def test_a_memory_remembers_the_first_time_and_forgets_what_is_gone(applied: Project) -> None:
    drifted(applied)
    first = applied.run("drift", "--json", "--memory", "memory.json", code=2).json()
    seen = {one["first_seen"] for one in first["drift"]}
    assert None not in seen
    memory = json.loads((applied.root / "memory.json").read_text())
    (lineage,) = memory["first_seen"]
    memory["first_seen"][lineage] = dict.fromkeys(memory["first_seen"][lineage], "2026-01-01T00:00:00Z")
    applied.write(json.dumps(memory), "memory.json")
    applied.call("EnableKey", f"KeyId={applied.identity('key.orders')}")
    second = applied.run("drift", "--json", "--memory", "memory.json", code=2).json()
    assert {one["first_seen"] for one in second["drift"]} == {"2026-01-01T00:00:00Z"}
    left = json.loads((applied.root / "memory.json").read_text())["first_seen"][lineage]
    assert len(left) == 2


def test_a_file_that_is_no_memory_is_left_alone_and_said_so(applied: Project) -> None:
    drifted(applied)
    before = (applied.root / "kmsplan.yaml").read_bytes()
    answer = applied.run("drift", "--memory", "kmsplan.yaml", code=2)
    assert "Warning: kmsplan.yaml does not remember drift: it is not JSON." in answer.err
    assert (applied.root / "kmsplan.yaml").read_bytes() == before


def test_without_a_memory_a_report_writes_nothing(applied: Project) -> None:
    drifted(applied)
    before = {path: path.read_bytes() for path in applied.root.rglob("*") if path.is_file()}
    applied.run("drift", code=2)
    after = {path: path.read_bytes() for path in applied.root.rglob("*") if path.is_file()}
    assert {
        path for path in after if after[path] != before.get(path) and path.suffix not in (".db-shm", ".db-wal")
    } == set()


def test_an_engine_that_is_not_the_states_is_no_drift_but_an_error(applied: Project) -> None:
    engine = applied.root / "state" / "engine"
    engine.rename(engine.with_name("moved"))
    answer = applied.run("drift", code=1)
    assert "and the configuration reaches embedded/new (P101)" in answer.err
    assert "vanished" not in answer.text
    assert "put it back from a backup" in answer.err


def test_a_waiver_accepts_one_attribute_until_its_day(applied: Project) -> None:
    applied.call("DisableKey", f"KeyId={applied.identity('key.orders')}")
    applied.write("kmsplan: 1" + WAIVER % "2999-01-01", "waivers.yaml")
    waived = applied.run("drift", code=0)
    assert "# key.orders: enabled" in waived.out
    assert "No drift but what is waived." in waived.out
    applied.write("kmsplan: 1" + WAIVER % "2020-01-01", "waivers.yaml")
    expired = applied.run("drift", code=2)
    assert "# waiver of enabled of ada expired on 2020-01-01 (waivers.yaml:3)" in expired.out


def test_a_waiver_that_nothing_matches_is_told(applied: Project) -> None:
    applied.write("kmsplan: 1" + WAIVER % "2999-01-01", "waivers.yaml")
    assert "# key.orders enabled: ada, until 2999-01-01 (waivers.yaml:3): until the move" in applied.run("drift").out


def test_accepting_writes_what_the_kms_holds_and_the_next_apply_only_records(applied: Project) -> None:
    drifted(applied)
    trail = applied.run("engine", "audit", "export").out
    answer = applied.run("drift", "--accept", "--auto-approve")
    assert "deletion_protection: false, aliases: [orders], description: mine}\nWrote kmsplan.yaml." in answer.out
    plan = applied.run("plan", "--json").json()
    assert {
        (one["action_reason"], *one["operations"])
        for one in plan["resource_changes"]
        if one["address"] != "instance.core"
    } == {("accept_observed",)}
    verdicts = {
        attribute["verdict"]
        for one in applied.run("drift", "--json", code=2).json()["drift"]
        for attribute in one["attributes"]
    }
    assert verdicts == {"accept"}
    assert applied.run("engine", "audit", "export").out == trail
    applied.apply()
    applied.run("drift", code=0)
    assert "No changes." in applied.run("plan", "--detailed-exitcode", code=0).out


def test_accepting_asks_and_an_answer_other_than_yes_writes_nothing(applied: Project) -> None:
    drifted(applied)
    before = (applied.root / "kmsplan.yaml").read_bytes()
    assert "kmsplan will write this into kmsplan.yaml." in applied.run("drift", "--accept", stdin="no\n", code=9).out
    applied.run("drift", "--accept", code=5)
    assert (applied.root / "kmsplan.yaml").read_bytes() == before
    applied.run("drift", "--accept", stdin="yes\n")
    assert (applied.root / "kmsplan.yaml").read_bytes() != before


def test_what_is_named_is_accepted_alone(applied: Project) -> None:
    drifted(applied)
    applied.run("drift", "--accept", "key.signer", "--auto-approve")
    text = (applied.root / "kmsplan.yaml").read_text()
    assert "description: mine" in text
    assert "enabled: false" not in text
    assert "alias" not in text.replace("aliases: [orders]", "")


def test_a_glob_that_is_named_accepts_what_is_waived_too(applied: Project) -> None:
    drifted(applied)
    applied.write("kmsplan: 1" + WAIVER % "2999-01-01", "waivers.yaml")
    applied.run("drift", "--accept", "--auto-approve")
    assert "enabled: false" not in (applied.root / "kmsplan.yaml").read_text()
    applied.run("drift", "--accept", "key.*", "--auto-approve")
    assert "enabled: false" in (applied.root / "kmsplan.yaml").read_text()


def test_what_cannot_be_accepted_stops_what_was_named_and_not_the_rest(applied: Project) -> None:
    drifted(applied)
    applied.call("DeleteAlias", "AliasName=alias/orders")
    before = (applied.root / "kmsplan.yaml").read_bytes()
    answer = applied.run("drift", "--accept", "alias.orders", "key.signer", "--auto-approve", code=1)
    assert "alias.orders: it is gone. Take it out of the configuration" in answer.err
    assert (applied.root / "kmsplan.yaml").read_bytes() == before
    answer = applied.run("drift", "--accept", "--auto-approve")
    assert "alias.orders: it is gone" in answer.err
    assert "description: mine" in (applied.root / "kmsplan.yaml").read_text()


def test_what_would_be_no_valid_configuration_is_not_written(applied: Project) -> None:
    signer = applied.identity("key.signer")
    applied.call("UntagResources", f"ResourceId={signer}", "ResourceType=key", 'TagKey=["kmsplan:owner"]')
    many = json.dumps({f"tag{number}": "x" for number in range(20)})  # one more than leaves room for the owner tag
    applied.call("TagResources", f"ResourceId={signer}", "ResourceType=key", f"Tag={many}")
    before = (applied.root / "kmsplan.yaml").read_bytes()
    answer = applied.run("drift", "--accept", "--auto-approve", code=1)
    assert "what the KMS holds cannot be declared: " in answer.err
    assert (applied.root / "kmsplan.yaml").read_bytes() == before


def test_nothing_to_accept_is_said(applied: Project) -> None:
    assert "Nothing to accept" in applied.run("drift", "--accept").out
    assert "nothing has drifted at key.orders" in applied.run("drift", "--accept", "key.orders", code=1).err
    applied.call("DeleteAlias", "AliasName=alias/orders")
    assert applied.run("drift", "--accept").out == "Nothing was accepted.\n"


def test_a_linked_files_target_is_written_with_its_mode_and_byte_order_mark(applied: Project) -> None:
    drifted(applied)
    link, target = applied.root / "kmsplan.yaml", applied.root / "elsewhere"
    target.write_bytes(b"\xef\xbb\xbf" + link.read_bytes())
    target.chmod(0o640)
    link.unlink()
    link.symlink_to(target)
    applied.run("drift", "--accept", "--auto-approve")
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    content = target.read_bytes()
    assert content.startswith(b"\xef\xbb\xbfkmsplan: 1")
    assert b"description: mine" in content


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["key.orders"], "go with --accept"),
        (["--auto-approve"], "go with --accept"),
        (["--accept", "--json"], "--report json=FILE"),
        (["--accept", "--output", "x"], "--report json=FILE"),
    ],
)
def test_options_that_mean_nothing_together_are_refused(applied: Project, options: list[str], words: str) -> None:
    assert words in applied.run("drift", *options, code=1).err


def test_a_report_can_be_kept_beside_an_acceptance(applied: Project) -> None:
    drifted(applied)
    applied.run("drift", "--accept", "--auto-approve", "--report", "json=drift.json")
    assert len(json.loads((applied.root / "drift.json").read_text())["drift"]) == 3
