"""`kmsplan engine access-key` on a real engine."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.running import running
from tests.signing import Signer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.project import Project

PAIR = {"access_key_id", "access_key_secret"}


@pytest.fixture
def founded(basic: Project) -> Project:
    """A configuration with an empty engine."""
    basic.run("engine", "init")
    return basic


def create(project: Project, *options: str) -> dict[str, str]:
    made: dict[str, str] = project.run("engine", "access-key", "create", *options, "--json").json()
    assert made.keys() == PAIR
    return made


def listed(project: Project) -> dict[str, dict[str, str | None]]:
    rows = project.run("engine", "access-key", "list", "--json").json()["access_keys"]
    return {row["access_key_id"]: row for row in rows}


def test_a_key_is_made_listed_disabled_enabled_and_deleted(founded: Project) -> None:
    made = create(founded, "--role", "administrator")
    key = made["access_key_id"]
    account = founded.run("engine", "status", "--json").json()["account"]
    row = listed(founded)[key]
    assert (row["role"], row["user"], row["account"], row["status"]) == ("administrator", "root", account, "Active")
    founded.run("engine", "access-key", "disable", key)
    assert listed(founded)[key]["status"] == "Inactive"
    founded.run("engine", "access-key", "enable", key)
    assert listed(founded)[key]["status"] == "Active"
    founded.run("engine", "access-key", "delete", key)
    assert listed(founded) == {}
    assert "There is none" not in founded.run("engine", "access-key", "list").out


@pytest.mark.parametrize(
    ("options", "user"),
    [
        (("--role", "user"), "root"),
        (("--role", "user", "--user", "app"), "user/app"),
        (("--role", "user", "--user", "role/ci"), "role/ci"),
        (("--role", "auditor", "--user", "user/eve", "--account", "4711"), "user/eve"),
        (("--role", "service", "--user", "oss"), "role/oss"),
    ],
)
def test_a_user_is_named_as_key_policies_name_him(founded: Project, options: tuple[str, ...], user: str) -> None:
    made = create(founded, *options)
    assert listed(founded)[made["access_key_id"]]["user"] == user


def test_rotation_prints_a_new_pair_and_ends_the_old_one(founded: Project) -> None:
    old = create(founded, "--role", "user", "--user", "app")
    new = founded.run("engine", "access-key", "rotate", old["access_key_id"], "--json").json()
    assert new.keys() == PAIR
    rows = listed(founded)
    assert rows[old["access_key_id"]]["status"] == "Inactive"
    assert rows[new["access_key_id"]] | {"created": None} == {
        **rows[old["access_key_id"]],
        "access_key_id": new["access_key_id"],
        "created": None,
        "status": "Active",
    }
    newer = founded.run("engine", "access-key", "rotate", new["access_key_id"], "--overlap", "24h", "--json").json()
    rows = listed(founded)
    assert rows[new["access_key_id"]]["status"] == rows[newer["access_key_id"]]["status"] == "Active"
    assert rows[new["access_key_id"]]["expires"] is not None


def test_the_secret_is_printed_once_and_found_nowhere_again(founded: Project) -> None:
    made = create(founded, "--role", "user")
    text = founded.run("engine", "access-key", "create", "--role", "user").out
    found = re.search(r"^access key secret +(\w{30})$", text, re.MULTILINE)
    assert found is not None, text
    founded.run("engine", "access-key", "disable", made["access_key_id"])
    told = "".join(
        founded.run("engine", *command).text
        for command in (
            ("access-key", "list"),
            ("access-key", "list", "--json"),
            ("status",),
            ("status", "--json"),
            ("audit", "export"),
        )
    )
    assert made["access_key_id"] in told
    for secret in (made["access_key_secret"], found[1]):
        assert secret not in told
        for file in founded.root.rglob("*"):
            assert not file.is_file() or secret.encode() not in file.read_bytes(), file


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("create",), "Missing option '--role'"),
        (("create", "--role", "root"), "'root' is not one of"),
        (("create", "--role", "user", "--user", "user/"), "it is root, user/NAME or role/NAME"),
        (("create", "--role", "user", "--account", "acme"), "it is an account number"),
        (("create", "--role", "service"), "a service calls in a role of its own"),
        (("disable", "LTAInobody"), "'LTAInobody' is not found"),
        (("delete", "LTAInobody"), "'LTAInobody' is not found"),
        (("rotate", "LTAInobody"), "'LTAInobody' is not found"),
        (("rotate", "LTAInobody", "--overlap", "soon"), "--overlap soon is no duration"),
        (("rotate", "LTAInobody", "--overlap", "91d"), "from 0 to 7776000"),
    ],
)
def test_what_cannot_be_done_is_said(founded: Project, command: tuple[str, ...], said: str) -> None:
    assert said in founded.run("engine", "access-key", *command, code=1).err


def test_the_last_use_of_a_key_is_that_of_the_last_request_that_it_really_signed(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        project, mine = server.served.project, server.served.access_key_id
        idle = create(project, "--role", "user")["access_key_id"]
        forged = Signer(server.served.endpoint, idle, "not its secret")
        assert forged.call("DescribeKey", {"KeyId": server.key}).code == "SignatureDoesNotMatch"
        began = time.strftime("%Y-%m-%dT%H:", time.gmtime())
        assert server.encrypt().status == 200
        rows = listed(project)
        assert (rows[mine]["last_used"] or "") >= began
        assert rows[idle]["last_used"] is None


def test_without_an_engine_there_are_no_access_keys(basic: Project) -> None:
    assert "there is no engine in" in basic.run("engine", "access-key", "list", code=1).err


def test_access_keys_are_in_the_audit_trail(founded: Project) -> None:
    made = create(founded, "--role", "user")
    entries = [json.loads(line) for line in founded.run("engine", "audit", "export").out.splitlines()]
    assert [entry["action"] for entry in entries if entry["resource"] == made["access_key_id"]] == ["CreateAccessKey"]
    founded.run("engine", "audit", "verify")
