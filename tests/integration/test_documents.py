"""Every JSON document that a command prints is of a published schema: `kmsplan schema NAME`, schemas/NAME.json."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import jsonschema
import pytest

from kmsplan.cli.main import cli
from kmsplan.cli.schema import SCHEMAS
from tests.project import BASIC, Project

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = Path(__file__).parents[2] / "schemas"
DOCUMENTS = {
    "kmsplan apply": "event",
    "kmsplan destroy": "event",
    "kmsplan drift": "drift",
    "kmsplan due": "due",
    "kmsplan engine access-key create": "access-key",
    "kmsplan engine access-key list": "access-keys",
    "kmsplan engine access-key rotate": "access-key",
    "kmsplan engine backup": "backup",
    "kmsplan engine backup verify": "backup",
    "kmsplan engine restore": "backup",
    "kmsplan engine status": "engine-status",
    "kmsplan inventory": "inventory",
    "kmsplan plan": "plan",
    "kmsplan plan verify": "approval",
    "kmsplan policy check": "policy",
    "kmsplan policy list": "rules",
    "kmsplan show": "recorded",
    "kmsplan state diff": "difference",
    "kmsplan state history": "history",
    "kmsplan state show": "recorded",
    "kmsplan validate": "validation",
    "kmsplan version": "version",
}
"""By command with --json: the schema of what it prints."""


def schema(name: str) -> Any:
    return json.loads((FILES / f"{name}.json").read_text())


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command below one, with its path, those that hide apart."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from commands(below, f"{path} {name}")


def test_every_command_with_json_has_a_schema() -> None:
    found = {
        path
        for path, command in commands(cli, "kmsplan")
        if any("--json" in parameter.opts for parameter in command.params)
    }
    assert found == set(DOCUMENTS)
    assert set(DOCUMENTS.values()) <= set(SCHEMAS)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schemas_file_is_what_the_code_says(name: str) -> None:
    module, _, function = SCHEMAS[name].partition(":")
    made = getattr(importlib.import_module(module), function)()
    jsonschema.Draft202012Validator.check_schema(made)
    assert schema(name) == made


def test_every_file_of_schemas_is_printed_by_a_command() -> None:
    assert {path.stem for path in FILES.glob("*.json")} == set(SCHEMAS)


def check(project: Project, *arguments: str, code: int = 0) -> None:
    """Run a command with --json, and hold its document to the schema of its command."""
    words = [word for word in arguments if not word.startswith("-")]
    path = next(
        path for size in range(len(words), 0, -1) if (path := " ".join(("kmsplan", *words[:size]))) in DOCUMENTS
    )
    jsonschema.validate(project.run(*arguments, "--json", code=code).json(), schema(DOCUMENTS[path]))


def test_what_looks_at_a_project_prints_documents_of_their_schemas(applied: Project) -> None:
    applied.run("apply", "--auto-approve")
    applied.write(BASIC.replace("team: payments", "team: billing"))
    applied.apply()
    check(applied, "version")
    check(applied, "validate")
    check(applied, "show")
    check(applied, "state", "show")
    check(applied, "state", "history")
    check(applied, "state", "diff", "1", "2")
    check(applied, "policy", "list")
    jsonschema.validate(json.loads(applied.run("state", "show", "key.orders").out), schema("record"))


def test_what_is_wrong_with_a_configuration_is_a_document_of_its_schema(basic: Project) -> None:
    basic.write(BASIC.replace("rotation: 90d", "rotation: 1d, colour: red"))
    check(basic, "validate", code=1)


def test_what_asks_an_engine_prints_documents_of_their_schemas(applied: Project) -> None:
    check(applied, "engine", "status")
    check(applied, "engine", "access-key", "create", "--role", "user")
    check(applied, "engine", "access-key", "list")
    identity = applied.run("engine", "access-key", "list", "--json").json()["access_keys"][0]["access_key_id"]
    check(applied, "engine", "access-key", "rotate", identity)


def test_a_backup_and_its_restoration_are_documents_of_their_schema(applied: Project) -> None:
    applied.environ["KMSPLAN_BACKUP"] = "correct horse battery staple"
    lock = ("--passphrase-env", "KMSPLAN_BACKUP")
    check(applied, "engine", "backup", "--output", "engine.backup", *lock)
    check(applied, "engine", "backup", "verify", "engine.backup", *lock)
    (applied.root / "state" / "engine").rename(applied.root / "lost")
    check(applied, "engine", "restore", "engine.backup", *lock)


def test_who_approved_a_plan_is_a_document_of_its_schema(basic: Project) -> None:
    basic.write(basic.run("plan", "keygen", "ann.pem", "--name", "ann").out, "signers")
    basic.run("plan", "-o", "p")
    trusted = ("p", "--trusted", "signers", "--require-signatures", "1")
    check(basic, "plan", "verify", *trusted, code=5)
    basic.run("plan", "sign", "p", "--key", "ann.pem", "--name", "ann")
    check(basic, "plan", "verify", *trusted)
