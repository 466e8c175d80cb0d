"""`kmsplan schema`: the JSON Schemas of what kmsplan reads and writes."""

from __future__ import annotations

import importlib
import json
from typing import Final

import click

from kmsplan.cli.session import Session, pass_session

SCHEMAS: Final = {
    "configuration": "kmsplan.config.schema:configuration_schema",
    "plan": "kmsplan.plan.schema:plan_schema",
    "state": "kmsplan.state.schema:state_schema",
    "drift": "kmsplan.drift.schema:drift_schema",
}
"""Name -> the function that makes it; schemas/NAME.json is the same."""


@click.command()
@click.argument("name", type=click.Choice(list(SCHEMAS)), required=False, default="configuration")
@pass_session
def schema(session: Session, name: str) -> None:
    """Print a JSON Schema: configuration (the default), plan, state or drift."""
    module, _, function = SCHEMAS[name].partition(":")
    session.say(json.dumps(getattr(importlib.import_module(module), function)(), indent=2, sort_keys=True))
