"""Default CMK and service keys, declared, planned, applied and watched, by real processes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.project import Project

_DEFAULT = """\
kmsplan: 1
default_key:
  description: encrypts disks
  aliases: [disks]
  deletion_protection: false
  tags: {team: storage}
"""


def test_the_default_cmk_is_enabled_changed_deleted_and_brought_back(project: Project) -> None:
    project.write(_DEFAULT)
    project.apply()
    assert "No changes" in project.run("plan").text
    record = project.state()["records"]["default_key.default"]
    assert project.state()["records"]["alias.disks"]["attributes"]["key"] == "default_key.default"

    project.write(_DEFAULT.replace("encrypts disks", "encrypts all disks"))
    project.apply()
    assert "No changes" in project.run("plan").text

    project.write("kmsplan: 1\n")
    project.apply("--allow-delete", "1", "--allow-in-use", "default_key.default")
    assert project.state()["records"]["default_key.default"]["status"] == "pending_deletion"
    project.write(_DEFAULT)
    project.apply()
    again = project.state()["records"]["default_key.default"]
    assert (again["identity"], again["status"]) == (record["identity"], "ready")


def test_a_default_cmk_that_was_enabled_by_others_is_imported_or_left_alone(project: Project) -> None:
    project.write("kmsplan: 1\n")
    project.run("engine", "init")
    key = project.call("CreateKey", "KeySpec=Aliyun_AES_256", "KeyUsage=ENCRYPT/DECRYPT", "Origin=Aliyun_KMS")
    project.write("kmsplan: 1\ndefault_key: {deletion_protection: false}\n")
    assert "P118" in project.run("plan", code=4).text
    project.write(
        "kmsplan: 1\ndefault_key: {deletion_protection: false}\n"
        f"import: [{{address: default_key.default, identity: {key}}}]\n"
    )
    project.apply()
    assert project.state()["records"]["default_key.default"]["identity"] == key


def test_a_changed_default_cmk_is_drift(project: Project) -> None:
    project.write(_DEFAULT)
    project.apply()
    key = project.state()["records"]["default_key.default"]["identity"]
    project.call("DisableKey", f"KeyId={key}")
    assert "default_key.default" in project.run("drift", code=2).text


def test_a_service_key_is_tagged_and_never_anything_else(project: Project) -> None:
    declared = "kmsplan: 1\nservice_keys:\n  oss: {tags: {owner: storage}}\n"
    project.write(declared)
    project.run("state", "init")
    assert "P117" in project.run("plan", code=4).text
    project.run("engine", "init")
    key = project.run("engine", "service-key", "oss").out.strip()
    assert "already" in project.run("engine", "service-key", "oss", code=None).text
    project.run("drift", code=0)

    project.apply()
    assert project.state()["records"]["service_key.oss"]["identity"] == key
    assert "No changes" in project.run("plan").text
    project.call("UntagResource", f"KeyId={key}", 'TagKeys=["owner"]')
    assert "service_key.oss" in project.run("drift", code=2).text
    project.apply()

    project.write("kmsplan: 1\n")
    project.apply()
    assert "service_key.oss" not in project.state()["records"]
    described = json.loads(project.run("engine", "status", "--json").out)
    assert described["keys"] == {"Enabled": 1}


def test_a_key_migrated_from_kms_1_is_shown_and_never_touched(project: Project) -> None:
    project.write("kmsplan: 1\n")
    project.run("engine", "init")
    old = "0b8c3e0a-86a0-4f4c-9f0e-7f9e4a5d6c7b"
    assert project.run("engine", "service-key", "--migrated", old).out.strip() == old
    assert "migrated" in project.run("engine", "call", "DisableKey", f"KeyId={old}", code=None).text
    project.run("drift", code=0)


def test_a_service_key_migrated_from_kms_1_is_not_taken_for_one_that_can_be_tagged(project: Project) -> None:
    project.write("kmsplan: 1\nservice_keys:\n  ecs: {tags: {owner: compute}}\n")
    project.run("state", "init")
    project.run("engine", "init")
    old = "86a9efd9-3d16-4894-bd4f-1fc43f3f2abf"
    assert project.run("engine", "service-key", "ecs", "--migrated", old).out.strip() == old
    refused = project.run("plan", code=4).text
    assert "P119" in refused
    assert old in refused
    project.write(f"kmsplan: 1\ndefault_key: {{}}\nimport: [{{address: default_key.default, identity: {old}}}]\n")
    assert "it was migrated from KMS 1.0" in project.run("plan", code=4).text
    project.write("kmsplan: 1\n")
    project.run("drift", code=0)
    assert old in project.run("engine", "call", "TagResource", f"KeyId={old}", 'Tags={"a": "b"}', code=None).text
