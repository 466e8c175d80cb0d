from __future__ import annotations

import json
from pathlib import Path

import jsonschema

from kmsplan.apply.schema import outcome_schema

FILE = Path(__file__).parents[3] / "schemas" / "outcome.json"


def test_the_file_is_what_the_code_says() -> None:
    assert FILE.read_text() == json.dumps(outcome_schema(), indent=2) + "\n"


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(outcome_schema())
