"""A key wrongly deleted is data lost for ever: every guard, and the sentence it says."""

from __future__ import annotations

import fcntl
import json
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.project import KMSPLAN, Project

if TYPE_CHECKING:
    from pathlib import Path

EMPTY = "kmsplan: 1\ninstances:\n  core: {type: software}\n"
SIGNER = EMPTY + "keys:\n  signer: {instance: core, spec: EC_P256, deletion_protection: false}\n"


@pytest.fixture
def signer(project: Project) -> Project:
    project.write(SIGNER)
    project.apply()
    return project


def test_removing_a_protected_key_is_refused_and_says_what_to_do_first(applied: Project) -> None:
    applied.write(EMPTY)
    answer = applied.run("plan", code=4)
    assert "deletion_protection: false" in answer.text
    applied.apply("--allow-delete", "2", code=4)
    assert len(applied.state()["records"]) == 4


def test_a_deletion_needs_its_number(signer: Project) -> None:
    signer.write(EMPTY)
    assert "--allow-delete 1" in signer.apply(code=4).text
    signer.apply("--allow-delete", "2", code=4)
    signer.apply("--allow-delete", "1")
    assert signer.state()["records"]["key.signer"]["status"] == "pending_deletion"


@pytest.mark.parametrize("point", [4, 7, 8], ids=["after one", "after two", "after all"])
def test_an_interrupted_deletion_is_finished_by_the_very_same_command(project: Project, point: int) -> None:
    keys = "".join(f"  {name}: {{instance: core, deletion_protection: false}}\n" for name in "abc")
    project.write(f"{EMPTY}keys:\n{keys}")
    project.apply()
    project.write(EMPTY)
    command = ["apply", "--auto-approve", "--allow-delete", "3", "--parallelism", "1"]
    # The engine's writing thread flushes journal and keystore in turn, and strace counts each thread by itself.
    inject = f"inject=fdatasync:signal=KILL:when={point}"
    killed = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", inject, KMSPLAN, *command],
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    if point < 8:
        assert "P201" in project.apply("--allow-delete", "4", code=4).text, "it allows nothing more"
    project.run(*command)
    waiting = [name for name, record in project.state()["records"].items() if record["status"] == "pending_deletion"]
    assert waiting == ["key.a", "key.b", "key.c"]
    assert "unfinished" not in project.state()
    project.run("plan", "--detailed-exitcode", code=0)


def test_a_deleted_key_put_back_is_restored_and_not_made_again(signer: Project) -> None:
    identity = signer.identity("key.signer")
    signer.write(EMPTY)
    signer.apply("--allow-delete", "1")
    signer.write(SIGNER)
    assert "restore" in signer.run("plan").out
    signer.apply()
    assert signer.identity("key.signer") == identity
    signer.run("plan", "--detailed-exitcode", code=0)


def test_a_restored_key_that_was_disabled_is_disabled_again(signer: Project) -> None:
    disabled = SIGNER.replace("EC_P256,", "EC_P256, enabled: false,")
    signer.write(disabled)
    signer.apply()
    signer.write(EMPTY)
    signer.apply("--allow-delete", "1")
    signer.write(disabled)
    signer.apply()
    signer.run("drift", code=0)
    signer.run("plan", "--detailed-exitcode", code=0)


def test_new_key_material_is_refused_unless_succession_is_asked_for(applied: Project) -> None:
    text = (applied.root / "kmsplan.yaml").read_text()
    changed = text.replace(
        "orders: {instance: core, rotation: 90d,", "orders: {instance: core, spec: RSA_2048, usage: ENCRYPT/DECRYPT,"
    )
    applied.write(changed)
    assert "on_replace: succeed" in applied.run("plan", code=4).text
    before = applied.identity("key.orders")
    applied.write(changed.replace("spec: RSA_2048,", "spec: RSA_2048, on_replace: succeed,"))
    applied.apply()
    records = applied.state()["records"]
    assert records["key.orders"]["identity"] != before
    assert (records["key.orders~1"]["identity"], records["key.orders~1"]["status"]) == (before, "retired")
    assert records["key.orders~1"]["attributes"]["enabled"] is False
    applied.run("plan", "--detailed-exitcode", code=0)
    applied.run("drift", code=0)


