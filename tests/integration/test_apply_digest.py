"""`apply --digest`: what was reviewed is planned anew, and carried out if it is still the same."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.project import BASIC, Project

if TYPE_CHECKING:
    from pathlib import Path


def digest(project: Project, *options: str) -> str:
    """As a reviewer reads it."""
    (found,) = re.findall(r"^Digest: (sha256:[0-9a-f]{64})$", project.run("plan", *options).out, re.MULTILINE)
    return str(found)


@pytest.fixture
def changed(applied: Project) -> Project:
    """Applied, and then changed."""
    applied.write(BASIC.replace("payments", "billing"))
    return applied


def test_the_reviewed_plan_is_applied_without_asking(changed: Project) -> None:
    reviewed = digest(changed)
    assert changed.run("plan", "--json").json()["digest"] == reviewed.removeprefix("sha256:")
    done = changed.run("apply", "--digest", reviewed)
    assert "1 changed" in done.out
    assert "Do you want" not in done.out
    again = changed.run("apply", "--digest", reviewed, code=7)
    assert "not what was reviewed" in again.err


@pytest.mark.parametrize("options", [(), ("--json",), ("--auto-approve",)])
def test_another_plan_is_shown_and_refused(changed: Project, options: tuple[str, ...]) -> None:
    reviewed = digest(changed)
    changed.call("UpdateKeyDescription", "KeyId=alias/orders", "Description=moved")
    refused = changed.run("apply", "--digest", reviewed, *options, code=7)
    assert "key.orders" in refused.out
    assert "the configuration or a variable, the state" in refused.err
    assert changed.state()["records"]["key.orders"]["attributes"]["tags"] == {"team": "payments"}


def test_options_are_part_of_what_was_reviewed(changed: Project) -> None:
    reviewed = digest(changed, "--target", "key.orders")
    changed.run("apply", "--digest", reviewed, code=7)
    changed.run("apply", "--digest", reviewed, "--target", "key.orders")


def test_a_digest_does_not_let_a_brake_go(applied: Project) -> None:
    applied.write("kmsplan: 1\ninstances: {core: {type: software}}\nkeys: {orders: {instance: core}}\n")
    reviewed = applied.run("plan", "--json").json()["digest"]
    assert "--allow-delete" in applied.run("apply", "--digest", reviewed, code=4).text


def test_the_digest_is_the_same_on_another_machine(applied: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Another folder, user, host, time zone and language; the same state and the same KMS."""
    applied.write(BASIC.replace("payments", "billing"))
    there: Path = tmp_path_factory.mktemp("elsewhere") / "deep" / "er"
    shutil.copytree(applied.root, there)
    environ = {"USER": "eve", "LOGNAME": "eve", "TZ": "Asia/Tokyo", "LANG": "C", "HOME": str(there)}
    assert digest(Project(there, environ)) == digest(applied)


def test_a_saved_plan_can_be_named_by_its_digest(changed: Project) -> None:
    reviewed = digest(changed, "-o", "x.plan")
    assert reviewed in changed.run("show", "x.plan").out
    assert "not the plan that was reviewed" in changed.run("apply", "x.plan", "--digest", "0" * 64, code=7).err
    changed.run("apply", "x.plan", "--digest", reviewed)


@pytest.mark.parametrize("text", ["", "sha256:abc", "g" * 64])
def test_what_is_no_digest_is_refused_as_one(basic: Project, text: str) -> None:
    assert "64 hexadecimal digits" in basic.run("apply", "--digest", text, code=1).err
