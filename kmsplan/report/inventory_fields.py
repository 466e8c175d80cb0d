"""What the inventory says of a key, by the names and in the order that its JSON and its CSV share."""

from __future__ import annotations

from datetime import UTC, datetime
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kmsplan.inventory.item import Item

_PLAIN: Final = (
    "address",
    "identity",
    "kind",
    "managed",
    "presence",
    "arn",
    "lineage",
    "instance",
    "protection",
    "spec",
    "size",
    "usage",
    "origin",
    "state",
    "created",
    "age_days",
    "versions",
    "primary_version",
    "last_rotation",
    "next_rotation",
    "rotation_seconds",
    "last_used",
    "tracked_since",
    "material_expires",
    "deletion",
    "deletion_protection",
    "owner",
    "description",
    "aliases",
    "used_by",
    "tags",
    "data_lifetime",
    "harvest",
    "note",
    "hsm_object",
)
"""Fields of an item that are said as they are; those behind them are of what a quantum computer does to it."""
FIELDS: Final[Mapping[str, Callable[[Item], Any]]] = MappingProxyType(
    {
        **{name: attrgetter(name) for name in _PLAIN},
        "quantum": lambda item: item.quantum and item.quantum.kind.value,
        "quantum_level": lambda item: item.quantum and item.quantum.level,
    }
)
"""By name: what to say. A name is never taken away or given another meaning within a format version."""
UNKNOWN_WITH: Final[Mapping[str, str]] = MappingProxyType({"quantum_level": "quantum"})
"""By name: the item's field that both are known with."""


def moment(value: datetime) -> str:
    """Return a time as all reports write it: RFC 3339, UTC, whole seconds."""
    return value.astimezone(UTC).isoformat(timespec="seconds").removesuffix("+00:00") + "Z"


def known(item: Item, name: str) -> bool:
    """Whether somebody could tell this of a key."""
    return UNKNOWN_WITH.get(name, name) not in item.unknown
