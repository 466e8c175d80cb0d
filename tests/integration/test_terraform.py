"""From Terraform to kmsplan: the state of its alicloud provider becomes a configuration whose first plan adopts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests import alicloud
from tests.clients import OldPython
from tests.project import Project
from tests.served import Served, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

CASES = Path(__file__).parents[1] / "case" / "terraform"


def policy(account: str) -> str:
    """One that differs from the KMS's own, and lets its account in."""
    statement = {
        "Sid": "everybody",
        "Effect": "Allow",
        "Principal": {"RAM": [f"acs:ram::{account}:*"]},
        "Action": ["kms:*"],
        "Resource": ["*"],
    }
    return json.dumps({"Version": "1", "Statement": [statement]})


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("served"))


def furnish(served: Served) -> dict[str, Any]:
    """Make by an SDK what Terraform would have made, and return the state that it would have."""
    core = served.project.call("CreateInstance", "ProductType=software", "Spec=2000", "KeyNum=1500")
    api = OldPython(served)

    def made(**options: Any) -> str:
        return str(api("CreateKey", DKMSInstanceId=core, **options)["KeyMetadata"]["KeyId"])

    orders = made(Description="Orders: all of ${them}", EnableAutomaticRotation=True, RotationInterval="90d")
    tenants = {name: made() for name in ("acme", "globex/eu")}
    signer = made(KeySpec="EC_P256", KeyUsage="SIGN/VERIFY")
    brought = made(Origin="EXTERNAL")
    for name, target in (("alias/orders", orders), ("alias/orders/old", orders), ("alias/sign", signer)):
        api("CreateAlias", AliasName=name, KeyId=target)
    api("TagResource", KeyId=orders, Tags=json.dumps([{"TagKey": "team", "TagValue": "payments"}]))
    api("DisableKey", KeyId=tenants["globex/eu"])
    served.project.call("SetKeyPolicy", f"KeyId={signer}", f"Policy={policy(served.account)}")
    served.project.call("SetDeletionProtection", f"KeyId={orders}", "EnableDeletionProtection=true")

    def block(name: str, identity: str, **options: Any) -> dict[str, Any]:
        return alicloud.resource("alicloud_kms_key", name, {"attributes": alicloud.key(api, identity)}, **options)

    protected = {"attributes": alicloud.key(api, orders, pending_window_in_days=14)}
    return alicloud.state(
        alicloud.resource("alicloud_kms_instance", "main", {"attributes": alicloud.instance(api, core, "3")}),
        alicloud.resource("alicloud_kms_key", "orders", protected),
        alicloud.resource(
            "alicloud_kms_key",
            "tenant",
            *({"attributes": alicloud.key(api, key), "index_key": name} for name, key in tenants.items()),
        ),
        block("key", signer, module='module.signing["ec"]'),
        block("byok", brought),
        *(
            alicloud.resource("alicloud_kms_alias", f"a{number}", {"attributes": alicloud.alias(name, target)})
            for number, (name, target) in enumerate(
                (("alias/orders", orders), ("alias/orders/old", orders), ("alias/sign", signer))
            )
        ),
    )


def actions(project: Project) -> dict[str, tuple[str, list[str]]]:
    """What a plan would do, and which attributes would change."""
    changes = project.run("plan", "--json").json()["resource_changes"]
    return {one["address"]: (one["change"]["action"], one["change"]["attributes"]) for one in changes}


def test_keys_of_terraform_are_adopted_as_they_are_and_the_next_plan_is_empty(served: Served, tmp_path: Path) -> None:
    state = furnish(served)
    before = served.project.run("engine", "status", "--json").json()["keys"]
    here = Project(tmp_path, served.environ)
    here.write(yaml.safe_dump({"kmsplan": 1, "engine": {"alibaba": served.engine()}}))
    here.write(json.dumps(state), "terraform.tfstate")
    answer = here.run("import", "--terraform", "terraform.tfstate", "--out", "keys")
    assert "Wrote 1 instance, 5 keys, 0 default or service keys and 3 aliases to keys." in answer.out
    assert "Left out" not in answer.err
    piped = here.run("import", "--terraform", "-", "--out", "piped", stdin=json.dumps(alicloud.shown(state)))
    assert piped.out.replace("piped", "keys") == answer.out
    for path in sorted((tmp_path / "keys").iterdir()):
        assert (tmp_path / "piped" / path.name).read_text() == path.read_text()

    forgotten = (tmp_path / "keys" / "terraform-state-rm.sh").read_text()
    assert forgotten.count("terraform state rm ") == 9
    assert "terraform state rm 'alicloud_kms_key.tenant[\"globex/eu\"]'\n" in forgotten

    keys = Project(tmp_path / "keys", served.environ)
    assert "valid: 9 objects" in keys.run("validate").out
    addresses = {
        "instance.main",
        "key.orders",
        "key.tenant-acme",
        "key.tenant-globex-eu",
        "key.signing-ec-key",
        "key.byok",
        "alias.orders",
        "alias.orders/old",
        "alias.sign",
    }
    assert actions(keys) == dict.fromkeys(addresses, ("adopt", []))
    keys.apply()
    assert "No changes" in keys.run("plan", "--detailed-exitcode").out
    assert "No drift" in keys.run("drift").out
    assert served.project.run("engine", "status", "--json").json()["keys"] == before
    assert keys.state()["records"]["key.orders"]["attributes"]["deletion_window"] == 14
    again = here.run("import", "--terraform", "terraform.tfstate", "--out", "again")
    assert again.out.replace("again", "keys") == answer.out


