"""Aliases: names that point at keys. An alias's identity is its name, `alias/NAME`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.kms.naming import ALIAS_PREFIX
from kmsplan.kms.operation import CreateAlias, DeleteAlias, Reference, UpdateAlias
from kmsplan.resource.address import name_of
from kmsplan.resource.attribute import Attribute, Attributes, Kind, Mutability
from kmsplan.resource.step import Effect, Step

if TYPE_CHECKING:
    from kmsplan.resource.address import Address

ATTRIBUTES = (
    Attribute(
        name="key",
        mutability=Mutability.IN_PLACE,
        required=True,
        reference=True,
        operations=("UpdateAlias",),
        doc="The key it points at, by its name under `keys`.",
        schema={"type": "string", "minLength": 1},
        canonical=lambda name: f"key.{name}",
    ),
)


def identity_of(address: Address) -> str:
    """Return the API's name of the alias at `address`."""
    return ALIAS_PREFIX + name_of(address)


def create(address: Address, attributes: Attributes) -> tuple[Step, ...]:
    """Return CreateAlias."""
    operation = CreateAlias(alias=identity_of(address), key=Reference(attributes["key"]))
    return (Step(operation=operation, effect=Effect(attributes=dict(attributes))),)


def update(identity: str, before: Attributes, after: Attributes) -> tuple[Step, ...]:
    """Return UpdateAlias: one atomic step, no moment without the alias."""
    del before
    operation = UpdateAlias(alias=identity, key=Reference(after["key"]))
    return (Step(operation=operation, effect=Effect(attributes={"key": after["key"]})),)


def delete(identity: str, attributes: Attributes) -> tuple[Step, ...]:
    """Return DeleteAlias; the key stays."""
    del attributes
    return (Step(operation=DeleteAlias(alias=identity), effect=Effect(removes=True)),)


ALIAS = Kind(
    name="alias",
    section="aliases",
    doc="An alias of a key.",
    attributes=ATTRIBUTES,
    create=create,
    update=update,
    delete=delete,
)
