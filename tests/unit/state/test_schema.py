"""schemas/state.json."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from kmsplan.resource.kinds import KINDS
from kmsplan.state.schema import state_schema

ROOT = Path(__file__).parents[3]
CASE = ROOT / "tests" / "case" / "state" / "version-2.in.json"


@pytest.fixture
def document() -> Any:
    return json.loads(CASE.read_text())


def valid(document: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(state_schema()).is_valid(document))


def test_the_file_is_what_the_tables_say() -> None:
    path = ROOT / "schemas" / "state.json"
    assert json.loads(path.read_text()) == state_schema(), "run: kmsplan schema state > schemas/state.json"


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(state_schema())


def test_a_real_state_fits(document: Any) -> None:
    jsonschema.Draft202012Validator(state_schema()).validate(document)


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_has_records(kind: str) -> None:
    patterns = state_schema()["properties"]["records"]["patternProperties"]
    assert f"^{kind}\\.." in patterns


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("serial",), -1),
        (("lineage",), ""),
        (("format_version",), 3),
        (("made", "by"), 7),
        (("records", "key.orders", "status"), "lost"),
        (("records", "key.orders", "attributes", "pin"), "4711"),
        (("records", "thing.x"), {}),
        (("pending", 0, "operation"), "Guess"),
    ],
)
def test_what_kmsplan_never_writes_does_not_fit(document: Any, place: tuple[Any, ...], value: Any) -> None:
    changed = copy.deepcopy(document)
    inner = changed
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    assert not valid(changed)
