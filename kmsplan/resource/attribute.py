"""An attribute's facts, stated once: type, default, how it changes, what carries the change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from kmsplan.resource.address import Address
    from kmsplan.resource.step import Step

Json: TypeAlias = Any
"""A JSON value: None, bool, int, float, str, list or dict of them."""
Attributes: TypeAlias = Mapping[str, Json]


class Mutability(StrEnum):
    """What a change of an attribute takes."""

    IN_PLACE = "in place"
    REPLACES = "replaces"
    SETTING = "setting"
    """A rule for kmsplan itself: recorded, never sent to the KMS."""
    COUNTED = "counted"
    """Grows at the KMS: recorded where kmsplan let it grow, never compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute of a kind."""

    name: str
    doc: str
    schema: Mapping[str, Json]
    """JSON Schema of the form that users write."""
    mutability: Mutability
    default: Json = None
    """In canonical form."""
    required: bool = False
    operations: tuple[str, ...] = ()
    """The API operations that change it in place."""
    reference: bool = False
    """Its value is the address of another object."""
    recorded: bool = True
    """False where it only steers how the configuration is read."""
    source: str | None = None
    """Nobody writes it: it is what `canonical` makes of what is written as this other attribute."""
    follows: bool = False
    """Where the configuration does not say it (None), it is whatever the KMS says."""
    canonical: Callable[[Json], Json] | None = None
    """From a valid written value to its canonical form; None where they are the same."""

    @property
    def written(self) -> bool:
        """Whether it stands in a configuration; others are made of one that does, or counted by the KMS."""
        return self.source is None and self.mutability is not Mutability.COUNTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of object: its table and how its differences become steps."""

    name: str
    section: str
    doc: str
    attributes: tuple[Attribute, ...]
    create: Callable[[Address, Attributes], tuple[Step, ...]]
    update: Callable[[str, Attributes, Attributes], tuple[Step, ...]]
    """(identity, before, after) -> steps."""
    delete: Callable[[str, Attributes], tuple[Step, ...]]
    restore: Callable[[str, Attributes, Attributes], tuple[Step, ...]] | None = None
    """Undo a pending deletion, where the kind has one."""
    by_name: Mapping[str, Attribute] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {attribute.name: attribute for attribute in self.attributes})

    @property
    def compared(self) -> tuple[str, ...]:
        """Names of the attributes that the KMS holds, so that drift and plan compare them."""
        return tuple(
            attribute.name
            for attribute in self.attributes
            if attribute.recorded and attribute.mutability in (Mutability.IN_PLACE, Mutability.REPLACES)
        )
