"""From `DisableKey KeyId=alias/orders` to an operation."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

import click

from kmsplan.kms.naming import ALIAS_PREFIX
from kmsplan.kms.settling import OPERATIONS
from kmsplan.kms.wire import from_parameters

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.service import Engine
    from kmsplan.kms.operation import Operation

_IDENTITIES = ("KeyId", "ResourceId")


def parse_call(name: str, pairs: tuple[str, ...]) -> Callable[[Engine], Operation]:
    """Return what makes the operation once the engine can say which key an alias means."""
    if name not in OPERATIONS:
        near = difflib.get_close_matches(name, OPERATIONS, n=1)
        raise click.UsageError(f"No such operation {name!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
    values = dict(_pair(pair) for pair in pairs)

    def make(engine: Engine) -> Operation:
        found = {
            key: engine.resolve(value) if key in _IDENTITIES and str(value).startswith(ALIAS_PREFIX) else value
            for key, value in values.items()
        }
        try:
            return from_parameters(name, found)
        except ValueError as error:
            raise click.UsageError(str(error)) from error

    return make


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"parameters are written NAME=VALUE, not {text!r}")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value
