"""The inventory for machines. The form is `schemas/inventory.json`; `kmsplan.inventory.schema` makes it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from kmsplan.inventory.schema import INVENTORY_VERSION
from kmsplan.report.document import document
from kmsplan.report.inventory_fields import FIELDS, known, moment

if TYPE_CHECKING:
    from kmsplan.inventory.item import Inventory, Item
    from kmsplan.report.scene import Scene


def inventory_json(inventory: Inventory, scene: Scene) -> str:
    """Return the inventory as one JSON document."""
    return document(
        INVENTORY_VERSION,
        {
            "time": moment(scene.now),
            "environment": inventory.environment,
            "lineage": inventory.lineage or None,
            "keys": [_entry(item) for item in inventory.items],
            "summary": {
                "managed": sum(item.managed for item in inventory.items),
                "unmanaged": inventory.unmanaged,
                "quantum_vulnerable": sum(item.vulnerable for item in inventory.items),
                "harvest": sum(item.harvest for item in inventory.items),
            },
        },
    )


def _entry(item: Item) -> dict[str, Any]:
    entry = {name: _value(get(item)) for name, get in FIELDS.items()}
    return {**entry, "unknown": [name for name in FIELDS if not known(item, name)]}


def _value(value: Any) -> Any:
    return moment(value) if isinstance(value, datetime) else value
