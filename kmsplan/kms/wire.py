"""An operation as a call of the API: its parameters, back from them, and the identities that it waits for."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from kmsplan.kms.operation import FIELDS, KINDS, Reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.kms.operation import Operation


def parameters(operation: Operation) -> dict[str, Any]:
    """Return the API's parameters; a reference is written `{"reference": ADDRESS}`, None is left out."""
    return {
        wire: {"reference": value.address} if isinstance(value, Reference) else value
        for name, wire in FIELDS[type(operation).__name__]
        if (value := getattr(operation, name)) is not None
    }


def from_parameters(name: str, values: Mapping[str, Any]) -> Operation:
    """Build an operation from what `parameters` wrote.

    Raises:
        ValueError: unknown operation, unknown parameter, or a required one missing.
    """
    kind = KINDS.get(name)
    if kind is None:
        raise ValueError(f"unknown operation {name!r}")
    fields = {wire: field for field, wire in FIELDS[name]}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise ValueError(f"{name} has no parameter {unknown[0]!r}")
    missing = [wire for wire in _required(name) if wire not in values]
    if missing:
        raise ValueError(f"{name} needs {', '.join(missing)}")
    return kind(**{fields[wire]: _from_json(value) for wire, value in values.items()})


def _required(name: str) -> tuple[str, ...]:
    """Return the parameters without which there is no such operation."""
    return tuple(
        item.metadata["wire"]
        for item in dataclasses.fields(KINDS[name])
        if item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
    )


def _from_json(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == {"reference"}:
        return Reference(value["reference"])
    return tuple(value) if isinstance(value, list) else value


def references(operation: Operation) -> tuple[str, ...]:
    """Return the addresses whose identities the operation waits for."""
    values = (getattr(operation, name) for name, _ in FIELDS[type(operation).__name__])
    return tuple(value.address for value in values if isinstance(value, Reference))


def resolve(operation: Operation, identities: Mapping[str, str]) -> Operation:
    """Return the operation with every reference replaced by its identity.

    Raises:
        KeyError: an address has no identity yet.
    """
    found = {
        name: identities[value.address]
        for name, _ in FIELDS[type(operation).__name__]
        if isinstance(value := getattr(operation, name), Reference)
    }
    return dataclasses.replace(operation, **found) if found else operation  # type: ignore[arg-type]
