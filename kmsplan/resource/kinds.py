"""The list of kinds, in the order in which they depend on each other."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.resource.address import Address, kind_of
from kmsplan.resource.alias import ALIAS
from kmsplan.resource.default_key import DEFAULT_KEY
from kmsplan.resource.instance import INSTANCE
from kmsplan.resource.key import KEY
from kmsplan.resource.service_key import SERVICE_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.resource.attribute import Attributes, Kind

KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {kind.name: kind for kind in (INSTANCE, DEFAULT_KEY, SERVICE_KEY, KEY, ALIAS)}
)

REFERENCES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        kind.name: tuple(attribute.name for attribute in kind.attributes if attribute.reference)
        for kind in KINDS.values()
    }
)
"""By kind: the attributes whose values are addresses."""


def dependencies(address: Address, attributes: Attributes) -> tuple[Address, ...]:
    """Return the addresses that the object at `address` points at."""
    return tuple(Address(value) for name in REFERENCES[kind_of(address)] if (value := attributes.get(name)) is not None)
