"""The way to a KMS over its API: rights, credentials and certificates, as docs/providers.md says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.certificates import authority, certificate
from tests.project import Project
from tests.served import Served, serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.project import Answer

KEYS = """\
kmsplan: 1
engine: {alibaba: ENGINE}
instances:
  core: {type: software}
keys:
  orders: {instance: core, rotation: 90d, aliases: [orders], tags: {team: payments}}
  signer: {instance: core, spec: EC_P256, rotation: {min_versions: 1}}
default_key: {aliases: [default]}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def client(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A folder whose keys an administrator has applied, and an auditor looks at."""
    project = Project(tmp_path_factory.mktemp("client"), dict(served.environ))
    project.write(KEYS.replace("ENGINE", json.dumps(served.engine())))
    project.apply()
    key = served.project.run("engine", "access-key", "create", "--role", "auditor", "--json").json()
    project.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"] = key["access_key_id"]
    project.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] = key["access_key_secret"]
    return project


def test_an_auditor_plans_and_looks_for_drift(client: Project, served: Served) -> None:
    client.run("plan", "--detailed-exitcode", code=0)
    client.run("drift", code=0)
    served.project.call("UpdateKeyDescription", "KeyId=alias/orders", "Description=theirs")
    (drift,) = client.run("drift", "--json", code=2).json()["drift"]
    assert drift["address"] == "key.orders"
    client.run("plan", "--detailed-exitcode", code=2)


def test_a_plan_that_was_made_from_the_state_alone_holds_over_the_api(client: Project, served: Served) -> None:
    administrator = Project(client.root, {**client.environ, **served.environ})
    administrator.apply()
    before = (client.root / "kmsplan.yaml").read_text()
    client.write(before.replace("rotation: 90d", "rotation: 60d"))
    client.run("plan", "--no-refresh", "-o", "state.plan")
    administrator.run("apply", "state.plan")
    client.write(before)
    administrator.apply()


def test_a_key_is_not_adopted_again_under_its_arn(client: Project, served: Served) -> None:
    administrator = Project(client.root, {**client.environ, **served.environ})
    orders = administrator.identity("key.orders")
    arn = f"acs:kms:{served.region}:{served.account}:key/{orders}"
    before = (client.root / "kmsplan.yaml").read_text()
    declared = before.replace("keys:\n", "keys:\n  copy: {instance: core}\n")
    client.write(f"{declared}import: [{{address: key.copy, identity: '{arn}'}}]\n")
    refused = administrator.run("apply", "--auto-approve", code=4)
    assert f"another name of {orders}" in refused.text
    client.write(declared)
    assert f"another name of {orders}" in administrator.run("import", "key.copy", arn, code=4).err
    client.write(before)


def test_an_auditors_apply_is_refused_with_the_permission_that_is_missing(client: Project, served: Served) -> None:
    served.project.call("UpdateKeyDescription", "KeyId=alias/orders", "Description=theirs")
    assert "kms:UpdateKeyDescription" in client.apply(code=1).err
    assert served.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] not in client.run("drift", code=2).text


def test_no_credentials_and_unknown_ones_are_told_apart(client: Project) -> None:
    stranger = Project(client.root, {**client.environ, "ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAIunknown"})
    assert "InvalidAccessKeyId" in stranger.run("plan", code=1).err
    nobody = Project(client.root, {"HOME": str(client.root)})
    assert "ALIBABA_CLOUD_ACCESS_KEY_ID" in nobody.run("plan", code=1).err


def test_credentials_are_found_in_the_order_that_is_written_down(
    client: Project, served: Served, tmp_path: Path
) -> None:
    environ = {"HOME": str(tmp_path), "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}
    somebody = Project(client.root, environ)
    assert "~/.alibabacloud/credentials.ini" in somebody.run("plan", code=1).err

    profile = tmp_path / ".alibabacloud" / "credentials.ini"
    profile.parent.mkdir()
    profile.write_text(
        f"[default]\ntype = access_key\naccess_key_id = {served.access_key_id}\n"
        f"access_key_secret = {served.access_key_secret}\n"
    )
    somebody.run("plan")

    command_line = tmp_path / ".aliyun" / "config.json"
    command_line.parent.mkdir()
    stranger = {"name": "default", "mode": "AK", "access_key_id": "LTAIcommand", "access_key_secret": "other"}
    command_line.write_text(json.dumps({"current": "default", "profiles": [stranger]}))
    assert "The access key is from ~/.aliyun/config.json" in somebody.run("plan", code=1).err

    environ |= {"ALIBABA_CLOUD_ACCESS_KEY_ID": served.access_key_id, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "other"}
    answer = Project(client.root, environ).run("plan", code=1)
    assert "SignatureDoesNotMatch" in answer.err
    assert "The access key is from ALIBABA_CLOUD_ACCESS_KEY_ID" in answer.err


def test_an_access_key_with_a_line_break_is_not_sent_and_not_shown(client: Project, served: Served) -> None:
    pasted = Project(client.root, {**client.environ, "ALIBABA_CLOUD_ACCESS_KEY_ID": f"{served.access_key_id}\n"})
    answer = pasted.run("plan", code=1)
    assert "line break" in answer.err
    assert served.access_key_id not in answer.text


def test_https_where_plain_http_is_spoken_says_what_to_look_at(client: Project, served: Served) -> None:
    options = {**served.engine(), "protocol": "https"}
    assert "endpoint and protocol" in _planned(client, options, code=1).err


def test_the_servers_certificate_is_checked_by_authority_and_name(
    client: Project, served: Served, tmp_path: Path
) -> None:
    trusted = authority(tmp_path)
    issued = certificate(tmp_path, "server", trusted)
    tls = ("--tls-cert", str(issued.certificate), "--tls-key", str(issued.key))
    process = served.project.start("engine", "serve", "--listen", "127.0.0.1:0", "--workers", "1", "--log", "off", *tls)
    try:
        assert process.stdout is not None
        endpoint = process.stdout.readline().strip().removeprefix("listening on https://")
        https = {"region": served.region, "endpoint": endpoint, "ca_file": str(trusted.certificate)}
        # Another endpoint is another KMS: a plan that gets so far is refused for that, and for nothing before it.
        assert "P101" in _planned(client, https, code=4).text
        assert "ca_file" in _planned(client, {**https, "ca_file": str(_stranger(tmp_path))}, code=1).err
        elsewhere = endpoint.replace("127.0.0.1", "localhost")
        assert "CERTIFICATE_VERIFY_FAILED" in _planned(client, {**https, "endpoint": elsewhere}, code=1).err
    finally:
        process.terminate()
        process.communicate(timeout=60)


def _stranger(folder: Path) -> Path:
    (folder / "stranger").mkdir()
    return authority(folder / "stranger").certificate


def _planned(client: Project, engine: Mapping[str, object], *, code: int) -> Answer:
    """Plan against another way to the KMS."""
    text = (client.root / "kmsplan.yaml").read_text()
    client.write(KEYS.replace("ENGINE", json.dumps(engine)))
    try:
        return client.run("plan", code=code)
    finally:
        client.write(text)
