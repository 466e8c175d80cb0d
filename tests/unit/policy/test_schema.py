from __future__ import annotations

import json
from pathlib import Path

import jsonschema

from kmsplan.policy.schema import policy_schema

FILE = Path(__file__).parents[3] / "schemas" / "policy.json"


def test_the_file_is_what_the_code_makes() -> None:
    assert FILE.read_text() == json.dumps(policy_schema(), indent=2) + "\n"


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(policy_schema())
