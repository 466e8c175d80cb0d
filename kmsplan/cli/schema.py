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
    "outcome": "kmsplan.apply.schema:outcome_schema",
    "policy": "kmsplan.policy.schema:policy_schema",
    "event": "kmsplan.report.event_schema:event_schema",
    "inventory": "kmsplan.inventory.schema:inventory_schema",
    "due": "kmsplan.inventory.schema:due_schema",
    "validation": "kmsplan.report.document_schema:validation_schema",
    "recorded": "kmsplan.report.document_schema:recorded_schema",
    "record": "kmsplan.report.document_schema:record_schema",
    "history": "kmsplan.report.document_schema:history_schema",
    "difference": "kmsplan.report.document_schema:difference_schema",
    "approval": "kmsplan.report.document_schema:approval_schema",
    "rules": "kmsplan.report.document_schema:rules_schema",
    "version": "kmsplan.report.document_schema:version_schema",
    "engine-status": "kmsplan.report.document_schema:engine_status_schema",
    "access-key": "kmsplan.report.document_schema:access_key_schema",
    "access-keys": "kmsplan.report.document_schema:access_keys_schema",
    "backup": "kmsplan.report.document_schema:backup_schema",
}
"""Name -> the function that makes it; schemas/NAME.json is the same."""


@click.command()
@click.argument("name", type=click.Choice(list(SCHEMAS)), required=False, default="configuration")
@pass_session
def schema(session: Session, name: str) -> None:
    """Print the JSON Schema of something that kmsplan reads or writes; without a name, of the configuration."""
    module, _, function = SCHEMAS[name].partition(":")
    session.say(json.dumps(getattr(importlib.import_module(module), function)(), indent=2, sort_keys=True))
