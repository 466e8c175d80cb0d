from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from kmsplan.config.schema import configuration_schema, expanded_schema
from kmsplan.config.section import SECTIONS
from kmsplan.resource.kinds import KINDS

ROOT = Path(__file__).parents[3]
FILE = ROOT / "schemas" / "configuration.json"
EXAMPLES = sorted((ROOT / "examples").glob("*/kmsplan.yaml"))
SCHEMA = configuration_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_the_schema_in_the_repository_is_the_generated_one() -> None:
    text = json.dumps(SCHEMA, indent=2, sort_keys=True) + "\n"
    if os.environ.get("KMSPLAN_UPDATE"):
        FILE.write_text(text)
    assert FILE.read_text() == text


@pytest.mark.parametrize("schema", [SCHEMA, expanded_schema()])
def test_the_schemas_are_valid_schemas(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)


def test_every_section_and_attribute_is_in_the_schema_with_its_doc() -> None:
    assert list(SCHEMA["properties"]) == list(SECTIONS)
    text = json.dumps(SCHEMA)
    for kind in KINDS.values():
        for attribute in kind.attributes:
            assert (json.dumps(attribute.doc) in text) is attribute.written


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_examples_please_an_editor(path: Path) -> None:
    assert list(VALIDATOR.iter_errors(yaml.safe_load(path.read_text()))) == []
    assert "yaml-language-server: $schema=../../schemas/configuration.json" in path.read_text().splitlines()[0]


@pytest.mark.parametrize(
    "document",
    [
        {"keys": {"a": {"rotation": "${var.x}", "tags": {"a": "${var.x}"}, "enabled": "${var.x}"}}},
        {"keys": {"t-${each.key}": {"for_each": "${var.x}", "tags": "${each.value.tags}", "aliases": ["${each.key}"]}}},
        {"keys": {"a": "${var.x}", "b": None}},
        {
            "instances": {
                "${var.x}": {
                    "key_quota": "${var.x}",
                    "hsm": {"module": "${var.x}", "token": "t", "pin": {"env": "${var.x}"}},
                }
            }
        },
        {"engine": "${var.x}", "state": {"local": {"path": "${var.x}/state"}}},
        {"moved": [{"from": "key.${var.x}", "to": "key.a"}], "default_key": {"enabled": "${var.x}"}},
        {"aliases": {"${var.x}/a": "${var.x}"}, "keys": None, "removed": None},
    ],
)
def test_references_may_stand_where_values_do(document: dict[str, Any]) -> None:
    assert list(VALIDATOR.iter_errors(document)) == []


@pytest.mark.parametrize(
    "document",
    [
        {"kmsplan": 2},
        {"key": {}},
        {"keys": {"a b": {}}},
        {"keys": {"a": {"rotation": 90}}},
        {"keys": {"a": {"rotaton": "90d"}}},
        {"keys": {"a": {"enabled": "yes"}}},
        {"keys": {"a": {"aliases": ["acs/x"]}}},
        {"keys": {"a": {"tags": {"kmsplan:owner": "x"}}}},
        {"instances": {"a": {"hsm": {"module": "m", "token": "t", "pin": "1234"}}}},
        {"defaults": {"key": {"for_each": []}}},
        {"variables": {"a": {"type": "text"}}},
        {"removed": [{"address": "key.a", "forget": False}]},
    ],
)
def test_an_editor_sees_mistakes(document: dict[str, Any]) -> None:
    assert list(VALIDATOR.iter_errors(document)) != []