def test_a_lost_state_is_never_a_plan_to_create_everything_again(applied: Project) -> None:
    (applied.root / "state" / "kmsplan.state.json").unlink()
    answer = applied.run("plan", code=1)
    assert "S103" in answer.err
    assert "to add" not in answer.text


def test_an_empty_state_folder_beside_owned_keys_is_refused(applied: Project) -> None:
    for path in sorted((applied.root / "state").iterdir()):
        if path.name != "engine":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert "P102" in applied.run("plan", code=4).text
    applied.apply(code=4)
    assert not (applied.root / "state" / "kmsplan.state.json").exists()


def test_another_engine_in_its_place_is_refused(applied: Project) -> None:
    (applied.root / "state" / "engine").rename(applied.root / "elsewhere")
    answer = applied.run("plan", code=4)
    assert "P101" in answer.text
    assert "to add" not in answer.out


def test_the_state_of_another_project_in_its_place_is_refused(applied: Project, tmp_path: Path) -> None:
    other = Project(tmp_path / "other")
    other.root.mkdir()
    other.write((applied.root / "kmsplan.yaml").read_text())
    other.apply()
    shutil.copy(other.root / "state" / "kmsplan.state.json", applied.root / "state" / "kmsplan.state.json")
    answer = applied.run("plan", code=4)
    assert "P101" in answer.text
    assert "to add" not in answer.out


@pytest.mark.parametrize("content", ["", "{", "null", "[]", '{"format_version": 99}'])
def test_a_broken_state_is_refused_with_its_place_and_remedy(applied: Project, content: str) -> None:
    (applied.root / "state" / "kmsplan.state.json").write_text(content)
    answer = applied.run("plan", code=1)
    assert "kmsplan.state.json" in answer.err
    assert "history" in answer.err or "version" in answer.err


def test_a_hand_edited_state_is_refused(applied: Project) -> None:
    path = applied.root / "state" / "kmsplan.state.json"
    document = json.loads(path.read_text())
    document["records"]["key.orders"]["identity"] = "key-other"
    path.write_text(json.dumps(document, indent=2))
    assert "digest" in applied.run("plan", code=1).err


def test_a_held_lock_shows_its_holder_and_plan_does_not_wait(applied: Project) -> None:
    lock = applied.root / "state" / "kmsplan.lock"
    assert lock.exists()
    with lock.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        answer = applied.apply(code=6)
        assert "pid" in answer.err
        applied.run("plan", code=0)
        applied.run("drift", code=0)


def test_more_than_30_percent_of_many_keys_needs_a_word(project: Project) -> None:
    keys = "".join(f"  k{number}: {{instance: core, tags: {{a: 'TAG'}}}}\n" for number in range(10))
    text = f"kmsplan: 1\ninstances:\n  core: {{type: software}}\nkeys:\n{keys}"
    project.write(text.replace("TAG", "x"))
    project.apply()
    project.write(text.replace("TAG", "y"))
    assert "--allow-mass" in project.apply(code=4).text
    project.apply("--allow-mass")


def test_a_key_with_an_alias_is_not_disabled_in_passing(applied: Project) -> None:
    text = (applied.root / "kmsplan.yaml").read_text()
    applied.write(text.replace("orders: {instance: core,", "orders: {instance: core, enabled: false,"))
    assert "--allow-in-use key.orders" in applied.apply(code=4).text
    applied.apply("--allow-in-use", "key.orders")


