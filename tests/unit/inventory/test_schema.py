from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from kmsplan.inventory.schema import due_schema, inventory_schema

SCHEMAS = Path(__file__).parents[3] / "schemas"


@pytest.mark.parametrize(("name", "schema"), [("inventory", inventory_schema()), ("due", due_schema())])
def test_the_file_is_what_the_code_makes_and_is_a_schema(name: str, schema: dict[str, Any]) -> None:
    assert (SCHEMAS / f"{name}.json").read_text() == json.dumps(schema, indent=2) + "\n"
    jsonschema.Draft202012Validator.check_schema(schema)
