"""Every command once as its users run it, and the shapes that pipelines read."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest

from kmsplan.cli.schema import SCHEMAS
from tests.project import KMSPLAN

if TYPE_CHECKING:
    from tests.project import Project

ROOT = Path(__file__).parents[2]


def schema(name: str) -> dict[str, object]:
    document = json.loads((ROOT / "schemas" / f"{name}.json").read_text())
    assert isinstance(document, dict)
    return document


def test_init_makes_a_configuration_that_applies(project: Project) -> None:
    project.run("init")
    project.run("validate")
    project.apply()
    assert "already holds" in project.run("init", code=1).err


@pytest.mark.parametrize("command", [(), ("state",)], ids=["kmsplan", "kmsplan state"])
def test_who_names_no_command_is_shown_them(project: Project, command: tuple[str, ...]) -> None:
    answer = project.run(*command, code=1)
    assert answer.err.startswith(f"Usage: {' '.join(('kmsplan', *command))} [OPTIONS]")


def test_validate_json_names_every_problem_with_its_place(project: Project) -> None:
    project.write(
        "kmsplan: 1\ninstances:\n  core: {type: software}\nkeys:\n"
        "  a: {instance: cor, rotation: 1d}\n  b: {instance: core, spec: RSA_2048, rotation: 30d, tags: {x: 1}}\n"
    )
    document = project.run("validate", "--json", code=1).json()
    assert document["valid"] is False
    assert document["error_count"] == len(document["diagnostics"]) >= 4
    for diagnostic in document["diagnostics"]:
        assert diagnostic["code"].startswith("K")
        assert diagnostic["range"]["filename"] == "kmsplan.yaml"
        assert diagnostic["range"]["start"]["line"] in (5, 6)
        assert diagnostic["summary"]
        assert diagnostic["detail"]


def test_validate_shows_the_line_a_caret_and_a_suggestion(project: Project) -> None:
    project.write("kmsplan: 1\ninstances:\n  core: {type: software}\nkeys:\n  a: {instance: cor}\n")
    printed = project.run("validate", code=1).err
    assert "on kmsplan.yaml line 5" in printed
    assert "^" in printed
    assert "core" in printed


def test_validate_warns_of_a_variable_nobody_declares_and_is_still_valid(basic: Project) -> None:
    basic.environ["KMSPLAN_VAR_tpyo"] = "x"
    assert "tpyo" in basic.run("validate").err
    document = basic.run("validate", "--json").json()
    assert (document["valid"], document["error_count"]) == (True, 0)
    assert [diagnostic["severity"] for diagnostic in document["diagnostics"]] == ["warning"]


def _contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("command", ["plan", "drift", "show", "validate"])
def test_reading_commands_change_no_byte(applied: Project, command: str) -> None:
    before = _contents(applied.root)
    applied.run(command)
    assert _contents(applied.root) == before


def test_a_terminal_gets_a_progress_bar_and_colours(basic: Project) -> None:
    master, slave = pty.openpty()
    environment = {**basic.environment(), "TERM": "xterm-256color"}
    environment.pop("NO_COLOR")
    process = subprocess.Popen(
        [KMSPLAN, "apply", "--auto-approve"], cwd=basic.root, env=environment, stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    shown = b""
    with contextlib.suppress(OSError):  # Linux answers EIO once the other side is closed
        while chunk := os.read(master, 65536):
            shown += chunk
    os.close(master)
    assert process.wait(timeout=60) == 0
    assert b"applying" in shown
    assert b"\x1b[" in shown
    assert b"Apply complete!" in shown


def test_engine_status_tick_and_init(basic: Project) -> None:
    basic.run("engine", "init")
    assert "already holds" in basic.run("engine", "init", code=1).err
    basic.apply()
    status = basic.run("engine", "status", "--json").json()
    assert (status["sealed"], status["keys"]) == (False, {"Enabled": 2})
    assert "0 rotated, 0 deleted." in basic.run("engine", "tick").out


def test_plan_json_is_one_document_of_its_schema(basic: Project) -> None:
    document = basic.run("plan", "--json").json()
    jsonschema.validate(document, schema("plan"))
    change = next(one for one in document["resource_changes"] if one["address"] == "key.orders")
    assert change["change"]["actions"] == ["create"]
    assert [one["operation"] for one in change["operations"]] == ["CreateKey", "SetDeletionProtection"]
    assert change["operations"][0]["parameters"]["DKMSInstanceId"] == {"reference": "instance.core"}


def test_a_plan_without_changes_lists_every_object_as_no_op(applied: Project) -> None:
    document = applied.run("plan", "--json").json()
    jsonschema.validate(document, schema("plan"))
    assert [one["change"]["actions"] for one in document["resource_changes"]] == [["no-op"]] * 4
    assert document["applyable"] is False


def test_drift_json_is_one_document_of_its_schema(applied: Project) -> None:
    applied.call("DisableKey", "KeyId=alias/orders")
    document = applied.run("drift", "--format", "json", "--output", "drift.json", code=2)
    assert document.out == ""
    jsonschema.validate(json.loads((applied.root / "drift.json").read_text()), schema("drift"))


def test_a_report_that_cannot_be_written_is_an_error(applied: Project) -> None:
    assert "cannot be written" in applied.run("drift", "--output", "no/such/folder/x", code=1).err


def test_the_state_file_fits_its_schema(applied: Project) -> None:
    jsonschema.validate(applied.state(), schema("state"))


def test_apply_json_streams_lines_and_ends_with_a_summary(basic: Project) -> None:
    lines = [json.loads(line) for line in basic.apply("--json").out.splitlines()]
    assert (lines[0]["type"], lines[-1]["type"]) == ("version", "change_summary")
    assert lines[-1]["changes"]["add"] == 4
    assert {line["type"] for line in lines} >= {"planned_change", "apply_start", "apply_complete"}


def test_apply_json_ends_with_a_summary_after_a_refusal_too(applied: Project) -> None:
    applied.write("kmsplan: 1\ninstances:\n  core: {type: software}\n")
    lines = [json.loads(line) for line in applied.apply("--json", code=4).out.splitlines()]
    assert lines[-1]["type"] == "change_summary"
    assert any(line["type"] == "diagnostic" for line in lines)


def test_apply_json_needs_an_approval_beforehand(basic: Project) -> None:
    assert "--auto-approve" in basic.run("apply", "--json", code=5).err


def test_target_and_exclude_choose_and_say_that_the_plan_is_incomplete(basic: Project) -> None:
    targeted = basic.run("plan", "--json", "--target", "key.orders").json()
    assert {one["address"] for one in targeted["resource_changes"]} == {"instance.core", "key.orders"}
    assert targeted["complete"] is False
    excluded = basic.run("plan", "--json", "--exclude", "key.orders").json()
    assert {one["address"] for one in excluded["resource_changes"]} == {"instance.core", "key.signer"}
    basic.run("plan", "--target", "key.nothing", code=4)


def test_no_refresh_does_not_look_at_the_kms(applied: Project) -> None:
    applied.call("DisableKey", "KeyId=alias/orders")
    assert "No changes." in applied.run("plan", "--no-refresh").out
    applied.run("plan", "--detailed-exitcode", code=2)


def test_variables_come_from_flag_file_environment_and_default_in_this_order(project: Project) -> None:
    project.write(
        "kmsplan: 1\nvariables: {team: {default: d}}\ninstances: {core: {type: software}}\n"
        "keys:\n  k: {instance: core, tags: {team: '${var.team}'}}\n"
    )
    project.write("team: f\n", "v.vars.yaml")

    def team(*arguments: str) -> str:
        document = project.run("plan", "--json", *arguments).json()
        key = next(one for one in document["resource_changes"] if one["address"] == "key.k")
        return str(key["change"]["after"]["tags"]["team"])

    assert team() == "d"
    project.environ["KMSPLAN_VAR_team"] = "e"
    assert team() == "e"
    assert team("--var-file", "v.vars.yaml") == "f"
    assert team("--var-file", "v.vars.yaml", "--var", "team=v") == "v"
    assert "never" in project.run("plan", "--var", "never=1", code=1).err


@pytest.mark.parametrize("name", list(SCHEMAS))
def test_schema_prints_what_lies_in_schemas(project: Project, name: str) -> None:
    assert project.run("schema", name).json() == schema(name)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(project: Project, shell: str) -> None:
    assert "_KMSPLAN_COMPLETE" in project.run("completion", shell).out


def test_colours_only_where_they_are_wanted(basic: Project) -> None:
    assert "\x1b[" not in basic.run("plan").out
    environment = {**basic.environment(), "FORCE_COLOR": "1"}
    environment.pop("NO_COLOR")
    done = subprocess.run(
        [KMSPLAN, "plan"], cwd=basic.root, env=environment, capture_output=True, text=True, check=True
    )
    assert "\x1b[" in done.stdout


def test_a_reader_that_goes_away_is_no_traceback(applied: Project) -> None:
    process = applied.start("plan", "--json")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    printed = process.stderr.read()
    process.stderr.close()
    process.wait(timeout=60)
    assert "Traceback" not in printed
    assert "Exception ignored" not in printed


def test_unlock_refuses_the_living_and_frees_the_stopped(project: Project) -> None:
    keys = "".join(f"  k{number}: {{instance: core}}\n" for number in range(3000))
    project.write(f"kmsplan: 1\ninstances:\n  core: {{type: software, key_quota: 5000}}\nkeys:\n{keys}")
    process = project.background("apply", "--auto-approve")
    try:
        project.written(1)
        process.send_signal(signal.SIGSTOP)
        identifier = json.loads((project.root / "state" / "kmsplan.lock").read_text())["id"]
        assert "alive" in project.run("unlock", identifier, code=1).err
        assert "another id" in project.run("unlock", "wrong", code=1).err
        assert identifier in project.apply(code=6).err
    finally:
        process.send_signal(signal.SIGCONT)
        process.wait(timeout=120)
    project.run("plan", "--detailed-exitcode", code=0)
    assert "nothing to unlock" in project.run("unlock", identifier, code=1).err