def test_a_plan_that_disables_a_key_tells_how_much_is_encrypted_under_it(applied: Project) -> None:
    text = (applied.root / "kmsplan.yaml").read_text()
    applied.write(text.replace("orders: {instance: core,", "orders: {instance: core, enabled: false,"))
    assert "# ciphertexts and data keys under it: none" in applied.run("plan").out
    for number in range(3):
        applied.run("engine", "encrypt", "alias/orders", "--out", f"{number}.enc", stdin="page")
    assert "# ciphertexts and data keys under it: at most 10" in applied.run("plan").out


def test_destroy_schedules_deletions_and_leaves_an_instance_whose_keys_still_wait(signer: Project) -> None:
    signer.write(SIGNER.replace("type: software}", "type: software, deletion_protection: false}"))
    signer.apply()
    assert "--allow-delete 1" in signer.run("destroy", "--auto-approve", code=4).text
    signer.run("destroy", "--auto-approve", "--allow-delete", "1", code=None)
    records = signer.state()["records"]
    assert {address: record["status"] for address, record in records.items()} == {
        "instance.core": "ready",
        "key.signer": "pending_deletion",
    }
    assert "key.signer" in signer.run("plan", "--destroy", code=None).out


def test_an_instance_is_released_by_its_own_name_and_by_no_number(project: Project) -> None:
    project.write("kmsplan: 1\ninstances:\n  core: {type: software, deletion_protection: false}\n")
    project.apply()
    identity = project.state()["records"]["instance.core"]["identity"]
    project.write("kmsplan: 1\n")
    refused = project.apply("--allow-delete", "1", code=4).text
    assert "P204" in refused
    assert identity in refused
    assert "--allow-release instance.core" in refused
    project.apply("--allow-release", "instance.core", code=4)
    project.apply("--allow-delete", "1", "--allow-release", "instance.cor", code=4)
    assert "instance.core" in project.state()["records"]
    project.run("plan", "-o", "reviewed.plan", "--allow-delete", "1", "--allow-release", "instance.core", code=None)
    project.run("apply", "reviewed.plan")
    assert project.state()["records"] == {}


def test_keys_destroyed_behind_its_back_are_named_and_nothing_is_made_in_their_place(project: Project) -> None:
    project.write(SIGNER.replace("type: software}", "type: software, deletion_protection: false}"))
    project.apply()
    identity = project.identity("instance.core")
    project.call("ReleaseKmsInstance", f"KmsInstanceId={identity}", "ForceDeleteWithoutBackup=true")
    drift = project.run("drift", "--json", code=2).json()["drift"]
    assert [(found["address"], found["kind"]) for found in drift] == [
        ("instance.core", "vanished"),
        ("key.signer", "vanished"),
    ]
    assert "P103" in project.apply(code=4).text
    assert project.identity("instance.core") == identity


def test_one_key_destroyed_behind_its_back_is_made_anew_with_a_warning(project: Project) -> None:
    second = "  spare: {type: software, deletion_protection: false}\n"
    project.write(SIGNER.replace("keys:\n", second + "keys:\n  gone: {instance: spare, deletion_protection: false}\n"))
    project.apply()
    spare = project.identity("instance.spare")
    project.call("ReleaseKmsInstance", f"KmsInstanceId={spare}", "ForceDeleteWithoutBackup=true")
    assert "WHAT WAS ENCRYPTED WITH IT IS LOST" in project.run("plan").out


def test_what_the_engine_does_not_offer_is_valid_and_refused_by_plan(project: Project) -> None:
    project.environ["PROXY_SECRET"] = "throw-away"
    project.write(
        """\
kmsplan: 1
instances:
  byo: {type: external, proxy: {url: "https://x", access_key: {id: AKIDEXAMPLE234567, secret: {env: PROXY_SECRET}}}}
keys: {theirs: {instance: byo, external_key: a, spec: Aliyun_SM4}}
"""
    )
    project.run("validate")
    answer = project.run("plan", code=4)
    assert "Aliyun_SM4 in an instance of type external" in answer.text
    assert "does not offer" in answer.text