def test_what_changed_since_terraform_ran_is_a_change_in_the_first_plan(served: Served, tmp_path: Path) -> None:
    core = served.project.call("CreateInstance", "ProductType=software", "Spec=1000", "KeyNum=1000")
    api = OldPython(served)
    key = str(api("CreateKey", DKMSInstanceId=core)["KeyMetadata"]["KeyId"])
    state = alicloud.state(
        alicloud.resource("alicloud_kms_instance", "second", {"attributes": alicloud.instance(api, core, "3")}),
        alicloud.resource("alicloud_kms_key", "moved", {"attributes": alicloud.key(api, key)}),
    )
    api("DisableKey", KeyId=key)
    here = Project(tmp_path, served.environ)
    here.write(yaml.safe_dump({"kmsplan": 1, "engine": {"alibaba": served.engine()}}))
    here.run("import", "--terraform", "-", "--out", "keys", stdin=json.dumps(state))
    keys = Project(tmp_path / "keys", served.environ)
    keys.run("state", "init")  # the KMS serves another configuration, too
    found = actions(keys)
    assert found == {"instance.second": ("adopt", []), "key.moved": ("adopt", ["enabled"])}


def test_without_a_configuration_the_region_is_the_one_that_the_keys_tell(project: Project) -> None:
    project.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"] = ""  # nobody is asked, so that no credentials are needed
    answer = project.run("import", "--terraform", str(CASES / "state.json"), "--out", "keys")
    assert "Wrote 2 instances, 9 keys, 0 default or service keys and 2 aliases to keys." in answer.out
    assert "Left out: 10. keys/import.yaml says which, and why." in answer.err
    assert "Not taken over: 11. keys/kmsplan.yaml says what, and why." in answer.err
    assert "To be filled in: type (guessed from its keys), spec, key_quota of the instance kst-" in answer.err
    assert "2 resources of other kinds: they stay with Terraform." in answer.err
    head = yaml.safe_load((project.root / "keys" / "kmsplan.yaml").read_text())
    assert head["engine"] == {"alibaba": {"region": "cn-hangzhou"}}
    Project(project.root / "keys").run("validate")
    assert all("hunter2" not in path.read_text() for path in (project.root / "keys").iterdir())
    elsewhere = project.run(
        "import", "--terraform", str(CASES / "state.json"), "--out", "far", "--region", "cn-beijing"
    )
    assert "Wrote 0 instances, 0 keys" in elsewhere.out
    assert "To be filled in" not in elsewhere.err


def test_every_resource_of_the_state_is_adopted_left_out_or_counted(project: Project) -> None:
    answer = project.run("import", "--terraform", str(CASES / "state.json"), "--out", "keys")
    blocks = json.loads((CASES / "state.json").read_text())["resources"]
    resources = sum(len(block["instances"]) for block in blocks if block["mode"] == "managed")
    left_out, others, unmanaged = 10, 2, 1
    imported = yaml.safe_load((project.root / "keys" / "import.yaml").read_text())["import"]
    assert resources == len(imported) + 2 + left_out + others - unmanaged, answer.text


def test_what_cannot_be_converted_is_refused_with_what_to_do_and_nothing_is_written(project: Project) -> None:
    key = {"id": "key-1", "arn": "acs:kms:cn-hangzhou:1:key/key-1"}
    far = {"id": "key-2", "arn": "acs:kms:cn-beijing:1:key/key-2"}
    two = alicloud.state(*(alicloud.resource("alicloud_kms_key", "k", {"attributes": one}) for one in (key, far)))
    other = alicloud.state(alicloud.resource("random_password", "p", {"attributes": {"result": "hunter2"}}))
    for content, words in (
        ("", "Error: the state is empty\nPrint the current state with: terraform state pull"),
        ('{"version": 4, "encrypted_data": "hunter2"}', "Error: the state is encrypted\nOpenTofu prints it decrypted"),
        ('{"version": 3, "hunter2": []}', "Error: the state has version '3'\nkmsplan knows state files of version 4"),
        (json.dumps(other), "Error: the state holds nothing of a KMS"),
        (json.dumps(two), "Error: the state holds keys of 2 regions, cn-beijing, cn-hangzhou\n"),
    ):
        refused = project.run("import", "--terraform", "-", "--out", "keys", code=1, stdin=content)
        assert words in refused.err
        assert "hunter2" not in refused.text
        assert list(project.root.iterdir()) == []
    for wrong in (["--terraform", "-"], ["--region", "cn-hangzhou", "--all", "--out", "x"]):
        assert "--terraform STATE takes --out DIR" in project.run("import", *wrong, code=1).err
    assert "No such file" in project.run("import", "--terraform", "missing", "--out", "x", code=1).err
    (project.root / "full").mkdir()
    (project.root / "full" / "notes").write_text("mine")
    assert "full holds something" in project.run("import", "--terraform", "-", "--out", "full", code=1, stdin="{}").err
