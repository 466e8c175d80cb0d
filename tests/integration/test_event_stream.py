"""`apply --json`: whatever happens, its lines fit the schema, are numbered without a gap, and end with a summary."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest

from tests.project import BASIC

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.project import Project

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "event.json").read_text())
VALIDATOR = jsonschema_rs.validator_for(SCHEMA)
MANY = "kmsplan: 1\ninstances:\n  core: {type: software, key_quota: 9000}\nkeys:\n" + "".join(
    f"  k{number}: {{instance: core}}\n" for number in range(2000)
)


def told(printed: str) -> list[dict[str, Any]]:
    """The events of a stream, which is as it should be."""
    lines = [json.loads(line) for line in printed.splitlines()]
    for line in lines:
        VALIDATOR.validate(line)
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert [line["type"] for line in lines].count("change_summary") == 1
    assert (lines[0]["type"], lines[-1]["type"]) == ("version", "change_summary")
    return lines


def diagnostics(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line["diagnostic"] for line in lines if line["type"] == "diagnostic"]


def test_what_was_done_is_told_and_counted(basic: Project) -> None:
    lines = told(basic.apply("--json").out)
    assert lines[-1]["changes"]["add"] == 4
    assert diagnostics(lines) == []


def _broken(project: Project) -> None:
    project.write("kmsplan: 1\nkeys: {a: {instance: nowhere}, b: {instance: nowhere}}\n")


def _refused(project: Project) -> None:
    project.write("kmsplan: 1\ninstances:\n  core: {type: software}\n")


def _damaged(project: Project) -> None:
    (project.root / "state" / "kmsplan.state.json").write_text("{")


@pytest.mark.parametrize(
    ("prepare", "arguments", "code", "found"),
    [
        (_broken, ("--auto-approve",), 1, "K5"),
        (_refused, ("--auto-approve",), 4, "P109"),
        (_damaged, ("--auto-approve",), 1, "S102"),
        (lambda _: None, (), 5, None),
        (lambda _: None, ("nowhere.plan",), 1, None),
        (lambda _: None, ("--auto-approve", "--var", "none=1"), 1, "K"),
        (lambda _: None, ("--auto-approve", "--var", "none"), 1, None),
        (lambda _: None, ("--digest", "0" * 64), 7, None),
    ],
    ids=["broken", "refused", "damaged", "nobody-asked", "no-plan", "no-variable", "no-value", "not-reviewed"],
)
def test_what_stops_it_is_a_diagnostic_and_the_summary_says_that_nothing_was_done(
    applied: Project, prepare: Callable[[Project], None], arguments: tuple[str, ...], code: int, found: str | None
) -> None:
    prepare(applied)
    lines = told(applied.run("apply", "--json", *arguments, code=code).out)
    assert lines[-1]["changes"]["done"] == 0
    codes = [one["code"] for one in diagnostics(lines)]
    assert codes
    if found is not None:
        assert str(codes[0]).startswith(found)


def test_every_problem_of_the_configuration_has_its_place(applied: Project) -> None:
    _broken(applied)
    found = diagnostics(told(applied.apply("--json", code=1).out))
    assert [one["range"]["start"]["line"] for one in found] == [2, 2]


def test_a_change_that_fails_is_told_and_counted(applied: Project) -> None:
    applied.environ["HSM_PIN"] = "4711-0815"
    broken = "  vault: {type: hardware, hsm: {module: /nowhere/lib.so, token: test, pin: {env: HSM_PIN}}}\n"
    applied.write(BASIC.replace("keys:\n", f"{broken}keys:\n") + "  late: {instance: vault}\n")
    lines = told(applied.apply("--json", code=1).out)
    changes = lines[-1]["changes"]
    assert (changes["failed"], changes["skipped"], changes["done"]) == (1, 1, 0)
    assert {line["type"] for line in lines} >= {"apply_errored", "apply_skipped"}


def test_a_destruction_is_told_as_one(applied: Project) -> None:
    lines = told(applied.run("destroy", "--auto-approve", "--json", code=4).out)
    assert lines[-1]["changes"]["operation"] == "destroy"


def _rest(process: subprocess.Popen[str]) -> str:
    """What else it prints until it ends; what this end of the pipes holds already, too."""
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout as out, process.stderr:
        rest = out.read()
    process.wait(timeout=60)
    return rest


@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
def test_a_stream_that_is_interrupted_is_told_to_its_end(project: Project, *, again: bool) -> None:
    project.write(MANY)
    process = project.start("apply", "--auto-approve", "--json", "--parallelism", "1")
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if json.loads(line)["type"] == "apply_complete":
            break
    process.send_signal(signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    if again:  # at once, or it would be done with what was in flight before
        process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGCONT)
    lines = told("".join(seen) + _rest(process))
    assert process.returncode == 9
    assert lines[-1]["changes"]["done"] >= 1
    assert ("stopped at once" in [one["summary"] for one in diagnostics(lines)]) is again


def test_ending_it_before_it_begins_is_told_too(project: Project) -> None:
    project.write(MANY)
    process, number = project.standing_at_reading("kmsplan.yaml", "apply", "--auto-approve", "--json")
    for sent in (signal.SIGTERM, signal.SIGCONT):
        os.kill(number, sent)
    assert process.wait(timeout=60) == 9
    lines = told(project.printed().removesuffix("\nError: cancelled\n"))  # that is on standard error
    assert [one["summary"] for one in diagnostics(lines)] == ["cancelled"]
    assert lines[-1]["changes"]["done"] == 0


def test_a_reader_that_goes_away_does_not_stop_the_work(project: Project) -> None:
    project.write(BASIC)
    process = project.start("apply", "--auto-approve", "--json")
    assert process.stdout is not None
    assert process.stderr is not None
    while json.loads(process.stdout.readline())["type"] != "apply_start":
        pass
    process.stdout.close()
    printed = process.stderr.read()
    process.stderr.close()
    process.wait(timeout=60)
    assert "Traceback" not in printed
    assert len(project.state()["records"]) == 4
