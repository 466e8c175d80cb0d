"""Colours, progress, width, --quiet and --verbose, as somebody at a terminal or a pipeline sees them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.project import BASIC, Project
from tests.terminals import on_terminal

if TYPE_CHECKING:
    from pathlib import Path

PIN = "pin-that-nobody-shows-4711"
MANY = "kmsplan: 1\ninstances:\n  core: {type: software, key_quota: 9000}\nkeys:\n" + "".join(
    f"  k{number}: {{instance: core}}\n" for number in range(300)
)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """An applied project with everything that a table can list."""
    project = Project(tmp_path_factory.mktemp("wide"))
    project.write(BASIC)
    project.apply()
    project.run("engine", "access-key", "create", "--role", "user", "--user", "orders-service")
    project.run("plan", "-o", "week.plan")
    project.call("DisableKey", f"KeyId={project.identity('key.signer')}")
    return project


READING = [
    ("validate",),
    ("plan",),
    ("plan", "verify", "week.plan"),
    ("drift",),
    ("inventory",),
    ("inventory", "--all"),
    ("due", "--within", "365d"),
    ("policy", "list"),
    ("policy", "check", "--pack", "strict"),
    ("policy", "explain", "R101"),
    ("show",),
    ("show", "week.plan"),
    ("graph", "--destroy"),
    ("state", "list"),
    ("state", "history"),
    ("state", "diff", "0"),
    ("state", "show"),
    ("state", "show", "key.orders"),
    ("engine", "status"),
    ("engine", "access-key", "list"),
    ("engine", "audit", "verify"),
    ("engine", "audit", "export"),
    ("version",),
    ("schema", "event"),
    ("man",),
    ("completion", "bash"),
    ("apply", "nowhere.plan"),
    ("plna",),
]


def words(text: str) -> list[str]:
    """What is said, however it is laid out."""
    return re.findall(r"[\w./:-]+\w", text)


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_twenty_columns_lose_nothing(wide: Project, arguments: tuple[str, ...]) -> None:
    narrow = on_terminal(wide, *arguments, columns=20)
    broad = on_terminal(wide, *arguments, columns=500)
    assert narrow.code == broad.code
    assert "Traceback" not in narrow.screen
    without_cells = {"ENDS"}  # the head of a column in which every cell is empty
    assert set(words(broad.plain)) - set(words(narrow.plain)) - without_cells == set()


def test_a_table_becomes_blocks_where_it_has_no_room(wide: Project) -> None:
    broad, narrow = (on_terminal(wide, "state", "history", columns=columns).plain for columns in (200, 20))
    assert broad.splitlines()[0].split() == ["serial", "when", "who", "command", "plan"]
    assert "\n  command: apply\n" in narrow
    assert max(map(len, narrow.splitlines())) < max(map(len, broad.splitlines()))


def test_colours_are_on_a_terminal_and_not_where_they_are_refused(wide: Project) -> None:
    assert "\x1b[" in on_terminal(wide, "drift").screen
    assert "\x1b[" not in on_terminal(wide, "drift", NO_COLOR="1").screen
    assert "\x1b[" not in on_terminal(wide, "--no-color", "drift").screen
    assert "\x1b[" not in on_terminal(wide, "drift", CI="true").screen


def test_an_apply_shows_a_bar_on_a_terminal_and_takes_it_away_again(project: Project) -> None:
    project.write(MANY)
    shown = on_terminal(project, "apply", "--auto-approve", "--allow-mass")
    assert shown.code == 0
    counts = re.findall(r"applying \S+ +(\d+)/301 +([\d,]+)/s", shown.plain)
    assert counts
    assert all(int(count) <= 301 for count, _ in counts)
    assert "created (" not in shown.screen
    assert shown.plain.rstrip().endswith("Resources: 301 added, 0 changed, 0 destroyed.")


def test_a_narrow_terminal_gets_the_counts_without_a_bar(project: Project) -> None:
    project.write(MANY)
    shown = on_terminal(project, "apply", "--auto-approve", "--allow-mass", columns=20)
    assert shown.code == 0
    assert re.search(r"\d+/301 +\d+/s", shown.plain)


def test_a_pipeline_with_a_terminal_gets_lines_and_no_bar(basic: Project) -> None:
    shown = on_terminal(basic, "apply", "--auto-approve", CI="true")
    assert "\x1b[" not in shown.screen
    assert "key.orders: created (key-" in shown.screen


def test_in_automation_nobody_is_asked(basic: Project) -> None:
    basic.environ["CI"] = "true"
    answer = basic.run("apply", code=5, stdin="yes\n")
    assert "in automation nobody is asked" in answer.err
    assert "--auto-approve" in answer.err
    assert "Enter a value" not in answer.text


@pytest.mark.parametrize("name", ["CI", "KMSPLAN_IN_AUTOMATION", "TF_IN_AUTOMATION"])
def test_automation_gets_no_hints(project: Project, name: str) -> None:
    project.environ[name] = "1"
    assert project.run("init").err == ""


def test_somebody_gets_hints(project: Project) -> None:
    assert "Next:" in project.run("init").err


def test_quiet_prints_the_answer_alone(basic: Project) -> None:
    answer = basic.run("--quiet", "apply", "--auto-approve")
    assert answer.err == ""
    assert "created (" not in answer.out
    assert answer.out.endswith("Apply complete! Resources: 4 added, 0 changed, 0 destroyed.\n")
    answer = basic.run("--quiet", "plan", "-o", "week.plan", "--no-refresh")
    assert answer.err == ""
    assert "No changes" in answer.out


def test_quiet_keeps_errors_and_exit_codes(applied: Project) -> None:
    applied.write("kmsplan: 1\ninstances:\n  core: {type: software}\n")
    answer = applied.run("--quiet", "apply", "--auto-approve", code=4)
    assert answer.err.startswith("Error: ")
    assert len(answer.err.splitlines()) == 2


def test_verbose_says_on_standard_error_what_is_read_and_how_long_it_takes(applied: Project) -> None:
    plain = applied.run("plan")
    answer = applied.run("--verbose", "plan")
    assert answer.out == plain.out
    steps = [line.partition("] ")[2] for line in answer.err.splitlines()]
    assert [re.sub(r"\d+\.\d+ s", "0 s", step) for step in steps] == [
        f"configuration: {applied.root}: kmsplan.yaml",
        "Reading the configuration: took 0 s",
        "configuration: 4 declared, warnings: 0",
        f"state: in {applied.root}/state",
        "Reading the KMS: took 0 s",
        "Planning: took 0 s",
    ]
    assert "lock: taken" in applied.run("--verbose", "apply", "--auto-approve").err


def test_verbose_says_no_secret_and_lets_no_name_forge_a_line(project: Project, tmp_path: Path) -> None:
    project.environ |= {"HSM_PIN": PIN, "KMSPLAN_VAR_team": PIN}
    project.write(
        "kmsplan: 1\nvariables: {team: {default: a, sensitive: true}}\ninstances:\n"
        "  vault: {type: hardware, hsm: {module: /nowhere/lib.so, token: test, pin: {env: HSM_PIN}}}\n"
    )
    forged = tmp_path / "x\n\x1b[31m::error::forged.yaml"
    forged.write_text("team: b\n")
    answer = project.run("--verbose", "apply", "--auto-approve", "--var-file", str(forged), code=None)
    assert PIN not in answer.text
    assert "\n::error" not in answer.text
    assert "\x1b" not in answer.err


def test_quiet_and_verbose_exclude_each_other(project: Project) -> None:
    assert "exclude each other" in project.run("--quiet", "--verbose", "plan", code=1).err


def test_an_option_behind_its_place_is_told_its_place(project: Project) -> None:
    assert "kmsplan --quiet plan" in project.run("plan", "--quiet", code=1).err
    assert "kmsplan -C DIR engine status" in project.run("engine", "status", "-C", "x", code=1).err


def test_an_error_is_the_last_thing_that_is_said(applied: Project) -> None:
    applied.write("kmsplan: 1\ninstances:\n  core: {type: software}\n")
    shown = on_terminal(applied, "apply", "--auto-approve")
    assert shown.code == 4
    *_, error, remedy = shown.plain.splitlines()
    assert error.startswith("Error: ")
    assert remedy == "Each is explained above."
