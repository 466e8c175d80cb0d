"""What there is and what falls due: as a person at a terminal and a job in a pipeline ask for it."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import icalendar
import jsonschema
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.project import KMSPLAN

if TYPE_CHECKING:
    from tests.project import Project

SCHEMAS = Path(__file__).parents[2] / "schemas"
PAGE = Path(__file__).parents[2] / "docs" / "inventory.md"


def keys(project: Project, *arguments: str) -> dict[str, Any]:
    document = project.run("inventory", "--json", *arguments).json()
    jsonschema.Draft202012Validator(json.loads((SCHEMAS / "inventory.json").read_text())).validate(document)
    return {key["address"] or key["identity"]: key for key in document["keys"]}


@pytest.fixture
def orphaned(applied: Project) -> Project:
    """Two keys and an alias, applied; and a key that another configuration of the same engine made and forgot."""
    text = (applied.root / "kmsplan.yaml").read_text()
    applied.write(text + "  orphan: {instance: core, deletion_protection: false}\n")
    applied.apply()
    applied.write(text + "removed: [{address: key.orphan, forget: true}]\n")
    applied.apply()
    applied.write(text)
    return applied


def test_before_the_first_apply_there_is_nothing(basic: Project) -> None:
    assert basic.run("inventory").out == "Keys: 0 managed.\n"
    assert "Nothing falls due" in basic.run("due").out


def test_the_inventory_says_of_every_key_what_the_engine_knows(applied: Project) -> None:
    found = keys(applied)
    orders, signer = found["key.orders"], found["key.signer"]
    assert (orders["instance"], orders["protection"], orders["state"]) == ("instance.core", "software", "Enabled")
    assert (orders["aliases"], orders["owner"], orders["versions"]) == (["alias/orders"], "payments", 1)
    assert (orders["rotation_seconds"], orders["last_rotation"], orders["quantum"]) == (7_776_000, None, "resistant")
    assert orders["next_rotation"] > orders["created"]
    assert (signer["quantum"], signer["quantum_level"], signer["harvest"]) == ("quantum-vulnerable", 0, False)
    assert orders["unknown"] == signer["unknown"] == []


def test_a_use_shows(applied: Project) -> None:
    before = keys(applied)["key.orders"]
    assert (before["last_used"], before["tracked_since"]) == (None, before["created"])
    applied.run("engine", "encrypt", "alias/orders", stdin="x")
    assert keys(applied)["key.orders"]["last_used"] >= before["created"]


def test_what_is_not_managed_is_counted_and_listed_when_asked_for(orphaned: Project) -> None:
    assert "2 managed, 1 not managed here (--all lists them)." in orphaned.run("inventory").out
    (foreign,) = (key for key in keys(orphaned, "--all").values() if not key["managed"])
    assert (foreign["address"], foreign["presence"], foreign["state"]) == (None, "present", "Enabled")


def test_a_spreadsheet_and_a_bill_of_materials_are_files_when_they_are_to_be(applied: Project) -> None:
    applied.run("inventory", "--format", "csv", "--output", "keys.csv", "--report", "cyclonedx=cbom.json")
    with (applied.root / "keys.csv").open(newline="") as file:
        assert [row["address"] for row in csv.DictReader(file)] == ["key.orders", "key.signer"]
    bill = (applied.root / "cbom.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None


def test_a_printed_table_reads_as_the_file_does(applied: Project) -> None:
    printed = applied.run("inventory", "--format", "csv").out
    assert len(list(csv.reader(io.StringIO(printed, newline="")))) == 3


def test_due_exits_with_2_where_something_is_and_with_0_where_nothing_is(applied: Project) -> None:
    assert "Nothing falls due" in applied.run("due", code=0).out
    document = applied.run("due", "--within", "91d", "--json", code=2).json()
    jsonschema.Draft202012Validator(json.loads((SCHEMAS / "due.json").read_text())).validate(document)
    assert [(due["kind"], due["address"]) for due in document["due"]] == [("rotation", "key.orders")]


def test_due_tells_of_a_deletion_that_somebody_scheduled_behind_its_back(applied: Project) -> None:
    applied.call("ScheduleKeyDeletion", f"KeyId={applied.identity('key.signer')}", "PendingWindowInDays=7")
    (due,) = applied.run("due", "--within", "8d", "--json", code=2).json()["due"]
    assert (due["kind"], due["address"]) == ("deletion", "key.signer")
    assert "is deleted; everything encrypted with it is lost for ever" in applied.run("due", code=2).out


def test_due_is_a_calendar(applied: Project) -> None:
    applied.run("due", "--within", "91d", "--format", "icalendar", "--output", "keys.ics", code=2)
    (event,) = icalendar.Calendar.from_ical((applied.root / "keys.ics").read_bytes()).walk("VEVENT")
    assert str(event["summary"]) == "key.orders: rotation"


@pytest.mark.parametrize(
    ("within", "words"), [("soon", "is no duration"), ("40000d", "is more than 36500d"), ("-1d", "is no duration")]
)
def test_a_horizon_that_is_none_is_refused(applied: Project, within: str, words: str) -> None:
    assert words in applied.run("due", f"--within={within}", code=1).err


def test_neither_command_writes_anything(applied: Project) -> None:
    def files() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in applied.root.rglob("*") if path.suffix in (".json", ".jsonl")}

    before = files()
    applied.run("inventory", "--all")
    applied.run("due", "--within", "366d", code=2)
    assert files() == before


@pytest.mark.parametrize(("command", "code"), [(["inventory", "--all"], 0), (["due", "--within", "366d"], 2)])
def test_a_terminal_twenty_columns_wide_shows_everything(applied: Project, command: list[str], code: int) -> None:
    controller, terminal = pty.openpty()
    done = subprocess.run(
        [KMSPLAN, *command],
        cwd=applied.root,
        env={**applied.environment(), "COLUMNS": "20"},
        stdin=terminal,
        stdout=terminal,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(terminal)
    shown = os.read(controller, 65536).decode()
    os.close(controller)
    assert (done.returncode, done.stderr) == (code, b"")
    assert "key.orders" in shown


@pytest.mark.parametrize("name", ["inventory", "due"])
def test_the_schemas_are_printed(project: Project, name: str) -> None:
    assert project.run("schema", name).json() == json.loads((SCHEMAS / f"{name}.json").read_text())


def test_the_page_s_commands_do_what_it_says(applied: Project) -> None:
    (block,) = re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL)
    commands = [line.removeprefix("$ kmsplan ").split() for line in block.splitlines() if line.startswith("$ kmsplan ")]
    assert len(commands) == 6
    for command in commands:
        applied.run(*command, code=2 if command[0] == "due" and "91d" in command else 0)
    assert {path.name for path in applied.root.iterdir()} >= {"keys.csv", "cbom.json", "keys.ics"}
