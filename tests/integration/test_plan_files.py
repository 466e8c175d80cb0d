"""Saved plans: what was reviewed is what runs, once, there and then, or not at all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.project import Project


@pytest.fixture
def saved(basic: Project) -> Project:
    basic.run("plan", "-o", "x.plan")
    return basic


def test_a_saved_plan_applies_without_asking(saved: Project) -> None:
    assert "Resources: 4 added" in saved.run("apply", "x.plan").out
    saved.run("plan", "--detailed-exitcode", code=0)


def test_show_prints_a_saved_plan_as_it_was_planned(saved: Project) -> None:
    assert "Plan: 4 to add" in saved.run("show", "x.plan").out
    shown = saved.run("show", "x.plan", "--json").json()
    assert {change["address"] for change in shown["resource_changes"]} == {
        "alias.orders",
        "instance.core",
        "key.orders",
        "key.signer",
    }


def test_a_plan_is_applied_once(saved: Project) -> None:
    saved.run("apply", "x.plan")
    answer = saved.run("apply", "x.plan", code=7)
    assert "serial" in answer.err


def test_equal_inputs_make_equal_plan_files(saved: Project) -> None:
    saved.run("plan", "-o", "y.plan")
    assert (saved.root / "x.plan").read_bytes() == (saved.root / "y.plan").read_bytes()


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9])
def test_an_edited_plan_is_refused(saved: Project, fraction: float) -> None:
    path = saved.root / "x.plan"
    data = bytearray(path.read_bytes())
    place = int(len(data) * fraction)
    data[place] ^= 1
    path.write_bytes(bytes(data))
    saved.run("apply", "x.plan", code=7)
    assert not (saved.root / "state" / "engine").exists()


def test_an_edited_value_is_refused_even_if_the_json_is_fine(saved: Project) -> None:
    path = saved.root / "x.plan"
    path.write_text(path.read_text().replace("payments", "billing", 1))
    assert "digest" in saved.run("apply", "x.plan", code=7).err


def test_a_truncated_plan_is_refused(saved: Project) -> None:
    path = saved.root / "x.plan"
    path.write_bytes(path.read_bytes()[:100])
    assert "plan" in saved.run("apply", "x.plan", code=7).err
    assert not (saved.root / "state" / "engine").exists()


def test_a_plan_of_another_configuration_is_refused(saved: Project) -> None:
    saved.write("kmsplan: 1\ninstances: {core: {type: software}}\n")
    assert "configuration" in saved.run("apply", "x.plan", code=7).err


def test_a_plan_made_before_something_moved_is_refused_and_names_it(applied: Project) -> None:
    applied.write((applied.root / "kmsplan.yaml").read_text().replace("team: payments", "team: billing"))
    applied.run("plan", "-o", "x.plan")
    applied.call("UpdateKeyDescription", "KeyId=alias/orders", "Description=moved")
    assert "key.orders" in applied.run("apply", "x.plan", code=7).err


def test_what_moved_elsewhere_does_not_make_a_plan_stale(applied: Project) -> None:
    applied.write((applied.root / "kmsplan.yaml").read_text().replace("team: payments", "team: billing"))
    applied.run("plan", "-o", "x.plan")
    applied.call("UpdateKeyDescription", f"KeyId={applied.identity('key.signer')}", "Description=moved")
    applied.run("apply", "x.plan")
    assert applied.state()["records"]["key.orders"]["attributes"]["tags"] == {"team": "billing"}


def test_a_first_plan_is_bound_to_its_state(saved: Project) -> None:
    for path in sorted((saved.root / "state").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    assert "lineage" in saved.run("apply", "x.plan", code=7).err
    assert not (saved.root / "state" / "engine").exists()


def test_a_plan_file_holds_no_secret(token: Project) -> None:
    token.write(
        "kmsplan: 1\n"
        "instances:\n  vault: {type: hardware, hsm: {module: /usr/lib/softhsm/libsofthsm2.so, token: test,"
        " pin: {env: HSM_PIN}}}\n"
        "keys:\n  k: {instance: vault}\n"
    )
    token.run("plan", "-o", "x.plan")
    assert "4711-0815" not in (token.root / "x.plan").read_text()
    assert json.loads((token.root / "x.plan").read_text())["format_version"]


def test_variables_of_the_plan_are_those_of_the_apply(project: Project) -> None:
    project.write(
        "kmsplan: 1\nvariables: {team: {default: a}}\ninstances: {core: {type: software}}\n"
        "keys:\n  k: {instance: core, tags: {team: '${var.team}'}}\n"
    )
    project.run("plan", "--var", "team=b", "-o", "x.plan")
    project.run("apply", "x.plan")
    assert project.state()["records"]["key.k"]["attributes"]["tags"] == {"team": "b"}


@pytest.mark.parametrize(
    "command", [("apply",), ("show",), ("graph",), ("policy", "check"), ("plan", "verify", "--trusted", "x")]
)
def test_a_plan_file_that_is_not_there_is_named_with_the_way_to_one(basic: Project, command: tuple[str, ...]) -> None:
    answer = basic.run(*command, "nowhere.plan", code=1)
    assert "there is no saved plan nowhere.plan\n" in answer.err
    assert "save it first: kmsplan plan -o nowhere.plan\n" in answer.err
    assert answer.out == ""


def test_a_folder_is_no_plan_file(basic: Project) -> None:
    answer = basic.run("show", ".", code=1)
    assert "the saved plan . cannot be read: is a directory\n" in answer.err


def test_a_list_of_signers_that_is_not_there_is_named_and_has_no_line(saved: Project) -> None:
    answer = saved.run("plan", "verify", "x.plan", "--trusted", "nowhere.yaml", code=1)
    assert "nowhere.yaml cannot be read: no such file or directory. " in answer.err
    assert "line 1" not in answer.err
